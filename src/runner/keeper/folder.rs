//! A folder of the runner's own among files that others may write: no link in it is followed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{self as at, AtFlags, Mode, OFlags};

/// Modes are those that any new folder or file has; the umask takes its part.
const FOLDER_MODE: u32 = 0o777;
const FILE_MODE: u32 = 0o666;

/// A folder, whatever becomes of its name.
pub struct Folder {
    handle: OwnedFd,
}

impl Folder {
    /// Opens a folder that is there, behind links or not.
    pub fn open(path: &Path) -> io::Result<Self> {
        let handle = at::open(path, folder_flags(), Mode::empty())?;
        Ok(Self { handle })
    }

    /// Opens a folder in this one, and makes it when it is missing.
    pub fn inner(&self, name: &str) -> io::Result<Self> {
        let make = || match at::mkdirat(&self.handle, name, Mode::from_raw_mode(FOLDER_MODE)) {
            Err(error) if error != rustix::io::Errno::EXIST => Err(error),
            _ => at::openat(
                &self.handle,
                name,
                folder_flags() | OFlags::NOFOLLOW,
                Mode::empty(),
            ),
        };
        let handle = make().map_err(|error| named(name, error))?;
        Ok(Self { handle })
    }

    /// Makes a file; nothing may have its name.
    pub fn create(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(FILE_MODE);
        at::openat(&self.handle, name, flags, mode)
            .map(File::from)
            .map_err(|error| named(name, error))
    }

    /// Writes a file that is there whole or not at all, in the place of any that has its name.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = format!(".{name}.{}.part", std::process::id());
        let _ = at::unlinkat(&self.handle, &temporary, AtFlags::empty());
        let written = self.create(&temporary).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            self.rename(&temporary, name)
        });
        if written.is_err() {
            let _ = at::unlinkat(&self.handle, &temporary, AtFlags::empty());
        }
        written.and_then(|()| self.sync())
    }

    /// Gives what is in the folder another name, in the place of any file that has that.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        at::renameat(&self.handle, from, &self.handle, to).map_err(|error| named(to, error))
    }

    /// Removes what has this name, a folder with all that is in it.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.path().join(name);
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
            _ => fs::remove_file(path),
        }
    }

    /// The names of what is in it, as far as they are text.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(self.path())?;
        Ok(entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect())
    }

    /// The bytes that are free for us on its volume: an error when they are less than `wanted`.
    pub fn free(&self, wanted: u64) -> io::Result<u64> {
        let volume = at::fstatvfs(&self.handle)?;
        let free = volume.f_bavail.saturating_mul(volume.f_frsize);
        if free < wanted {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "the space that is left is for the outputs",
            ));
        }
        Ok(free)
    }

    /// Makes the names in it last through a crash of the node.
    pub fn sync(&self) -> io::Result<()> {
        match at::fsync(&self.handle) {
            // Some network file systems cannot do this for a folder, and lose nothing by it.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::OPNOTSUPP) => Ok(()),
            synced => Ok(synced?),
        }
    }

    /// A path that leads here even if another folder has the name by now.
    fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.handle.as_raw_fd()).into()
    }
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
}

fn named(name: &str, error: rustix::io::Errno) -> io::Error {
    let error = io::Error::from(error);
    io::Error::new(error.kind(), format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::runner::testing;

    #[test]
    fn links_are_not_followed() {
        let place = testing::folder("keeper-links");
        let elsewhere = testing::folder("keeper-elsewhere");
        let victim = elsewhere.write("victim", "as it was");
        let folder = Folder::open(place.path()).unwrap();
        symlink(elsewhere.path(), place.path().join("folder")).unwrap();
        symlink(&victim, place.path().join("file")).unwrap();
        let refused = folder.inner("folder").map(|_| ()).unwrap_err().to_string();
        assert!(refused.starts_with("folder: Not a directory"), "{refused}");
        assert!(folder.create("file").is_err());
        folder.write("file", b"new").unwrap();
        assert!(
            place
                .path()
                .join("file")
                .symlink_metadata()
                .unwrap()
                .is_file()
        );
        folder.remove("folder").unwrap();
        assert_eq!(fs::read_to_string(victim).unwrap(), "as it was");
        assert_eq!(folder.names().unwrap(), ["file"]);
    }

    #[test]
    fn a_folder_goes_with_all_that_is_in_it_but_not_behind_its_links() {
        let place = testing::folder("keeper-remove");
        let elsewhere = testing::folder("keeper-elsewhere");
        let victim = elsewhere.write("victim", "as it was");
        place.write("old/steps/a/stderr-0.log", "x");
        symlink(elsewhere.path(), place.path().join("old/steps/link")).unwrap();
        Folder::open(place.path()).unwrap().remove("old").unwrap();
        assert!(!place.path().join("old").exists());
        assert!(victim.exists());
    }
}

//! The engine's log in files of limited size: how it began, and how it ends.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use super::folder::Folder;

/// The first file, whose name those of the others begin with.
pub const ENGINE_LOG: &str = "engine.log";
const OLDER: &str = "engine.log.1";
const LAST: &str = "engine.log.2";
/// The free space is looked at again after so many bytes, or after a part of what is free.
const LOOK_AGAIN: u64 = 1 << 20;
const PART: u64 = 4;

/// The sizes of the files, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Of the first.
    pub first: u64,
    /// Of each of the two others.
    pub other: u64,
}

impl Default for Sizes {
    /// 64 MiB in all.
    fn default() -> Self {
        Self {
            first: 32 << 20,
            other: 16 << 20,
        }
    }
}

/// The files, which grow as the log does.
pub struct EngineFile {
    folder: Arc<Folder>,
    sizes: Sizes,
    file: File,
    /// Bytes that the current file still takes.
    room: u64,
    /// Files that were begun.
    begun: u32,
    /// Bytes of the log so far.
    total: u64,
    /// When `total` gets beyond this, the free space is looked at.
    look: u64,
    dirty: bool,
}

impl EngineFile {
    /// Begins the first file.
    pub fn create(folder: Arc<Folder>, sizes: Sizes) -> io::Result<Self> {
        let file = folder.create(ENGINE_LOG)?;
        folder.sync()?;
        Ok(Self {
            folder,
            sizes,
            file,
            room: sizes.first,
            begun: 1,
            total: 0,
            look: 0,
            dirty: false,
        })
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Adds whole lines to the log.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = bytes.len() as u64;
        if self.total + length > self.look {
            self.look_at_space(length)?;
        }
        if length > self.room {
            self.next()?;
        }
        self.file.write_all(bytes)?;
        self.dirty = true;
        self.room = self.room.saturating_sub(length);
        self.total += length;
        Ok(())
    }

    /// Makes what was written last through a crash of the node.
    pub fn sync(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.dirty) {
            self.file.sync_data()?;
        }
        Ok(())
    }

    /// Outputs need room as well: the log never takes more than what it leaves free.
    fn look_at_space(&mut self, length: u64) -> io::Result<()> {
        let most = self.sizes.first + 2 * self.sizes.other;
        let taken = (self.total + length).min(most);
        let free = self.folder.free(taken + length)?;
        self.look = self.total + length.max(LOOK_AGAIN.min(free / PART));
        Ok(())
    }

    /// Begins the next file; of more than three, the first and the last two stay.
    fn next(&mut self) -> io::Result<()> {
        self.sync()?;
        let name = if self.begun == 1 { OLDER } else { LAST };
        if self.begun > 2 {
            self.folder.rename(LAST, OLDER)?;
        }
        self.file = self.folder.create(name)?;
        self.folder.sync()?;
        self.begun += 1;
        self.room = self.sizes.other;
        let total = self.total;
        writeln!(
            self.file,
            "dvre-runner: here the log goes on after {total} bytes; what none of its files has is left out"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::testing;

    fn written(lines: usize) -> (testing::Folder, Vec<String>) {
        let place = testing::folder("engine-file");
        let folder = Arc::new(Folder::open(place.path()).unwrap());
        let sizes = Sizes {
            first: 100,
            other: 50,
        };
        let mut file = EngineFile::create(folder, sizes).unwrap();
        for line in 0..lines {
            file.write(format!("line {line:04}\n").as_bytes()).unwrap();
        }
        let read = |name: &&str| std::fs::read_to_string(place.path().join(name)).ok();
        let texts = [ENGINE_LOG, OLDER, LAST].iter().filter_map(read).collect();
        (place, texts)
    }

    #[test]
    fn a_short_log_is_one_file() {
        let (_place, texts) = written(3);
        assert_eq!(texts, ["line 0000\nline 0001\nline 0002\n"]);
    }

    #[test]
    fn a_long_log_goes_on_in_other_files() {
        let (_place, texts) = written(16);
        assert_eq!(texts.len(), 3);
        assert!(texts[0].ends_with("line 0009\n"), "{texts:?}");
        let goes_on = "dvre-runner: here the log goes on after 100 bytes; ";
        assert!(texts[1].starts_with(goes_on), "{texts:?}");
        assert!(texts[1].contains("\nline 0010\nline 0011\n"), "{texts:?}");
        assert!(texts[2].ends_with("line 0015\n"), "{texts:?}");
    }

    #[test]
    fn of_an_endless_log_the_beginning_and_the_end_stay() {
        let (_place, texts) = written(1003);
        assert_eq!(texts.len(), 3);
        assert!(texts[0].starts_with("line 0000\n") && texts[0].len() == 100);
        let both = texts[1].clone() + &texts[2];
        assert!(both.contains("goes on after 9950 bytes"), "{both}");
        assert!((995..1003).all(|line| both.contains(&format!("line {line:04}\n"))));
        assert!(both.len() < 500, "{both}");
    }
}

//! Copies outputs to their destination, so that a file is there whole or not at all.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use crate::runner::failure::Failure;

/// The folder of the runner's own records.
pub const OWN_FOLDER: &str = ".dvre";
/// The file that makes the destination an RO-Crate.
pub const METADATA_FILE: &str = "ro-crate-metadata.json";

/// The destination of one run's outputs.
pub struct Store {
    folder: PathBuf,
    /// Where each source went: one file given twice is stored once.
    known: HashMap<PathBuf, PathBuf>,
    taken: HashSet<PathBuf>,
    touched: BTreeSet<PathBuf>,
}

impl Store {
    /// The destination `folder`, which must be there.
    pub fn new(folder: &Path) -> Result<Self, Failure> {
        let folder = fs::canonicalize(folder).map_err(|error| {
            Failure::outputs(format!("the folder for outputs cannot be used: {error}"))
        })?;
        let (known, touched) = (HashMap::new(), BTreeSet::new());
        Ok(Self {
            folder,
            known,
            taken: HashSet::from([OWN_FOLDER.into(), METADATA_FILE.into()]),
            touched,
        })
    }

    /// Copies a file to `wanted` below the destination, or to a name beside it when another output
    /// has that; gives the path that it got.
    pub fn file(&mut self, place: &str, source: &Path, wanted: &Path) -> Result<String, Failure> {
        let why = |error: io::Error| {
            Failure::outputs(format!("output {place} cannot be stored: {error}"))
        };
        let identity = fs::canonicalize(source).map_err(why)?.join(wanted);
        if let Some(known) = self.known.get(&identity) {
            return Ok(known.to_string_lossy().into_owned());
        }
        let target = self.free(wanted).map_err(why)?;
        self.copy(source, &target).map_err(why)?;
        self.known.insert(identity, target.clone());
        Ok(target.to_string_lossy().into_owned())
    }

    /// Makes a folder; several outputs may share it.
    pub fn folder(&mut self, place: &str, wanted: &Path) -> Result<String, Failure> {
        let why = |error: io::Error| {
            Failure::outputs(format!("output {place} cannot be stored: {error}"))
        };
        if wanted.starts_with(OWN_FOLDER) || wanted == Path::new(METADATA_FILE) {
            return Err(why(io::Error::other(format!(
                "the name {} is the runner's own",
                wanted.display()
            ))));
        }
        self.make(wanted).map_err(why)?;
        Ok(wanted.to_string_lossy().into_owned())
    }

    /// Makes the copies last through a crash of the node.
    pub fn finish(self) -> Result<(), Failure> {
        for folder in &self.touched {
            let synced = File::open(folder).and_then(|folder| folder.sync_all());
            // Some network file systems cannot do this for a folder, and lose nothing by it.
            if let Err(error) = synced
                && error.kind() != io::ErrorKind::InvalidInput
                && error.kind() != io::ErrorKind::Unsupported
            {
                return Err(Failure::outputs(format!(
                    "the outputs cannot be stored: {error}"
                )));
            }
        }
        Ok(())
    }

    /// Where something is that the runner itself leaves there.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.join(relative)
    }

    /// Writes a file of the runner's own.
    pub fn bytes(&mut self, target: &Path, bytes: &[u8]) -> io::Result<()> {
        self.write(target, |file| file.write_all(bytes))
    }

    /// Gives such a file another name.
    pub fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let folder = self.make(to.parent().unwrap_or(Path::new("")))?;
        let name = to.file_name().unwrap_or_default();
        fs::rename(self.folder.join(from), folder.join(name))
    }

    /// `name.ext`, else `name_2.ext`, and so on: in the order of the outputs, so always the same.
    fn free(&mut self, wanted: &Path) -> io::Result<PathBuf> {
        let strange = || io::Error::other("its path is not below the output folder");
        if !wanted
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
        {
            return Err(strange());
        }
        let stem = wanted
            .file_stem()
            .ok_or_else(strange)?
            .to_string_lossy()
            .into_owned();
        let extension = wanted
            .extension()
            .map(|text| format!(".{}", text.to_string_lossy()));
        let mut target = wanted.to_owned();
        let mut number = 2;
        while !self.taken.insert(target.clone()) {
            target = wanted.with_file_name(format!(
                "{stem}_{number}{}",
                extension.as_deref().unwrap_or_default()
            ));
            number += 1;
        }
        Ok(target)
    }

    /// Makes a folder below the destination. What another run left there may be a link, and must not
    /// lead the copy out of it.
    fn make(&mut self, relative: &Path) -> io::Result<PathBuf> {
        let folder = self.folder.join(relative);
        fs::create_dir_all(&folder)?;
        if !fs::canonicalize(&folder)?.starts_with(&self.folder) {
            return Err(io::Error::other(
                "a link in the output folder leads out of it",
            ));
        }
        self.touched.extend(
            folder
                .ancestors()
                .take_while(|path| path.starts_with(&self.folder))
                .map(Path::to_owned),
        );
        Ok(folder)
    }

    fn copy(&mut self, source: &Path, target: &Path) -> io::Result<()> {
        self.write(target, |file| {
            let mut from = File::open(source)?;
            io::copy(&mut from, file)?;
            // Executable stays executable, where the file system knows of it.
            let mode = from.metadata()?.permissions().mode() & 0o777;
            let _ = file.set_permissions(fs::Permissions::from_mode(mode | 0o600));
            Ok(())
        })
    }

    fn write(
        &mut self,
        target: &Path,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        let folder = self.make(target.parent().unwrap_or(Path::new("")))?;
        let name = target.file_name().unwrap_or_default();
        let temporary = folder.join(format!(".dvre-{}.part", std::process::id()));
        let result = File::create(&temporary)
            .and_then(|mut file| fill(&mut file).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&temporary, folder.join(name)));
        if result.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        result
    }
}

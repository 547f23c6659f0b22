//! The CWL output object: read from the engine, put in order, and stored where it belongs.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use sha1::{Digest, Sha1};

use super::failure::Failure;
use super::layout::Layout;
use super::record::hex;
use super::run_file::RunFile;
use super::stage::decode;

mod store;

pub use store::{METADATA_FILE, OWN_FOLDER, Store};

/// The most bytes of an output object that are read from the engine.
pub const OBJECT_LIMIT: usize = 16 << 20;

/// Fields of a File or Directory that mean something beyond the engine's own container.
const KEPT: [&str; 8] = [
    "class",
    "basename",
    "size",
    "checksum",
    "contents",
    "format",
    "secondaryFiles",
    "listing",
];

/// Reads the object that the engine printed.
pub fn read(stdout: &[u8]) -> Result<Map<String, Value>, Failure> {
    if stdout.len() > OBJECT_LIMIT {
        let limit = OBJECT_LIMIT >> 20;
        return Err(Failure::outputs(format!(
            "the output object is larger than {limit} MiB"
        )));
    }
    match serde_json::from_slice(stdout) {
        Ok(Value::Object(object)) => Ok(object),
        // The engine prints none when the workflow has no outputs to speak of.
        Err(_) if stdout.trim_ascii().is_empty() => Ok(Map::new()),
        _ => Err(Failure::outputs(
            "the engine did not print an output object",
        )),
    }
}

/// Puts the object in order and, when the run has a place for outputs, copies every file there.
pub fn collect(
    layout: &Layout,
    run: &RunFile,
    mut outputs: Map<String, Value>,
) -> Result<Map<String, Value>, Failure> {
    let destination = run.outputs.as_ref().map(|folder| layout.at(folder));
    let mut collector = Collector {
        layout,
        limit: run.contents_limit_bytes,
        store: destination.map(|folder| Store::new(&folder)).transpose()?,
    };
    for (name, value) in &mut outputs {
        collector.value(name, value)?;
    }
    if let Some(store) = collector.store {
        store.finish()?;
    }
    Ok(outputs)
}

struct Collector<'a> {
    layout: &'a Layout,
    limit: u64,
    store: Option<Store>,
}

impl Collector<'_> {
    fn value(&mut self, place: &str, value: &mut Value) -> Result<(), Failure> {
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.value(&format!("{place}[{index}]"), item)?;
                }
            }
            Value::Object(object) => match object.get("class").and_then(Value::as_str) {
                Some("File") => self.file(place, object)?,
                Some("Directory") => self.directory(place, object)?,
                _ => {
                    for (key, value) in object {
                        self.value(&format!("{place}.{key}"), value)?;
                    }
                }
            },
            _ => {}
        }
        Ok(())
    }

    fn file(&mut self, place: &str, object: &mut Map<String, Value>) -> Result<(), Failure> {
        let source = self.source(place, object)?;
        object.retain(|key, _| KEPT.contains(&key.as_str()));
        if let Some(path) = source {
            let why = |error: io::Error| cannot_read(place, &error);
            let size = fs::metadata(&path).map_err(why)?.len();
            object.insert("size".to_owned(), size.into());
            set_basename(object, &path);
            if !object.contains_key("checksum") {
                object.insert("checksum".to_owned(), checksum(&path).map_err(why)?.into());
            }
            object.remove("contents");
            if size <= self.limit
                && let Some(text) = text(&path, self.limit).map_err(why)?
            {
                object.insert("contents".to_owned(), text.into());
            }
            let wanted = self.relative(&path);
            if let Some(store) = &mut self.store {
                let location = store.file(place, &path, &wanted)?;
                object.insert("location".to_owned(), location.into());
            }
        }
        self.parts(place, object)
    }

    fn directory(&mut self, place: &str, object: &mut Map<String, Value>) -> Result<(), Failure> {
        let source = self.source(place, object)?;
        object.retain(|key, _| KEPT.contains(&key.as_str()));
        if let Some(path) = source {
            set_basename(object, &path);
            if !object.contains_key("listing") {
                object.insert(
                    "listing".to_owned(),
                    listing(&path).map_err(|error| cannot_read(place, &error))?,
                );
            }
            let wanted = self.relative(&path);
            if let Some(store) = &mut self.store {
                let location = store.folder(place, &wanted)?;
                object.insert("location".to_owned(), location.into());
            }
        }
        self.parts(place, object)
    }

    fn parts(&mut self, place: &str, object: &mut Map<String, Value>) -> Result<(), Failure> {
        for key in ["secondaryFiles", "listing"] {
            if let Some(value) = object.get_mut(key) {
                self.value(&format!("{place}.{key}"), value)?;
            }
        }
        Ok(())
    }

    /// Where the engine left it; `None` for a literal. Links may not lead out of the run's folders.
    fn source(&self, place: &str, object: &Map<String, Value>) -> Result<Option<PathBuf>, Failure> {
        let Some(path) = engine_path(object) else {
            return Ok(None);
        };
        let real = fs::canonicalize(&path).map_err(|error| cannot_read(place, &error))?;
        let inside = ["/work", "/data", "/tmp"].iter().any(|folder| {
            fs::canonicalize(self.layout.at(folder)).is_ok_and(|folder| real.starts_with(folder))
        });
        if !inside {
            let why = format!(
                "output {place} is outside of the run's folders, or a link that leads there"
            );
            return Err(Failure::outputs(why));
        }
        Ok(Some(path))
    }

    /// Where it goes below the destination.
    fn relative(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(self.layout.outputs()) {
            Ok(relative) => relative.to_owned(),
            Err(_) => path.file_name().map(PathBuf::from).unwrap_or_default(),
        }
    }
}

/// The engine's `path`, else its `location`, which it does not always escape.
fn engine_path(object: &Map<String, Value>) -> Option<PathBuf> {
    if let Some(path) = object.get("path").and_then(Value::as_str) {
        return Some(path.into());
    }
    let path = object.get("location")?.as_str()?.strip_prefix("file://")?;
    Some(if Path::new(path).exists() {
        path.into()
    } else {
        decode(path).into()
    })
}

fn set_basename(object: &mut Map<String, Value>, path: &Path) {
    if !object.contains_key("basename")
        && let Some(name) = path.file_name()
    {
        object.insert("basename".to_owned(), name.to_string_lossy().into());
    }
}

fn listing(folder: &Path) -> io::Result<Value> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    entries.sort();
    entries
        .into_iter()
        .map(|path| {
            let class = if fs::metadata(&path)?.is_dir() {
                "Directory"
            } else {
                "File"
            };
            Ok(serde_json::json!({"class": class, "path": path.to_string_lossy()}))
        })
        .collect()
}

/// The checksum of a file, as CWL writes it.
pub fn checksum(path: &Path) -> io::Result<String> {
    let (mut file, mut sum, mut chunk) = (File::open(path)?, Sha1::new(), vec![0; 256 << 10]);
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(format!("sha1${}", hex(&sum.finalize())));
        }
        sum.update(chunk.get(..read).unwrap_or_default());
    }
}

/// The content of a small file when it is text.
fn text(path: &Path, limit: u64) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit || bytes.contains(&0) {
        return Ok(None);
    }
    Ok(String::from_utf8(bytes).ok())
}

fn cannot_read(place: &str, error: &io::Error) -> Failure {
    Failure::outputs(format!("output {place} cannot be read: {error}"))
}

#[cfg(test)]
mod tests;

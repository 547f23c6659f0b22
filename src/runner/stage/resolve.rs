//! Gives every File and Directory of the inputs a place that the engine can read.

use std::fmt::Write as _;
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value};

use crate::runner::failure::Failure;
use crate::runner::layout::Layout;
use crate::runner::run_file::{DATA_FOLDER, WORK_FOLDER, WORKFLOW_FOLDER};

/// A file to fetch.
#[derive(Debug)]
pub struct Request<'a> {
    /// An `https://` address.
    pub url: &'a str,
    /// What it is to be called; by its address when there is no name.
    pub name: Option<&'a str>,
    /// The folder of the file that it belongs to.
    pub beside: Option<&'a Path>,
}

/// Walks the input object.
pub struct Resolver<'a, F> {
    layout: &'a Layout,
    fetch: F,
}

impl<'a, F: FnMut(&Request<'_>) -> Result<PathBuf, String>> Resolver<'a, F> {
    /// A resolver that fetches with `fetch`.
    pub fn new(layout: &'a Layout, fetch: F) -> Self {
        Self { layout, fetch }
    }

    /// Resolves every File and Directory in place. An error names the input's place.
    pub fn resolve(&mut self, inputs: &mut Map<String, Value>) -> Result<(), Failure> {
        for (name, value) in inputs {
            self.value(&format!("inputs.{name}"), value, None)?;
        }
        Ok(())
    }

    fn value(
        &mut self,
        place: &str,
        value: &mut Value,
        beside: Option<&Path>,
    ) -> Result<(), Failure> {
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.value(&format!("{place}[{index}]"), item, beside)?;
                }
            }
            Value::Object(object) => match object.get("class").and_then(Value::as_str) {
                Some("File") => self.entry(place, object, false, beside)?,
                Some("Directory") => self.entry(place, object, true, beside)?,
                _ => {
                    for (key, value) in object {
                        self.value(&format!("{place}.{key}"), value, beside)?;
                    }
                }
            },
            _ => {}
        }
        Ok(())
    }

    fn entry(
        &mut self,
        place: &str,
        entry: &mut Map<String, Value>,
        directory: bool,
        beside: Option<&Path>,
    ) -> Result<(), Failure> {
        let mut folder = None;
        if let Some((key, text)) = address(entry) {
            let name = entry.get("basename").and_then(Value::as_str);
            let path = self
                .find(&text, key == "location", directory, name, beside)
                .map_err(|why| Failure::inputs(format!("{place}.{key}: {why}")))?;
            entry.remove("path");
            entry.insert("location".to_owned(), file_url(&path).into());
            folder = path
                .starts_with(self.layout.fetched())
                .then(|| path.parent())
                .flatten()
                .map(Path::to_owned);
        } else {
            let (class, literal) = if directory {
                ("Directory", "listing")
            } else {
                ("File", "contents")
            };
            if !entry.contains_key(literal) {
                let why = format!("{place}: a {class} needs a location, a path or {literal}");
                return Err(Failure::inputs(why));
            }
        }
        for key in ["secondaryFiles", "listing"] {
            if let Some(value) = entry.get_mut(key) {
                self.value(&format!("{place}.{key}"), value, folder.as_deref())?;
            }
        }
        Ok(())
    }

    fn find(
        &mut self,
        text: &str,
        location: bool,
        directory: bool,
        name: Option<&str>,
        beside: Option<&Path>,
    ) -> Result<PathBuf, String> {
        let path = match scheme(text) {
            Some("https") if directory => {
                return Err(
                    "a Directory cannot be fetched; list its files, or use a volume".to_owned(),
                );
            }
            Some("https") => {
                return (self.fetch)(&Request {
                    url: text,
                    name,
                    beside,
                });
            }
            Some("http") => return Err("http:// is not safe; use https://".to_owned()),
            Some("file") => {
                let rest = text.get("file://".len()..).unwrap_or_default();
                let rest = rest.strip_prefix("localhost").unwrap_or(rest);
                return self.local(&decode(rest), directory, text);
            }
            Some(other) => {
                return Err(format!(
                    "{other}:// is not supported; use https:// or a volume"
                ));
            }
            None => text,
        };
        match self.local(path, directory, text) {
            // A location is an address, in which a space is `%20`; a path is what it looks like.
            Err(_) if location && path.contains('%') => self.local(&decode(path), directory, text),
            found => found,
        }
    }

    fn local(&self, path: &str, directory: bool, text: &str) -> Result<PathBuf, String> {
        let path = allowed(path)?;
        let real = self.layout.at(&path);
        let wanted = if directory { "folder" } else { "file" };
        match fs::metadata(&real) {
            Ok(found) if found.is_dir() == directory => {}
            Ok(found) => {
                let is = if found.is_dir() { "a folder" } else { "a file" };
                let class = if directory { "Directory" } else { "File" };
                return Err(format!("{text:?} is {is}, and the class is {class}"));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(self.missing(&path, wanted, text));
            }
            Err(error) => return Err(format!("the {wanted} {text:?} cannot be read: {error}")),
        }
        let shown = real.to_string_lossy();
        if decode(&shown) != shown {
            return Err(format!(
                "StreamFlow cannot use the {wanted} {text:?}, for it reads % and two digits in its name as one character"
            ));
        }
        Ok(real)
    }

    fn missing(&self, path: &Path, wanted: &str, text: &str) -> String {
        if let Some(Component::Normal(volume)) = volume_of(path)
            && !self.layout.at(DATA_FOLDER).join(volume).exists()
        {
            let volume = volume.to_string_lossy();
            return format!("there is no volume {volume:?}; name it under spec.volumes");
        }
        let place = if path.starts_with(DATA_FOLDER) {
            "in the volume"
        } else {
            "among the workflow files"
        };
        format!("there is no {wanted} {text:?} {place}")
    }
}

/// The field that says where a File or Directory is, unless its content stands here.
fn address(entry: &Map<String, Value>) -> Option<(&'static str, String)> {
    ["location", "path"].into_iter().find_map(|key| {
        let text = entry.get(key)?.as_str()?;
        // `_:` and a name is how literals refer to each other.
        (!text.starts_with("_:")).then(|| (key, text.to_owned()))
    })
}

fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once("://")?;
    scheme
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        .then_some(scheme)
}

fn volume_of(path: &Path) -> Option<Component<'_>> {
    path.strip_prefix(DATA_FOLDER).ok()?.components().next()
}

/// An absolute path among the workflow files or in a volume, without `.` and `..`.
fn allowed(path: &str) -> Result<PathBuf, String> {
    let workflow = Path::new(WORK_FOLDER).join(WORKFLOW_FOLDER);
    let mut clean = PathBuf::new();
    for part in workflow.join(path).components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            part => clean.push(part),
        }
    }
    if path.is_empty() {
        Err("the path is empty".to_owned())
    } else if clean.starts_with(&workflow) || volume_of(&clean).is_some() {
        Ok(clean)
    } else if path.starts_with('/') {
        Err(format!(
            "{path:?} is outside {DATA_FOLDER}; put it in a volume and write {DATA_FOLDER}/NAME/..."
        ))
    } else {
        Err(format!("{path:?} leads out of the workflow's folder"))
    }
}

/// `%XX` as the byte it stands for.
pub fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| first == b'%').and_then(from_hex);
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() {
            after.get(2..).unwrap_or_default()
        } else {
            after
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn from_hex(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0, |byte, &digit| {
        Some(byte << 4 | u8::try_from(char::from(digit).to_digit(16)?).ok()?)
    })
}

/// A path as an address, with everything escaped that has a meaning in one.
fn file_url(path: &Path) -> String {
    let mut url = String::from("file://");
    for &byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

#[cfg(test)]
mod tests;

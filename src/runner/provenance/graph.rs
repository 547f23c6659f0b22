//! The entities of a crate: flat JSON objects that refer to each other by `@id`.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// The graph of a crate, in the order in which its entities came.
#[derive(Default)]
pub struct Graph {
    entities: Vec<Map<String, Value>>,
    index: HashMap<String, usize>,
    links: HashSet<(usize, &'static str, String)>,
}

impl Graph {
    /// Adds an entity, unless one of this `@id` is there; its fields are those of `fields`, without
    /// nulls. Gives back the `@id`.
    pub fn put(&mut self, id: &str, types: &[&str], fields: Value) -> String {
        if !self.has(id) {
            let types = match types {
                [one] => json!(one),
                several => json!(several),
            };
            let mut entity =
                Map::from_iter([("@id".to_owned(), json!(id)), ("@type".to_owned(), types)]);
            if let Value::Object(fields) = fields {
                entity.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
            }
            self.index.insert(id.to_owned(), self.entities.len());
            self.entities.push(entity);
        }
        id.to_owned()
    }

    /// How many entities there are.
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    /// Whether an entity is there.
    pub fn has(&self, id: &str) -> bool {
        self.index.contains_key(id)
    }

    /// Whether an entity has a field.
    pub fn field(&self, id: &str, key: &str) -> bool {
        let entity = self.index.get(id).and_then(|&n| self.entities.get(n));
        entity.is_some_and(|entity| entity.contains_key(key))
    }

    /// Sets a field of an entity that is there.
    pub fn set(&mut self, id: &str, key: &str, value: Value) {
        if let Some(entity) = self.index.get(id).and_then(|&n| self.entities.get_mut(n)) {
            entity.insert(key.to_owned(), value);
        }
    }

    /// Lets an entity refer to another, once. RO-Crate writes one value without brackets.
    pub fn link(&mut self, from: &str, key: &'static str, to: &str) {
        let Some(&number) = self.index.get(from) else {
            return;
        };
        if !self.links.insert((number, key, to.to_owned())) {
            return;
        }
        let Some(entity) = self.entities.get_mut(number) else {
            return;
        };
        let to = json!({ "@id": to });
        match entity.get_mut(key) {
            None => {
                entity.insert(key.to_owned(), to);
            }
            Some(Value::Array(values)) => values.push(to),
            Some(value) => *value = json!([value.take(), to]),
        }
    }

    /// The entities.
    pub fn into_value(self) -> Value {
        self.entities.into_iter().map(Value::Object).collect()
    }
}

/// Text as part of a relative address.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// `base` with a fragment, or with a longer one when it has one already.
pub fn below(base: &str, rest: &str) -> String {
    let mark = if base.contains('#') { '/' } else { '#' };
    format!("{base}{mark}{}", escape(rest))
}

/// A time as the profiles ask for it.
pub fn time(time: jiff::Timestamp) -> String {
    let text = time.strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string();
    format!("{text}+00:00")
}

/// The media type that a name suggests; `application/octet-stream` where it suggests none.
pub fn media_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension.to_ascii_lowercase().as_str() {
        "txt" | "log" | "out" | "err" => "text/plain",
        "csv" => "text/csv",
        "tsv" => "text/tab-separated-values",
        "md" => "text/markdown",
        "html" | "htm" => "text/html",
        "json" => "application/json",
        "cwl" | "yaml" | "yml" => "application/yaml",
        "xml" => "application/xml",
        "pdf" => "application/pdf",
        "gz" => "application/gzip",
        "zip" => "application/zip",
        "tar" => "application/x-tar",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "svg" => "image/svg+xml",
        "tif" | "tiff" => "image/tiff",
        "py" => "text/x-python",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reference_has_no_brackets_and_none_comes_twice() {
        let mut graph = Graph::default();
        graph.put("./", &["Dataset"], json!({"name": "x", "license": null}));
        graph.put("./", &["Dataset"], json!({"name": "y"}));
        graph.link("./", "hasPart", "a");
        graph.link("./", "hasPart", "a");
        graph.link("./", "mentions", "b");
        graph.link("./", "mentions", "c");
        graph.link("nobody", "mentions", "c");
        let expected = json!([{"@id": "./", "@type": "Dataset", "name": "x",
            "hasPart": {"@id": "a"}, "mentions": [{"@id": "b"}, {"@id": "c"}]}]);
        assert_eq!(graph.into_value(), expected);
    }

    #[test]
    fn addresses_and_times() {
        assert_eq!(escape("in put#1.txt"), "in%20put%231.txt");
        assert_eq!(below("a.cwl", "in/x"), "a.cwl#in/x");
        assert_eq!(below("a.cwl#main", "in/x"), "a.cwl#main/in/x");
        assert_eq!(
            time("2026-01-02T03:04:05.6Z".parse().unwrap()),
            "2026-01-02T03:04:05.600+00:00"
        );
    }
}

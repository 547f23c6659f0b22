//! A place in a document: the value, where it stands, and the way on, through `$import`s.

use super::names::{fragment, short, split};
use super::problem::{Problem, show};
use super::resolve::Index;
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::rc::Rc;

/// Deepest nesting of values through all imports.
const DEPTH: usize = 120;
/// Longest place that is still extended, in bytes.
const PLACE_BYTES: usize = 200;

/// A value of a document with its place.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    index: &'a Index<'a>,
    pub(super) value: &'a Value,
    pub(super) file: &'a str,
    place: String,
    depth: usize,
    imports: Option<Rc<Import<'a>>>,
}

/// An `$import` that is being followed, to see one that leads back to itself.
struct Import<'a> {
    target: &'a Value,
    outer: Option<Rc<Import<'a>>>,
}

impl<'a> Cursor<'a> {
    /// The root of a file.
    pub(super) fn root(index: &'a Index<'a>, file: &'a str, value: &'a Value) -> Self {
        Self {
            index,
            value,
            file,
            place: file.to_owned(),
            depth: 0,
            imports: None,
        }
    }

    /// Another value found through an identifier rather than from here.
    pub(super) fn at(&self, file: &'a str, id: &str, value: &'a Value) -> Self {
        Self {
            value,
            file,
            place: format!("{file}#{}", show(id)),
            ..self.clone()
        }
    }

    /// The index of identifiers that this document belongs to.
    pub(super) fn index(&self) -> &'a Index<'a> {
        self.index
    }

    /// Where this is, for messages.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// A refusal of what stands here.
    pub(super) fn problem(&self, message: &str) -> Problem {
        Problem::workflow(&self.place, message)
    }

    /// The refusal of a value of the wrong form.
    pub(super) fn expected(&self, what: &str) -> Problem {
        let found = super::value::found(self.value);
        self.problem(&format!("expected {what}, found {found}"))
    }

    /// The text that stands here.
    pub(super) fn text(&self) -> Option<&'a str> {
        self.value.as_str()
    }

    /// The mapping that stands here.
    ///
    /// # Errors
    /// Something else stands here.
    pub(super) fn object(&self) -> Result<&'a Map<String, Value>, Problem> {
        self.value
            .as_object()
            .ok_or_else(|| self.expected("a mapping"))
    }

    /// The value of a field, imports followed; `None` when absent or null, or if this is no
    /// mapping.
    ///
    /// # Errors
    /// An import that cannot be followed.
    pub(super) fn get(&self, key: &str) -> Result<Option<Self>, Problem> {
        match self.value.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => self.down(key, value).map(Some),
        }
    }

    /// The value of a field that must be there.
    ///
    /// # Errors
    /// It is missing, or an import cannot be followed.
    pub(super) fn need(&self, key: &str) -> Result<Self, Problem> {
        self.get(key)?
            .ok_or_else(|| self.problem(&format!("missing field `{key}`")))
    }

    /// The elements of a list; a list imported into it is spliced, a single value is a list of
    /// one.
    ///
    /// # Errors
    /// An import that cannot be followed.
    pub(super) fn items(&self) -> Result<Vec<Self>, Problem> {
        let Value::Array(values) = self.value else {
            return Ok(vec![self.clone()]);
        };
        let mut items = Vec::with_capacity(values.len());
        for (n, value) in values.iter().enumerate() {
            let id = ["id", "name", "class"]
                .iter()
                .find_map(|key| value.get(key)?.as_str());
            let item = match id {
                Some(id) => self.down(short(id), value)?,
                None => self.down(&n.to_string(), value)?,
            };
            let imported = value.get("$import").is_some();
            match item.value {
                Value::Array(_) if imported => items.extend(item.items()?),
                _ => items.push(item),
            }
        }
        Ok(items)
    }

    /// The elements of what CWL allows to be written as a mapping by `key` or as a list of
    /// mappings that carry `key`.
    ///
    /// # Errors
    /// Neither form, or an element without `key`.
    pub(super) fn named(&self, key: &str) -> Result<Vec<(&'a str, Self)>, Problem> {
        match self.value {
            Value::Object(map) => map
                .iter()
                .map(|(name, value)| Ok((name.as_str(), self.down(name, value)?)))
                .collect(),
            Value::Array(_) => self
                .items()?
                .into_iter()
                .map(|item| {
                    let name = match item.get(key)? {
                        Some(name) => name.text().ok_or_else(|| name.expected("a name"))?,
                        None if item.value.is_object() => {
                            return Err(item.problem(&format!("missing field `{key}`")));
                        }
                        None => return Err(item.expected("a mapping")),
                    };
                    Ok((name, item))
                })
                .collect(),
            _ => Err(self.expected("a mapping or a list")),
        }
    }

    /// Like [`Cursor::named`] by `id` or `name`, with short names, none of them twice.
    ///
    /// # Errors
    /// As [`Cursor::named`], or a duplicate or empty name.
    pub(super) fn unique(&self, key: &str) -> Result<Vec<(&'a str, Self)>, Problem> {
        let mut seen = HashSet::new();
        let mut elements = self.named(key)?;
        for (name, element) in &mut elements {
            *name = short(name);
            if name.is_empty() {
                return Err(element.problem(&format!("the `{key}` is empty")));
            }
            if !seen.insert(*name) {
                return Err(element.problem(&format!("duplicate {key} `{}`", show(name))));
            }
        }
        Ok(elements)
    }

    fn down(&self, key: &str, value: &'a Value) -> Result<Self, Problem> {
        let mut place = self.place.clone();
        if place.len() < PLACE_BYTES {
            place.push_str(if place.contains('#') { "/" } else { "#/" });
            place.push_str(&show(key));
        }
        let depth = self.depth + 1;
        if depth > DEPTH {
            return Err(Problem::workflow(
                &place,
                &format!("nested deeper than {DEPTH} levels"),
            ));
        }
        if !self.index.count_visit() {
            return Err(Problem::workflow(
                &place,
                "too much to read once imports are followed",
            ));
        }
        let here = Self {
            index: self.index,
            value,
            file: self.file,
            place,
            depth,
            imports: self.imports.clone(),
        };
        here.follow()
    }

    /// What an `$import` standing here means; anything else is itself.
    ///
    /// # Errors
    /// It leads nowhere, or back to itself.
    pub(super) fn follow(self) -> Result<Self, Problem> {
        let Some(reference) = self.value.get("$import").and_then(Value::as_str) else {
            return Ok(self);
        };
        if self.depth > DEPTH {
            return Err(self.problem(&format!("nested deeper than {DEPTH} levels")));
        }
        let (path, id) = split(reference);
        let file = self
            .index
            .library
            .file(self.file, path)
            .map_err(|why| self.problem(&why))?;
        let root = self.index.root(file)?;
        let found = match id {
            None | Some("") => (root.value, file.to_owned()),
            Some(id) => {
                let value = self
                    .index
                    .process(file, id)
                    .or_else(|| self.index.named_type(file, reference))
                    .map(|found| found.value)
                    .or_else(|| {
                        let own = root.value.get("id")?.as_str()?;
                        (fragment(own) == id).then_some(root.value)
                    });
                let value = value.ok_or_else(|| {
                    self.problem(&format!("`{}` has no `#{}`", show(file), show(id)))
                })?;
                (value, format!("{file}#{}", show(id)))
            }
        };
        let mut outer = self.imports.as_ref();
        while let Some(import) = outer {
            if std::ptr::eq(import.target, found.0) {
                return Err(self.problem(&format!("`{}` imports itself", show(reference))));
            }
            outer = import.outer.as_ref();
        }
        let imports = Some(Rc::new(Import {
            target: found.0,
            outer: self.imports.clone(),
        }));
        Self {
            value: found.0,
            file,
            place: found.1,
            depth: self.depth + 1,
            imports,
            ..self
        }
        .follow()
    }
}

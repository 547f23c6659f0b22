//! CWL types: reading them from a document.

use super::cursor::Cursor;
use super::names::{plain, short};
use super::problem::{Problem, list, show};
use serde_json::Value;
use std::collections::HashMap;

/// The type of an input, output, field or element.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    String,
    File,
    Directory,
    /// Anything but null.
    Any,
    Enum(Vec<String>),
    Record(Vec<(String, Type)>),
    Array(Box<Type>),
    Union(Vec<Type>),
    /// A type by its place in the table of [`Types`], because it may contain itself.
    Named(usize),
}

/// Where a type stands, which decides about its stream shorthands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// An input, where `stdin` is a File.
    Input,
    /// An output, where `stdout` and `stderr` are Files.
    Output,
}

impl Type {
    /// A type that may be left out.
    pub(super) fn optional(self) -> Self {
        Self::Union(vec![Self::Null, self])
    }

    /// Whether null is a value of it, so that an input of this type may be left out.
    pub(super) fn is_optional(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Union(types) => types.iter().any(Self::is_optional),
            _ => false,
        }
    }

    /// The type as a reader of messages knows it; nested ones only one level deep.
    pub(super) fn describe(&self, types: &[Type]) -> String {
        self.name(types, 2)
    }

    fn name(&self, types: &[Type], levels: usize) -> String {
        let primitive = match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::String => "string",
            Self::File => "File",
            Self::Directory => "Directory",
            Self::Any => "anything but null",
            Self::Enum(symbols) => return format!("one of {}", list(symbols)),
            Self::Record(fields) => {
                let fields = list(fields.iter().map(|(name, _)| name));
                return format!("a record of {fields}");
            }
            Self::Array(items) if levels == 0 => return Self::name(items, types, 0) + "[]",
            Self::Array(items) => return format!("array of {}", items.name(types, levels - 1)),
            Self::Union(_) if levels == 0 => "one of several types",
            Self::Union(alternatives) => {
                let names: Vec<String> = alternatives
                    .iter()
                    .take(8)
                    .map(|alternative| alternative.name(types, levels - 1))
                    .collect();
                return names.join(" or ");
            }
            Self::Named(_) if levels == 0 => "a named type",
            Self::Named(n) => {
                return types.get(*n).map_or_else(
                    || "a named type".to_owned(),
                    |of| of.name(types, levels - 1),
                );
            }
        };
        primitive.to_owned()
    }
}

/// The named types met so far.
#[derive(Default)]
pub(super) struct Types {
    table: Vec<Type>,
    known: HashMap<*const Value, usize>,
}

impl Types {
    /// The table that [`Type::Named`] counts in.
    pub(super) fn into_table(self) -> Vec<Type> {
        self.table
    }

    /// A named type.
    pub(super) fn get(&self, number: usize) -> Option<&Type> {
        self.table.get(number)
    }

    /// Reads the type that stands at the cursor.
    ///
    /// # Errors
    /// It is no CWL type, or names one that is declared nowhere.
    pub(super) fn read(&mut self, at: &Cursor<'_>, used: Use) -> Result<Type, Problem> {
        match at.value {
            Value::String(text) => self.shorthand(at, text, used),
            Value::Array(_) => {
                let alternatives: Result<Vec<_>, _> = at
                    .items()?
                    .iter()
                    .map(|item| self.read(item, used))
                    .collect();
                let alternatives = alternatives?;
                if alternatives.is_empty() {
                    return Err(at.problem("a list of types with nothing in it"));
                }
                Ok(Type::Union(alternatives))
            }
            Value::Object(map) if map.contains_key("name") => {
                let n = self.declare(at, used)?;
                Ok(Type::Named(n))
            }
            Value::Object(_) => self.schema(at, used),
            _ => Err(at.expected("a type")),
        }
    }

    /// `type?`, `type[]`, their repetitions, and names.
    fn shorthand(&mut self, at: &Cursor<'_>, text: &str, used: Use) -> Result<Type, Problem> {
        const SUFFIXES: usize = 16;
        let mut name = text.trim();
        let mut suffixes = Vec::new();
        loop {
            if let Some(rest) = name.strip_suffix('?') {
                suffixes.push('?');
                name = rest;
            } else if let Some(rest) = name.strip_suffix("[]") {
                suffixes.push('[');
                name = rest;
            } else {
                break;
            }
            if suffixes.len() > SUFFIXES {
                return Err(at.problem("a type nested too deeply"));
            }
        }
        let base = self.named(at, name, used)?;
        Ok(suffixes
            .iter()
            .rev()
            .fold(base, |inner, suffix| match suffix {
                '?' => inner.optional(),
                _ => Type::Array(Box::new(inner)),
            }))
    }

    fn named(&mut self, at: &Cursor<'_>, name: &str, used: Use) -> Result<Type, Problem> {
        Ok(match (plain(name), used) {
            ("null", _) => Type::Null,
            ("boolean", _) => Type::Boolean,
            ("int", _) => Type::Int,
            ("long", _) => Type::Long,
            ("float", _) => Type::Float,
            ("double", _) => Type::Double,
            ("string", _) => Type::String,
            ("File", _) | ("stdin", Use::Input) | ("stdout" | "stderr", Use::Output) => Type::File,
            ("Directory", _) => Type::Directory,
            ("Any", _) => Type::Any,
            ("record" | "array" | "enum", _) => {
                return Err(at.problem(&format!("`{name}` needs its fields, in a mapping")));
            }
            _ => {
                let found = at.index().named_type(at.file, name).ok_or_else(|| {
                    at.problem(&format!(
                        "unknown type `{}`; it is none of CWL and no SchemaDefRequirement has it",
                        show(name)
                    ))
                })?;
                let declared = at.at(found.file, found.id, found.value);
                Type::Named(self.declare(&declared, used)?)
            }
        })
    }

    /// Reads a type that has a name, once, so that it may refer to itself.
    fn declare(&mut self, at: &Cursor<'_>, used: Use) -> Result<usize, Problem> {
        let key = std::ptr::from_ref(at.value);
        if let Some(n) = self.known.get(&key) {
            return Ok(*n);
        }
        let n = self.table.len();
        self.table.push(Type::Any);
        self.known.insert(key, n);
        let schema = self.schema(at, used)?;
        if let Some(slot) = self.table.get_mut(n) {
            *slot = schema;
        }
        Ok(n)
    }

    fn schema(&mut self, at: &Cursor<'_>, used: Use) -> Result<Type, Problem> {
        let kind = at.need("type")?;
        match kind.text().map(plain) {
            Some("array") => Ok(Type::Array(Box::new(self.read(&at.need("items")?, used)?))),
            Some("enum") => {
                let mut symbols = Vec::new();
                for symbol in at.need("symbols")?.items()? {
                    let text = symbol.text().ok_or_else(|| symbol.expected("a symbol"))?;
                    symbols.push(text.to_owned());
                }
                Ok(Type::Enum(symbols))
            }
            Some("record") => {
                let Some(fields) = at.get("fields")? else {
                    return Ok(Type::Record(Vec::new()));
                };
                let fields: Result<Vec<_>, Problem> = fields
                    .unique("name")?
                    .into_iter()
                    .map(|(name, field)| {
                        let of = match field.value {
                            Value::Object(map) if map.contains_key("type") => field.need("type")?,
                            _ => field,
                        };
                        Ok((short(name).to_owned(), self.read(&of, used)?))
                    })
                    .collect();
                Ok(Type::Record(fields?))
            }
            _ => self.read(&kind, used),
        }
    }
}

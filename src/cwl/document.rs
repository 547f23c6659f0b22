//! Text to a tree of values, within bounds.

use super::problem::{Kind, Problem, show};
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::fmt;

/// Most text that is read for one workflow, in bytes. A Kubernetes object holds far less.
pub(super) const TEXT_BYTES: usize = 2 << 20;
/// Most values in one workflow after YAML aliases are expanded.
const NODES: usize = 250_000;
/// Most bytes of keys and strings in one workflow after YAML aliases are expanded.
const STRING_BYTES: usize = 16 << 20;
/// Deepest nesting of one file.
const DEPTH: usize = 100;

/// What may still be read. One is shared by all files of a workflow, so that YAML aliases, which
/// multiply text, are bounded by what they expand to.
pub(super) struct Budget {
    nodes: Cell<usize>,
    bytes: Cell<usize>,
}

impl Budget {
    /// A full budget.
    pub(super) fn new() -> Self {
        Self {
            nodes: Cell::new(NODES),
            bytes: Cell::new(STRING_BYTES),
        }
    }

    fn spend<E: Error>(&self, bytes: usize) -> Result<(), E> {
        let nodes = self.nodes.get().checked_sub(1);
        let bytes = self.bytes.get().checked_sub(bytes);
        match (nodes, bytes) {
            (Some(nodes), Some(bytes)) => {
                self.nodes.set(nodes);
                self.bytes.set(bytes);
                Ok(())
            }
            _ => Err(E::custom(format!(
                "more than {NODES} values or {STRING_BYTES} bytes once aliases are expanded"
            ))),
        }
    }
}

/// Reads one file of a workflow, YAML or JSON.
///
/// # Errors
/// The text is neither, has duplicate keys, or exceeds the budget. The message gives line and
/// column.
pub(super) fn parse(text: &str, budget: &Budget) -> Result<Value, String> {
    if text.len() > TEXT_BYTES {
        return Err(format!("more than {TEXT_BYTES} bytes of text"));
    }
    if text.trim_start().starts_with(['{', '[']) {
        // JSON first: YAML lacks its surrogate escapes. A flow mapping of YAML fails here at once.
        let mut json = serde_json::Deserializer::from_str(text);
        if let Ok(tree) = Tree::new(budget).deserialize(&mut json)
            && json.end().is_ok()
        {
            return Ok(tree);
        }
    }
    if let Some(line) = too_open(text) {
        return Err(format!("too many brackets are left open at line {line}"));
    }
    Tree::new(budget)
        .deserialize(serde_yaml::Deserializer::from_str(text))
        .map_err(|error| show_error(&error.to_string()))
}

/// Reads an input object, YAML or JSON. An empty text is an empty object.
///
/// The same bounds hold as for documents: 2 MiB of text, 250,000 values, 100 levels. `place` is
/// what the problem shall name, such as `inputsFrom[1]`.
///
/// # Errors
/// [`Kind::InvalidInputs`] when the text is neither YAML nor JSON, is not an object, repeats a key
/// or exceeds the bounds. No value is quoted.
pub fn read_object(place: &str, text: &str) -> Result<Map<String, Value>, Problem> {
    let refuse = |message: &str| Problem::new(Kind::InvalidInputs, place, message);
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match parse(text, &Budget::new()) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err(refuse("expected an object of input names and values")),
        // The parser's message may quote the text, which may come from a Secret; its place may not.
        Err(message) => {
            let place = message.rfind("at line ").and_then(|n| message.get(n..));
            Err(refuse(&format!(
                "neither YAML nor JSON, or with a repeated key, or too large: see {}",
                place.unwrap_or("its beginning")
            )))
        }
    }
}

/// Reads one document as it stands, YAML or JSON, without checking that it is CWL.
///
/// The same bounds hold as for a whole workflow.
///
/// # Errors
/// [`Kind::InvalidWorkflow`] when the text is neither YAML nor JSON, is not an object, repeats a key or
/// exceeds the bounds.
pub fn read_document(place: &str, text: &str) -> Result<Map<String, Value>, Problem> {
    match parse(text, &Budget::new()) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Problem::workflow(
            place,
            "expected a CWL document: an object",
        )),
        Err(message) => Err(Problem::workflow(place, &message)),
    }
}

/// The end of a parser's message, which says what and where; a long path to it comes first.
fn show_error(message: &str) -> String {
    const SHOWN: usize = 200;
    let skip = message.chars().count().saturating_sub(SHOWN);
    message
        .chars()
        .skip(skip)
        .filter(|c| !c.is_control())
        .collect()
}

/// The line at which too many brackets stand open for too long. The YAML scanner's work grows with
/// the product of text and open brackets, and it cannot be stopped; this bounds the product.
/// Brackets within plain text count too, which leaves room enough for any text that is meant well.
fn too_open(text: &str) -> Option<usize> {
    const WORK: usize = 100_000_000;
    let (mut open, mut work) = (0_usize, 0_usize);
    for (line, content) in text.lines().enumerate() {
        for byte in content.bytes() {
            match byte {
                b'[' | b'{' => open += 1,
                b']' | b'}' => open = open.saturating_sub(1),
                _ => {}
            }
            work = work.saturating_add(open);
        }
        if work > WORK {
            return Some(line + 1);
        }
    }
    None
}

/// Builds the tree while it counts.
#[derive(Clone, Copy)]
struct Tree<'b> {
    budget: &'b Budget,
    depth: usize,
}

impl<'b> Tree<'b> {
    fn new(budget: &'b Budget) -> Self {
        Self { budget, depth: 0 }
    }

    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth >= DEPTH {
            return Err(E::custom(format!("nested deeper than {DEPTH} levels")));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML or JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.budget.spend(0)?;
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.budget.spend(0)?;
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.budget.spend(0)?;
        Ok(value.into())
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Value, E> {
        // Beyond every integer of CWL; what matters is that it is a number and not an int.
        #[expect(clippy::cast_precision_loss, reason = "only its being a number counts")]
        self.visit_f64(value as f64)
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "only its being a number counts")]
        self.visit_f64(value as f64)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.budget.spend(0)?;
        // JSON has no infinity and no NaN; the largest number stands for them.
        Ok(Number::from_f64(value)
            .or_else(|| Number::from_f64(f64::MAX))
            .map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.budget.spend(value.len())?;
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.budget.spend(0)?;
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.budget.spend(0)?;
        let seed = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(seed)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.budget.spend(0)?;
        let seed = self.deeper()?;
        let mut map = Map::new();
        let mut merged = Vec::new();
        while let Some(key) = access.next_key_seed(Key(self.budget))? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("duplicate key `{}`", show(&key))));
            }
            match (key.as_str(), access.next_value_seed(seed)?) {
                ("<<", Value::Object(other)) => merged.push(Value::Object(other)),
                ("<<", Value::Array(others)) => merged.extend(others),
                (_, value) => {
                    map.insert(key, value);
                }
            }
        }
        for other in merged {
            let Value::Object(other) = other else {
                return Err(A::Error::custom("`<<` merges something that is no mapping"));
            };
            for (key, value) in other {
                map.entry(key).or_insert(value);
            }
        }
        Ok(Value::Object(map))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Value, A::Error> {
        Err(A::Error::custom(
            "YAML tags such as `!name` have no meaning in CWL",
        ))
    }
}

/// A key of a mapping; YAML allows keys that are not strings.
struct Key<'b>(&'b Budget);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key that is text")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<String, E> {
        self.0.spend(key.len())?;
        Ok(key.to_owned())
    }

    fn visit_bool<E: Error>(self, key: bool) -> Result<String, E> {
        self.visit_str(if key { "true" } else { "false" })
    }

    fn visit_i64<E: Error>(self, key: i64) -> Result<String, E> {
        self.visit_str(&key.to_string())
    }

    fn visit_u64<E: Error>(self, key: u64) -> Result<String, E> {
        self.visit_str(&key.to_string())
    }

    fn visit_f64<E: Error>(self, key: f64) -> Result<String, E> {
        self.visit_str(&key.to_string())
    }

    fn visit_unit<E: Error>(self) -> Result<String, E> {
        self.visit_str("null")
    }
}

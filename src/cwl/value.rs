//! Whether a value is of a CWL type. Nothing here ever quotes the value.

use super::names::{is_extension, short};
use super::problem::{list, show};
use super::types::Type;
use serde_json::{Map, Value};

/// Most comparisons for one input object. Unions are tried in turn, which hostile types could
/// make exponential.
const STEPS: usize = 1_000_000;
/// Longest place that is still extended, in bytes.
const PLACE_BYTES: usize = 300;

/// Where a value does not fit, and why.
#[derive(Debug)]
pub(super) struct Mismatch {
    pub(super) place: String,
    pub(super) message: String,
}

/// The sort of a value, as messages call it.
pub(super) fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) => match number.as_i64() {
            Some(n) if i32::try_from(n).is_ok() => "int",
            Some(_) => "long",
            None if number.is_u64() => "an integer beyond 64 bits",
            None => "float",
        },
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(map) => match map.get("class").and_then(Value::as_str) {
            Some("File") => "File",
            Some("Directory") => "Directory",
            _ => "object",
        },
    }
}

/// Compares values with types.
pub(super) struct Checker<'t> {
    types: &'t [Type],
    steps: usize,
}

type Checked = Result<(), Mismatch>;

impl<'t> Checker<'t> {
    /// A checker over the table that [`Type::Named`] counts in.
    pub(super) fn new(types: &'t [Type]) -> Self {
        Self {
            types,
            steps: STEPS,
        }
    }

    /// Whether `value`, which stands at `place`, is of type `of`.
    ///
    /// # Errors
    /// The innermost place that does not fit.
    pub(super) fn check(&mut self, value: &Value, of: &Type, place: &str) -> Checked {
        let Some(steps) = self.steps.checked_sub(1) else {
            return Err(mismatch(place, "too complex to be checked".to_owned()));
        };
        self.steps = steps;
        match (of, value) {
            (Type::Null, Value::Null)
            | (Type::Boolean, Value::Bool(_))
            | (Type::Float | Type::Double, Value::Number(_))
            | (Type::String, Value::String(_)) => Ok(()),
            (Type::Int, Value::Number(n))
                if n.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) =>
            {
                Ok(())
            }
            (Type::Long, Value::Number(n)) if n.is_i64() => Ok(()),
            (Type::Enum(symbols), Value::String(text)) => {
                let known = |symbol: &String| symbol == text || short(symbol) == text;
                if symbols.iter().any(known) {
                    return Ok(());
                }
                let symbols = list(symbols.iter().map(|symbol| short(symbol)));
                Err(mismatch(
                    place,
                    format!("expected one of {symbols}, found a string that is none of them"),
                ))
            }
            (Type::File, Value::Object(map)) if is_class(map, "File") => self.file(map, place),
            (Type::Directory, Value::Object(map)) if is_class(map, "Directory") => {
                self.file(map, place)
            }
            (Type::Any, Value::Array(items)) => self.each(items, of, place, true),
            (Type::Any, Value::Object(map))
                if is_class(map, "File") || is_class(map, "Directory") =>
            {
                self.file(map, place)
            }
            (Type::Any, Value::Object(map)) => map
                .iter()
                .filter(|(_, value)| !value.is_null())
                .try_for_each(|(name, value)| self.check(value, of, &field(place, name))),
            (Type::Any, value) if !value.is_null() => Ok(()),
            (Type::Array(of), Value::Array(items)) => self.each(items, of, place, false),
            (Type::Record(fields), Value::Object(map)) => self.record(fields, map, place),
            (Type::Union(alternatives), value) => self.union(alternatives, of, value, place),
            (Type::Named(n), value) => match self.types.get(*n) {
                Some(of) => self.check(value, of, place),
                None => Ok(()),
            },
            (of, value) => Err(self.wrong(of, value, place)),
        }
    }

    fn wrong(&self, of: &Type, value: &Value, place: &str) -> Mismatch {
        let hint = match (of, value) {
            (Type::File, Value::String(_)) => "; a File is {class: File, location: …}",
            (Type::Directory, Value::String(_)) => {
                "; a Directory is {class: Directory, location: …}"
            }
            (Type::File | Type::Directory, Value::Object(map)) if !map.contains_key("class") => {
                " without `class`"
            }
            _ => "",
        };
        let message = format!(
            "expected {}, found {}{hint}",
            of.describe(self.types),
            found(value)
        );
        mismatch(place, message)
    }

    fn each(&mut self, items: &[Value], of: &Type, place: &str, nulls: bool) -> Checked {
        items
            .iter()
            .enumerate()
            .filter(|(_, item)| !(nulls && item.is_null()))
            .try_for_each(|(n, item)| self.check(item, of, &format!("{place}[{n}]")))
    }

    fn record(
        &mut self,
        fields: &[(String, Type)],
        map: &Map<String, Value>,
        place: &str,
    ) -> Checked {
        for (name, of) in fields {
            match map.get(name) {
                None if of.is_optional() => {}
                None => {
                    let of = of.describe(self.types);
                    return Err(mismatch(
                        place,
                        format!("missing field `{}` ({of})", show(name)),
                    ));
                }
                Some(value) => self.check(value, of, &field(place, name))?,
            }
        }
        if map.len() > fields.len() {
            let declared: std::collections::HashSet<&str> =
                fields.iter().map(|(name, _)| name.as_str()).collect();
            let extra = |name: &&String| !declared.contains(name.as_str()) && !is_extension(name);
            if let Some(name) = map.keys().find(extra) {
                let fields = list(declared_names(fields));
                return Err(mismatch(
                    place,
                    format!("the record has no field `{}`; it has {fields}", show(name)),
                ));
            }
        }
        Ok(())
    }

    fn union(&mut self, alternatives: &[Type], of: &Type, value: &Value, place: &str) -> Checked {
        let mut of_this_form = Vec::new();
        let types = self.types;
        for alternative in alternatives.iter().filter(|of| has_form(types, of, value)) {
            match self.check(value, alternative, place) {
                Ok(()) => return Ok(()),
                Err(inner) => of_this_form.push(inner),
            }
        }
        // With a single alternative of the value's form, what is wrong within it says more.
        match (of_this_form.pop(), of_this_form.is_empty()) {
            (Some(inner), true) if inner.place != place => Err(inner),
            (Some(inner), true) if value.is_object() => Err(inner),
            _ => Err(self.wrong(of, value, place)),
        }
    }

    /// The fields of a File or Directory object.
    fn file(&mut self, map: &Map<String, Value>, place: &str) -> Checked {
        let is_file = is_class(map, "File");
        let given = |name: &str| map.get(name).filter(|value| !value.is_null());
        for name in [
            "location", "path", "basename", "contents", "format", "checksum",
        ] {
            if let Some(value) = given(name)
                && !value.is_string()
            {
                let message = format!("expected string, found {}", found(value));
                return Err(mismatch(&field(place, name), message));
            }
        }
        let (literal, needs) = if is_file {
            ("contents", "a File needs `location`, `path` or `contents`")
        } else {
            (
                "listing",
                "a Directory needs `location`, `path` or `listing`",
            )
        };
        let filled = |name: &str| given(name).is_some_and(|value| value.as_str() != Some(""));
        if !filled("location") && !filled("path") && given(literal).is_none() {
            return Err(mismatch(place, needs.to_owned()));
        }
        if given("basename")
            .and_then(Value::as_str)
            .is_some_and(|name| name.contains('/'))
        {
            let message = "a basename cannot contain `/`".to_owned();
            return Err(mismatch(&field(place, "basename"), message));
        }
        let inner = if is_file { "secondaryFiles" } else { "listing" };
        match given(inner) {
            None => Ok(()),
            Some(Value::Array(items)) => {
                let of = Type::Union(vec![Type::File, Type::Directory]);
                self.each(items, &of, &field(place, inner), false)
            }
            Some(value) => {
                let message = format!(
                    "expected array of File or Directory, found {}",
                    found(value)
                );
                Err(mismatch(&field(place, inner), message))
            }
        }
    }
}

/// Whether a value could be of the type by its form alone.
fn has_form(types: &[Type], of: &Type, value: &Value) -> bool {
    match (of, value) {
        (Type::Any | Type::Union(_), _)
        | (Type::Null, Value::Null)
        | (Type::Boolean, Value::Bool(_))
        | (Type::Int | Type::Long | Type::Float | Type::Double, Value::Number(_))
        | (Type::String | Type::Enum(_), Value::String(_))
        | (Type::Array(_), Value::Array(_)) => true,
        (Type::File, Value::Object(map)) => is_class(map, "File"),
        (Type::Directory, Value::Object(map)) => is_class(map, "Directory"),
        (Type::Record(_), Value::Object(map)) => {
            !is_class(map, "File") && !is_class(map, "Directory")
        }
        (Type::Named(n), value) => match types.get(*n) {
            Some(Type::Named(_)) | None => true,
            Some(of) => has_form(types, of, value),
        },
        _ => false,
    }
}

fn is_class(map: &Map<String, Value>, class: &str) -> bool {
    map.get("class").and_then(Value::as_str) == Some(class)
}

fn declared_names(fields: &[(String, Type)]) -> Vec<&str> {
    fields.iter().map(|(name, _)| name.as_str()).collect()
}

fn field(place: &str, name: &str) -> String {
    if place.len() > PLACE_BYTES {
        return place.to_owned();
    }
    format!("{place}.{}", show(name))
}

fn mismatch(place: &str, message: String) -> Mismatch {
    Mismatch {
        place: place.to_owned(),
        message,
    }
}

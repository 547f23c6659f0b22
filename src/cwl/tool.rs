//! What all processes have, inputs and outputs, and what a command line tool has.

use super::cursor::Cursor;
use super::header::{Version, check_fields};
use super::inputs::Input;
use super::problem::Problem;
use super::types::{Type, Types, Use};
use serde_json::Value;

/// Fields of a `CommandLineTool` beyond those of every process.
pub(super) const COMMAND_FIELDS: [&str; 8] = [
    "arguments",
    "baseCommand",
    "permanentFailCodes",
    "stderr",
    "stdin",
    "stdout",
    "successCodes",
    "temporaryFailCodes",
];
/// Fields of an input or output.
const PORT_FIELDS: [&str; 15] = [
    "default",
    "doc",
    "format",
    "id",
    "inputBinding",
    "label",
    "linkMerge",
    "loadContents",
    "loadListing",
    "outputBinding",
    "outputSource",
    "pickValue",
    "secondaryFiles",
    "streamable",
    "type",
];

/// One input or output.
pub(super) struct Port<'a> {
    pub(super) name: &'a str,
    pub(super) of: Type,
    pub(super) at: Cursor<'a>,
    /// Its default, when it has one.
    pub(super) default: Option<Cursor<'a>>,
}

/// The inputs or outputs of a process.
pub(super) struct Ports<'a>(pub(super) Vec<Port<'a>>);

impl<'a> Ports<'a> {
    /// Their names.
    pub(super) fn names(&self) -> Vec<&'a str> {
        self.0.iter().map(|port| port.name).collect()
    }

    /// What is kept of them for the check of an input object.
    pub(super) fn into_inputs(self) -> Vec<Input> {
        let keep = |default: Cursor<'_>, at: &Cursor<'_>| {
            // An imported default could be there many times over, and is not kept.
            let own = at.value.get("default")?;
            (std::ptr::eq(own, default.value) && !has_reference(own))
                .then(|| (own.clone(), default.place().to_owned()))
        };
        self.0
            .into_iter()
            .map(|port| Input {
                name: port.name.to_owned(),
                of: port.of,
                has_default: port.default.is_some(),
                default: port.default.and_then(|default| keep(default, &port.at)),
            })
            .collect()
    }
}

/// Whether an `$import` or `$include` stands somewhere in plain data.
fn has_reference(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_reference),
        Value::Object(map) => {
            map.contains_key("$import")
                || map.contains_key("$include")
                || map.values().any(has_reference)
        }
        _ => false,
    }
}

/// Reads the inputs of a process.
///
/// # Errors
/// They are missing, malformed, or of unknown types.
pub(super) fn inputs<'a>(
    at: &Cursor<'a>,
    version: Version,
    types: &mut Types,
) -> Result<Ports<'a>, Problem> {
    ports(&at.need("inputs")?, version, types, Use::Input)
}

/// Reads the outputs of a process.
///
/// # Errors
/// As [`inputs`].
pub(super) fn outputs<'a>(
    at: &Cursor<'a>,
    version: Version,
    types: &mut Types,
) -> Result<Ports<'a>, Problem> {
    ports(&at.need("outputs")?, version, types, Use::Output)
}

fn ports<'a>(
    all: &Cursor<'a>,
    version: Version,
    types: &mut Types,
    used: Use,
) -> Result<Ports<'a>, Problem> {
    let read = |(name, at): (&'a str, Cursor<'a>)| {
        let (of, default) = match at.value {
            Value::Object(map) if is_schema(map) => (types.read(&at, used)?, None),
            Value::Object(_) => {
                check_fields(&at, &[&PORT_FIELDS])?;
                let of = match at.get("type")? {
                    Some(of) => types.read(&of, used)?,
                    None if version == Version::V1_0 => Type::Any.optional(),
                    None => return Err(at.problem("missing field `type`")),
                };
                (of, at.get("default")?)
            }
            _ => (types.read(&at, used)?, None),
        };
        Ok(Port {
            name,
            of,
            at,
            default,
        })
    };
    all.unique("id")?
        .into_iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map(Ports)
}

/// Whether a mapping in the place of a parameter is a type itself, written without `type:` around.
fn is_schema(map: &serde_json::Map<String, Value>) -> bool {
    ["items", "fields", "symbols"]
        .iter()
        .any(|key| map.contains_key(*key))
}

/// Checks the fields of a command line tool.
///
/// # Errors
/// One is of the wrong form.
pub(super) fn command(at: &Cursor<'_>) -> Result<(), Problem> {
    if let Some(base) = at.get("baseCommand")? {
        for word in base.items()? {
            if word.text().is_none() {
                return Err(word.expected("a string or a list of strings"));
            }
        }
    }
    if let Some(arguments) = at.get("arguments")? {
        if !arguments.value.is_array() {
            return Err(arguments.expected("a list"));
        }
        for argument in arguments.items()? {
            if !argument.value.is_string() && !argument.value.is_object() {
                return Err(argument.expected("a string or a binding"));
            }
        }
    }
    for name in ["stdin", "stdout", "stderr"] {
        if let Some(stream) = at.get(name)?
            && stream.text().is_none()
        {
            return Err(stream.expected("a file name or an expression"));
        }
    }
    Ok(())
}

//! What stands at the top of a process: its version and its fields.

use super::cursor::Cursor;
use super::names::{is_extension, plain, short};
use super::problem::{Problem, show};

/// Versions of CWL, as far as they differ here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V1_0,
    V1_1,
    V1_2,
}

impl Version {
    /// As documents name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::V1_0 => "v1.0",
            Self::V1_1 => "v1.1",
            Self::V1_2 => "v1.2",
        }
    }
}

/// Fields that every process may have.
pub(super) const COMMON_FIELDS: [&str; 10] = [
    "class",
    "cwlVersion",
    "doc",
    "hints",
    "id",
    "inputs",
    "intent",
    "label",
    "outputs",
    "requirements",
];

/// Refuses fields that CWL does not know, which are mostly misspelt.
///
/// # Errors
/// The first such field, with those that there are.
pub(super) fn check_fields(at: &Cursor<'_>, known: &[&[&str]]) -> Result<(), Problem> {
    let known = || known.iter().copied().flatten().copied();
    let unknown = |name: &&String| !is_extension(name) && !known().any(|known| known == *name);
    match at.object()?.keys().find(unknown) {
        None => Ok(()),
        Some(name) => {
            let names: Vec<&str> = known().collect();
            let message = format!(
                "unknown field `{}`, expected one of {}",
                show(name),
                names.join(", ")
            );
            Err(at.problem(&message))
        }
    }
}

/// The CWL version of a process: its own, else that of its file, else that of its user.
///
/// # Errors
/// There is none, or an unknown one.
pub(super) fn version(at: &Cursor<'_>, outer: Option<Version>) -> Result<Version, Problem> {
    const KNOWN: &str = "supported are v1.0, v1.1 and v1.2";
    let root = at.index().root(at.file)?;
    let declared = match at.get("cwlVersion")? {
        Some(version) => Some(version),
        None => root.get("cwlVersion")?,
    };
    let Some(declared) = declared else {
        // Old packed documents carry it in an element of the graph.
        let element = root
            .value
            .get("$graph")
            .unwrap_or(root.value)
            .as_array()
            .and_then(|entries| {
                entries
                    .iter()
                    .find_map(|entry| entry.get("cwlVersion")?.as_str())
            });
        return match (element.and_then(parse_version), outer) {
            (Some(version), _) | (None, Some(version)) => Ok(version),
            (None, None) => Err(at.problem(&format!("not CWL: missing `cwlVersion`; {KNOWN}"))),
        };
    };
    let text = declared
        .text()
        .ok_or_else(|| declared.expected("a version such as v1.2"))?;
    parse_version(text)
        .ok_or_else(|| declared.problem(&format!("unknown CWL version `{}`; {KNOWN}", show(text))))
}

fn parse_version(text: &str) -> Option<Version> {
    match short(plain(text)) {
        "v1.0" => Some(Version::V1_0),
        "v1.1" => Some(Version::V1_1),
        "v1.2" => Some(Version::V1_2),
        _ => None,
    }
}

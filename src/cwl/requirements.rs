//! Requirement classes: which are known, and which a target can honour.

use super::cursor::Cursor;
use super::names::plain;
use super::needs::{Declared, required_container};
use super::problem::{Kind, Problem, show};
use serde_json::{Map, Value};

/// Requirement classes of CWL v1.0 to v1.2. Which version brought which is not held against a
/// document: the engines honour the newer ones in older documents.
const CWL: [&str; 17] = [
    "DockerRequirement",
    "EnvVarRequirement",
    "InitialWorkDirRequirement",
    "InlineJavascriptRequirement",
    "InplaceUpdateRequirement",
    "LoadListingRequirement",
    "MultipleInputFeatureRequirement",
    "NetworkAccess",
    "ResourceRequirement",
    "ScatterFeatureRequirement",
    "SchemaDefRequirement",
    "ShellCommandRequirement",
    "SoftwareRequirement",
    "StepInputExpressionRequirement",
    "SubworkflowFeatureRequirement",
    "ToolTimeLimit",
    "WorkReuse",
];
/// Extensions of cwltool that the engines know.
const CWLTOOL: [&str; 7] = [
    "CUDARequirement",
    "InplaceUpdateRequirement",
    "LoadListingRequirement",
    "Loop",
    "NetworkAccess",
    "TimeLimit",
    "WorkReuse",
];
/// The namespace of those extensions.
const CWLTOOL_PREFIX: &str = "http://commonwl.org/cwltool#";

/// The namespaces that a document declares, for prefixes in class names.
pub(super) type Namespaces<'a> = Option<&'a Map<String, Value>>;

/// Reads `requirements` and `hints` of a process or step.
///
/// # Errors
/// A requirement without class, or of an unknown class. Hints may be anything.
pub(super) fn read(owner: &Cursor<'_>, namespaces: Namespaces<'_>) -> Result<Declared, Problem> {
    let mut declared = Declared::default();
    if let Some(requirements) = owner.get("requirements")? {
        for (class, requirement) in requirements.named("class")? {
            let class =
                known(class, namespaces).ok_or_else(|| unknown(requirement.place(), class))?;
            declared.requirements.take(class, &requirement, true);
        }
    }
    if let Some(hints) = owner.get("hints")? {
        // Whatever stands under hints is advice; only what would take effect is looked at.
        let named = match hints.value {
            Value::Object(_) => hints.named("class")?,
            _ => hints
                .items()?
                .into_iter()
                .filter_map(|hint| Some((hint.value.get("class")?.as_str()?, hint)))
                .collect(),
        };
        for (class, hint) in named {
            if let Some(class) = known(class, namespaces) {
                declared.hints.take(class, &hint, false);
            }
        }
    }
    Ok(declared)
}

/// Checks the requirements that an input object adds under `cwl:requirements`, as
/// [`Process::check_target`](super::Process::check_target) checks those of the document.
///
/// # Errors
/// [`Kind::InvalidInputs`] for one without class, [`Kind::UnsupportedRequirement`] for one of an
/// unknown class, or for a container when the target has no `containers`.
pub fn check_added_requirements(
    inputs: &Map<String, Value>,
    containers: bool,
) -> Result<(), Problem> {
    let place = "inputs.cwl:requirements";
    let Some(added) = inputs.get("cwl:requirements") else {
        return Ok(());
    };
    let refuse = |place: &str, message: &str| Problem::new(Kind::InvalidInputs, place, message);
    let added = added
        .as_array()
        .ok_or_else(|| refuse(place, "expected a list of requirements"))?;
    for (n, requirement) in added.iter().enumerate() {
        let place = format!("{place}[{n}]");
        let class = requirement
            .get("class")
            .and_then(Value::as_str)
            .ok_or_else(|| refuse(&place, "missing `class`"))?;
        match known(class, None) {
            None => return Err(unknown(&place, "this class")),
            Some("DockerRequirement") if !containers => {
                return Err(required_container(&place, false));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The plain name of a class that an engine knows.
fn known(class: &str, namespaces: Namespaces<'_>) -> Option<&'static str> {
    let expanded = class.split_once(':').and_then(|(prefix, name)| {
        let namespace = namespaces?.get(prefix)?.as_str()?;
        Some(format!("{namespace}{name}"))
    });
    let class = expanded.as_deref().unwrap_or(class);
    let extension = class
        .strip_prefix(CWLTOOL_PREFIX)
        .or_else(|| class.strip_prefix("cwltool:"));
    let (names, name): (&[&'static str], &str) = match extension {
        Some(name) => (&CWLTOOL, name),
        None => (&CWL, plain(class)),
    };
    names.iter().find(|known| **known == name).copied()
}

fn unknown(place: &str, class: &str) -> Problem {
    let extensions: Vec<String> = CWLTOOL
        .iter()
        .map(|name| format!("cwltool:{name}"))
        .collect();
    let classes: Vec<&str> = CWL
        .iter()
        .copied()
        .chain(extensions.iter().map(String::as_str))
        .collect();
    Problem::new(
        Kind::UnsupportedRequirement,
        place,
        &format!(
            "no engine here knows the requirement class `{}`; move it to `hints` if the workflow \
             can do without. Known are {}",
            show(class),
            classes.join(", ")
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("DockerRequirement", Some("DockerRequirement"))]
    #[case("https://w3id.org/cwl/cwl#WorkReuse", Some("WorkReuse"))]
    #[case("cwl:WorkReuse", Some("WorkReuse"))]
    #[case("cwltool:CUDARequirement", Some("CUDARequirement"))]
    #[case("http://commonwl.org/cwltool#Loop", Some("Loop"))]
    #[case("ct:Loop", Some("Loop"))]
    #[case("CUDARequirement", None)]
    #[case("cwltool:DockerRequirement", None)]
    #[case("other:Loop", None)]
    #[case("DockerRequirment", None)]
    fn classes(#[case] class: &str, #[case] expected: Option<&str>) {
        let namespaces = json!({"ct": CWLTOOL_PREFIX, "other": "http://example.org/#"});
        assert_eq!(known(class, namespaces.as_object()), expected);
    }

    #[test]
    fn added_requirements() {
        let inputs = |value: Value| match json!({"cwl:requirements": value}) {
            Value::Object(map) => map,
            _ => unreachable!(),
        };
        let docker = inputs(json!([{"class": "DockerRequirement"}]));
        assert!(check_added_requirements(&docker, true).is_ok());
        let problem = check_added_requirements(&docker, false).unwrap_err();
        assert_eq!(problem.kind, Kind::UnsupportedRequirement);
        assert_eq!(problem.place, "inputs.cwl:requirements[0]");
        let problem =
            check_added_requirements(&inputs(json!([{"class": "secret"}])), true).unwrap_err();
        assert!(!problem.message.contains("secret"), "{problem}");
        assert!(check_added_requirements(&inputs(json!([{}])), true).is_err());
        assert!(check_added_requirements(&inputs(json!({})), true).is_err());
    }
}

//! The document of a submission.

use serde_json::{Map, Value, json};

use super::fault::Fault;
use crate::cwl;

const VERSIONS: [&str; 3] = ["v1.0", "v1.1", "v1.2"];
const CLASSES: [&str; 3] = ["Workflow", "CommandLineTool", "ExpressionTool"];

/// A document, ready for a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The document as an object.
    pub cwl: Map<String, Value>,
    /// What is wrong with it, where it could not even be read.
    pub problem: Option<String>,
    /// Whether it is one of the original server's for active learning.
    pub learns: bool,
}

impl Document {
    /// Takes what was sent, an object or its text, as JSON or YAML. A text that cannot be read is kept: its
    /// workflow fails with the reason, as clients of the original server expect.
    pub fn accept(sent: &Value) -> Result<Self, Fault> {
        match sent {
            Value::Object(cwl) => Ok(Self::new(cwl.clone())),
            Value::String(text) if !text.is_empty() => Ok(cwl::read_document("cwl_workflow", text)
                .map_or_else(
                    |problem| Self {
                        cwl: Map::from_iter([("text".to_owned(), json!(text))]),
                        problem: Some(problem.to_string()),
                        learns: false,
                    },
                    Self::new,
                )),
            _ => Err(Fault::bad(
                "cwl_workflow must be a CWL document: an object, or its text as JSON or YAML",
            )),
        }
    }

    /// The same, but what is no CWL is refused.
    pub fn require(sent: &Value) -> Result<Self, Fault> {
        let document = Self::accept(sent)?;
        let wrong = |why: &str| Err(Fault::bad(format!("Invalid CWL workflow format: {why}")));
        if let Some(problem) = &document.problem {
            return wrong(problem);
        }
        let text = |field: &str| document.cwl.get(field).and_then(Value::as_str);
        if !text("cwlVersion").is_some_and(|version| VERSIONS.contains(&version)) {
            return wrong("cwlVersion must be v1.0, v1.1 or v1.2");
        }
        let packed = document.cwl.get("$graph").is_some_and(Value::is_array);
        if !packed && !text("class").is_some_and(|class| CLASSES.contains(&class)) {
            return wrong(
                "class must be Workflow, CommandLineTool or ExpressionTool, or $graph a list",
            );
        }
        Ok(document)
    }

    fn new(mut cwl: Map<String, Value>) -> Self {
        // The project's front-end puts it there, where CWL allows no such field.
        cwl.remove("metadata");
        Self {
            learns: learns(&cwl),
            cwl,
            problem: None,
        }
    }
}

/// Whether a document is one of the original server's for active learning.
fn learns(cwl: &Map<String, Value>) -> bool {
    match cwl.get("class").and_then(Value::as_str) {
        Some("Workflow") => {
            let step = cwl.get("steps").and_then(|steps| steps.get("al_step"));
            let run = step.and_then(|step| step.get("run"));
            run.and_then(Value::as_str) == Some("modal_run.cwl")
        }
        Some("CommandLineTool") => {
            let arguments = cwl.get("arguments").and_then(Value::as_array);
            arguments.is_some_and(|arguments| {
                arguments
                    .iter()
                    .any(|it| it == "orchestration_client_interface.py")
            })
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn text_is_read_as_yaml_or_json() {
        let yaml = json!("cwlVersion: v1.2\nclass: CommandLineTool\n");
        let object =
            json!({"cwlVersion": "v1.2", "class": "CommandLineTool", "metadata": {"x": 1}});
        let text = json!(object.to_string());
        let expected = Document::require(&yaml).unwrap();
        assert_eq!(Document::require(&object).unwrap(), expected);
        assert_eq!(Document::require(&text).unwrap(), expected);
    }

    #[test]
    fn a_text_that_is_no_document_is_kept_with_its_problem() {
        let document = Document::accept(&json!("performance-test-workflow-3")).unwrap();
        assert_eq!(document.cwl["text"], "performance-test-workflow-3");
        assert!(document.problem.unwrap().contains("cwl_workflow"));
    }

    #[rstest]
    #[case::no_document(json!("x"), "cwl_workflow")]
    #[case::no_version(json!({"class": "Workflow"}), "cwlVersion must be")]
    #[case::old(json!({"cwlVersion": "draft-3", "class": "Workflow"}), "cwlVersion must be")]
    #[case::no_class(json!({"cwlVersion": "v1.2"}), "class must be")]
    #[case::another_class(json!({"cwlVersion": "v1.2", "class": "Operation"}), "class must be")]
    #[case::a_list(json!([1]), "cwl_workflow must be a CWL document")]
    fn what_is_no_cwl_is_refused_with_what_to_send(#[case] sent: Value, #[case] part: &str) {
        let fault = Document::require(&sent).unwrap_err();
        assert!(fault.message.contains(part), "{}", fault.message);
    }

    #[test]
    fn a_packed_document_is_one() {
        let packed = json!({"cwlVersion": "v1.2", "$graph": [{"id": "main", "class": "Workflow"}]});
        assert!(Document::require(&packed).is_ok());
    }

    #[test]
    fn documents_for_active_learning_are_known_by_their_form() {
        let workflow = json!({"cwlVersion": "v1.2", "class": "Workflow",
            "steps": {"al_step": {"run": "modal_run.cwl"}}});
        let tool = json!({"cwlVersion": "v1.2", "class": "CommandLineTool",
            "arguments": ["orchestration_client_interface.py"]});
        let other = json!({"cwlVersion": "v1.2", "class": "Workflow",
            "steps": {"al_step": {"run": "other.cwl"}}});
        let learns = |sent: &Value| Document::require(sent).unwrap().learns;
        assert!(learns(&workflow) && learns(&tool) && !learns(&other));
    }
}

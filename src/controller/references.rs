//! Pure: the ConfigMaps that a spec names.

use super::pod::Trouble;
use super::validate::refuse;
use crate::api::{DvreWorkflowSpec, Reason};
use crate::names;
use crate::words::show;

/// A ConfigMap that a field of a spec names.
#[derive(Debug)]
pub struct Reference<'a> {
    /// Its name.
    pub name: &'a str,
    field: &'static str,
    reason: Reason,
}

/// All that a start reads.
pub fn config_maps(spec: &DvreWorkflowSpec) -> impl Iterator<Item = Reference<'_>> {
    let files = spec.cwl_from.iter().map(|from| Reference {
        name: &from.config_map.name,
        field: "cwlFrom.configMap",
        reason: Reason::InvalidWorkflow,
    });
    let inputs = spec.inputs_from.iter().filter_map(|from| {
        Some(Reference {
            name: &from.config_map_key_ref.as_ref()?.name,
            field: "inputsFrom[].configMapKeyRef",
            reason: Reason::InvalidInputs,
        })
    });
    let templates = spec.deployments.iter().filter_map(|entry| {
        let from = entry.slurm.as_ref()?.template_from.as_ref()?;
        Some(Reference {
            name: &from.config_map_key_ref.name,
            field: "deployments[].slurm.templateFrom.configMapKeyRef",
            reason: Reason::InvalidDeployment,
        })
    });
    let streamflow = spec.streamflow_from.iter().map(|from| Reference {
        name: &from.config_map_key_ref.name,
        field: "streamflowFrom.configMapKeyRef",
        reason: Reason::InvalidDeployment,
    });
    files.chain(inputs).chain(templates).chain(streamflow)
}

/// Refuses names that no object can have. They are not asked for either, as they would become part of an
/// address.
pub fn check(spec: &DvreWorkflowSpec) -> Result<(), Trouble> {
    let Some(wrong) = config_maps(spec).find(|reference| !names::is_possible(reference.name))
    else {
        return Ok(());
    };
    let message = format!(
        "spec.{}.name: `{}` cannot be the name of a ConfigMap, which has lower-case letters, digits, `-` and `.`",
        wrong.field,
        show(wrong.name)
    );
    Err(refuse(wrong.reason, message))
}

#[cfg(test)]
mod tests {
    use http::Method;
    use rstest::rstest;
    use serde_json::{Value, json};

    use crate::api::{DvreWorkflow, Reason};
    use crate::controller::fixtures::{context, echo, workflow};
    use crate::controller::memory::Remembered;
    use crate::controller::observe::observe;
    use crate::controller::plan::{Plan, plan};

    fn named(field: &str, name: &str) -> DvreWorkflow {
        let key = json!({"configMapKeyRef": {"name": name, "key": "a"}});
        workflow(match field {
            "cwlFrom" => json!({"cwlFrom": {"configMap": {"name": name}}}),
            "inputsFrom" => json!({"cwl": echo(), "inputsFrom": [key]}),
            "streamflowFrom" => json!({"cwl": echo(), "streamflowFrom": key}),
            _ => {
                json!({"cwl": echo(), "deployments": [{"name": "s", "slurm": {"templateFrom": key}}]})
            }
        })
    }

    #[rstest]
    #[case::documents("cwlFrom", Reason::InvalidWorkflow)]
    #[case::inputs("inputsFrom", Reason::InvalidInputs)]
    #[case::template("deployments", Reason::InvalidDeployment)]
    #[case::streamflow("streamflowFrom", Reason::InvalidDeployment)]
    #[tokio::test]
    async fn a_name_that_cannot_be_is_refused_without_a_request(
        #[case] field: &str,
        #[case] wanted: Reason,
        #[values("a b", "..", "x/y", "a?b=c", "../secrets/s", "${1}", "A", "é", "")] name: &str,
    ) {
        let (context, requests) = context(|_: &Method, _| (404, Value::Null));
        let workflow = named(field, name);
        let observed = observe(&context, &workflow, Remembered::default())
            .await
            .unwrap();
        let plan = plan(&observed);
        let Plan::Reject(trouble) = plan else {
            panic!("{plan:?}")
        };
        assert_eq!(trouble.reason, wanted);
        assert!(trouble.message.contains(field), "{}", trouble.message);
        assert!(requests.lock().unwrap().is_empty());
    }
}

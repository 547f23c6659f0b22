//! The parts of the schema that derives cannot express, and the whole CRD.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::workflow::DvreWorkflow;

/// The only fields of spec that may change after creation.
const MUTABLE: [&str; 3] = ["suspend", "cancel", "ttlSecondsAfterFinished"];

/// Schema of an object whose content is not Kubernetes' business: CWL, inputs and outputs hold
/// floats, nulls and any key.
pub(super) fn opaque_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// Schema of a factor: a whole number, or a text with decimals, as specs hold no floats.
pub(super) fn factor(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [{ "type": "integer" }, { "type": "string" }],
        "maxLength": 4,
        "x-kubernetes-int-or-string": true,
        "x-kubernetes-validations": [{
            "rule": "string(self).matches('^(([2-9]|10)|1[.][1-9][0-9]?|[2-9][.][0-9]{1,2})$')",
            "message": "must be a factor from 1.1 to 10, such as 2 or \"1.5\"",
        }],
    })
}

/// Adds to the spec one rule per field that must not change, so that a new field is immutable
/// unless it is listed as mutable. The rules stand on the parent, as a rule on an absent field is
/// never evaluated.
pub(super) fn immutable_spec(schema: &mut Schema) {
    let fields: Vec<String> = schema
        .get("properties")
        .and_then(Value::as_object)
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default();
    let rules = fields.iter().filter(|field| !MUTABLE.contains(&field.as_str())).map(|field| {
        json!({
            "rule": format!(
                "has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
            ),
            "message": format!("{field} is immutable: a resource is one run, so create another one"),
            "fieldPath": format!(".{field}"),
        })
    });
    let rules: Vec<Value> = rules.collect();
    let validations = schema
        .ensure_object()
        .entry("x-kubernetes-validations")
        .or_insert_with(|| json!([]));
    if let Value::Array(validations) = validations {
        validations.extend(rules);
    }
}

/// The CustomResourceDefinition, as `crds/` has it.
#[must_use]
pub fn crd() -> CustomResourceDefinition {
    let mut crd = DvreWorkflow::crd();
    for version in &mut crd.spec.versions {
        let properties = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
            .and_then(|schema| schema.properties.as_mut());
        if let Some(status) = properties.and_then(|properties| properties.get_mut("status")) {
            // Tools that wait for resources take a missing status for "done"; -1 says "not seen yet".
            status.default = serde_json::from_value(json!({ "observedGeneration": -1 })).ok();
        }
    }
    crd
}

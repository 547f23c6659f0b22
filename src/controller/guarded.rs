//! A resource as it arrives: readable or not.
//!
//! A watch hands over many objects at once, and one that cannot be read must not stop the others.
//! The specs carry documents of users, which may be nested deeper than serde_json reads, in any
//! buffer too; so spec and status are taken as raw text first, which is skipped over without
//! recursion, and read one object at a time.

use std::borrow::Cow;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::api::{DvreWorkflow, DvreWorkflowSpec, DvreWorkflowStatus};

/// A resource that may not have the shape we know.
#[derive(Clone, Debug)]
pub struct Guarded {
    /// Its metadata, which always can be read.
    pub metadata: ObjectMeta,
    /// The resource, or why it cannot be read.
    pub object: Result<DvreWorkflow, String>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    metadata: ObjectMeta,
    spec: Option<Box<RawValue>>,
    status: Option<Box<RawValue>>,
}

impl<'de> Deserialize<'de> for Guarded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Raw {
            metadata,
            spec,
            status,
        } = Raw::deserialize(deserializer)?;
        let object = read(&metadata, spec.as_deref(), status.as_deref());
        Ok(Self {
            metadata,
            object: object.map_err(|error| error.to_string()),
        })
    }
}

fn read(
    metadata: &ObjectMeta,
    spec: Option<&RawValue>,
    status: Option<&RawValue>,
) -> serde_json::Result<DvreWorkflow> {
    let spec: DvreWorkflowSpec = serde_json::from_str(spec.map_or("{}", RawValue::get))?;
    let status: Option<DvreWorkflowStatus> = status
        .map(|status| serde_json::from_str(status.get()))
        .transpose()?;
    let mut metadata = metadata.clone();
    prune(&mut metadata);
    Ok(DvreWorkflow {
        metadata,
        spec,
        status,
    })
}

/// Removes what nobody here reads, so that the store stays small.
fn prune(metadata: &mut ObjectMeta) {
    metadata.managed_fields = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
}

impl Resource for Guarded {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        DvreWorkflow::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        DvreWorkflow::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        DvreWorkflow::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        DvreWorkflow::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use kube::api::{ObjectList, WatchEvent};
    use serde_json::json;

    use super::*;
    use crate::controller::fixtures::hello;

    fn good() -> String {
        serde_json::to_string(&hello()).unwrap()
    }

    fn deep() -> String {
        let (open, close) = (r#"{"x":"#.repeat(5000), "}".repeat(5000));
        format!(r#"{{"metadata":{{"name":"deep"}},"spec":{{"cwl":{open}1{close}}}}}"#)
    }

    fn strange() -> String {
        json!({"metadata": {"name": "strange"}, "spec": {"cwl": 7}}).to_string()
    }

    #[test]
    fn a_list_is_read_whatever_is_in_it() {
        let list = format!(
            r#"{{"apiVersion":"dvre.io/v1alpha1","kind":"DvreWorkflowList","metadata":{{}},"items":[{},{},{}]}}"#,
            deep(),
            strange(),
            good()
        );
        let list: ObjectList<Guarded> = serde_json::from_str(&list).unwrap();
        let readable: Vec<_> = list.items.iter().map(|item| item.object.is_ok()).collect();
        assert_eq!(readable, [false, false, true]);
        assert_eq!(list.items[0].metadata.name.as_deref(), Some("deep"));
        assert_eq!(list.items[2].object.as_ref().unwrap().spec, hello().spec);
    }

    #[test]
    fn an_event_is_read_whatever_is_in_it() {
        for (object, readable) in [(deep(), false), (strange(), false), (good(), true)] {
            let event = format!(r#"{{"type":"ADDED","object":{object}}}"#);
            let WatchEvent::Added(guarded) =
                serde_json::from_str::<WatchEvent<Guarded>>(&event).unwrap()
            else {
                panic!("not an addition")
            };
            assert_eq!(guarded.object.is_ok(), readable);
        }
    }
}

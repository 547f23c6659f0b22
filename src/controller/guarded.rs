//! A resource as it arrives: readable or not.
//!
//! A watch hands over many objects at once, and one that cannot be read must not stop the others.
//! The specs carry documents of users, which may be nested deeper than serde_json reads, in any
//! buffer too; so spec and status are taken as raw text first, which is skipped over without
//! recursion, and read one object at a time. The managed fields in metadata mirror the nesting of
//! the spec and are skipped over for good.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
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

/// The metadata of a resource alone; the API server sends no more.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "OnlyMetadata")]
pub struct Metadata {
    /// Its metadata.
    pub metadata: ObjectMeta,
}

#[derive(Deserialize)]
struct OnlyMetadata {
    #[serde(default)]
    metadata: UsedMetadata,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    metadata: UsedMetadata,
    spec: Option<Box<RawValue>>,
    status: Option<Box<RawValue>>,
}

/// The part of metadata that is read here; what is not named is skipped over without recursion.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct UsedMetadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    generation: Option<i64>,
    resource_version: Option<String>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    finalizers: Option<Vec<String>>,
}

impl From<UsedMetadata> for ObjectMeta {
    fn from(used: UsedMetadata) -> Self {
        Self {
            name: used.name,
            namespace: used.namespace,
            uid: used.uid,
            generation: used.generation,
            resource_version: used.resource_version,
            creation_timestamp: used.creation_timestamp,
            deletion_timestamp: used.deletion_timestamp,
            labels: used.labels,
            finalizers: used.finalizers,
            ..Self::default()
        }
    }
}

impl From<OnlyMetadata> for Metadata {
    fn from(object: OnlyMetadata) -> Self {
        Self {
            metadata: object.metadata.into(),
        }
    }
}

impl<'de> Deserialize<'de> for Guarded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Raw {
            metadata,
            spec,
            status,
        } = Raw::deserialize(deserializer)?;
        let metadata = ObjectMeta::from(metadata);
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
    Ok(DvreWorkflow {
        metadata: metadata.clone(),
        spec,
        status,
    })
}

macro_rules! resource {
    ($type:ty, metadata_alone: $alone:literal) => {
        impl Resource for $type {
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

            fn metadata_api() -> bool {
                $alone
            }

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

resource!(Guarded, metadata_alone: false);
resource!(Metadata, metadata_alone: true);

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
        let managed = format!(r#"[{{"fieldsV1":{open}1{close}}}]"#);
        format!(
            r#"{{"metadata":{{"name":"deep","managedFields":{managed}}},"spec":{{"cwl":{open}1{close}}}}}"#
        )
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
    fn metadata_is_read_whatever_is_beside_it() {
        let deep: Metadata = serde_json::from_str(&deep()).unwrap();
        assert_eq!(deep.metadata.name.as_deref(), Some("deep"));
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

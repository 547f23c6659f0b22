//! What keeps step pods off the network unless their tool asks for it: NetworkAccess of CWL.

use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::run::Run;
use crate::names;

/// Value of the label of pods without network.
pub const ISOLATED: &str = "none";

/// The policy; none where all step pods may use the network. It is the operator's, not the runner's:
/// what runs in the run cannot take it away.
#[must_use]
pub fn network_policy(run: &Run) -> Option<NetworkPolicy> {
    run.placement.pods().find(|pods| !pods.network)?;
    let labels = [
        (names::WORKFLOW_UID.to_owned(), run.uid.clone()),
        (names::NETWORK.to_owned(), ISOLATED.to_owned()),
    ];
    Some(NetworkPolicy {
        metadata: run.metadata(names::network_policy(&run.name, &run.uid), "steps"),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector {
                match_labels: Some(labels.into()),
                match_expressions: None,
            }),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ..NetworkPolicySpec::default()
        }),
    })
}

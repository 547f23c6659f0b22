//! A `streamflow.yml` of the user's or the operator's own, instead of typed settings.

use serde_json::{Map, Value};

use super::names::Names;
use super::{Request, invalid, pods, push, typed};
use crate::api::targets::{DockerTarget, SingularityTarget};
use crate::api::{Reason, RetryPolicy};
use crate::controller::pod::Trouble;
use crate::controller::validate::{self, problem, refuse};
use crate::render::placement::{Kind, Placement};
use crate::render::streamflow;
use crate::streamflow_file::{self as file, Document, Overlaid, Own, overlay};

/// Sections of a file that belong to single runs, or to the operator.
const NOT_SHARED: [&str; 5] = ["version", "workflows", "deployments", "models", "database"];

/// Fills the placement from a file that speaks for the run; false when typed settings do.
pub fn place(request: &Request<'_>, placement: &mut Placement) -> Result<bool, Trouble> {
    if let Some(from) = &request.spec.streamflow_from {
        let key = &from.config_map_key_ref;
        let text = validate::key(request.config_maps, key)?;
        let place = format!("ConfigMap {}, key {}", key.name, key.key);
        let document = Document::read(text).map_err(|found| wrong(&place, &found))?;
        check(request, &place, &document)?;
        adopt(request, placement, &place, document.value())?;
        return Ok(true);
    }
    let spec = request.spec;
    let Some(own) = &request.settings.deployments.streamflow_config else {
        return Ok(false);
    };
    if !spec.deployments.is_empty() || !spec.bindings.is_empty() {
        return Ok(false);
    }
    let place = "the operator's streamflow.yml";
    check(request, place, own.document())?;
    let Value::Object(mut shared) = own.document().value().clone() else {
        return Ok(false);
    };
    let knows = |section: &str| {
        let section = shared.get(section).and_then(Value::as_object);
        section.is_some_and(|section| section.contains_key(&spec.deployment))
    };
    if knows("deployments") || knows("models") {
        // Its bindings are those of other workflows.
        shared.remove("workflows");
        adopt(request, placement, place, &Value::Object(shared))?;
        return Ok(true);
    }
    // A built-in deployment under the operator's policies.
    Names::new(spec, request.process)?;
    placement.shared = policies(shared);
    if spec
        .retry
        .as_ref()
        .is_some_and(|retry| retry.policy == Some(RetryPolicy::Never))
    {
        placement.shared.remove("failureManager");
    }
    Ok(false)
}

fn policies(mut shared: Map<String, Value>) -> Map<String, Value> {
    shared.retain(|section, _| !NOT_SHARED.contains(&section.as_str()));
    shared
}

fn check(request: &Request<'_>, place: &str, document: &Document) -> Result<(), Trouble> {
    let schema = &request.settings.deployments.streamflow_schema;
    let schema = schema
        .schema()
        .map_err(|why| refuse(Reason::InternalError, why))?;
    schema.check(document).map_err(|found| wrong(place, &found))
}

fn wrong(place: &str, found: &file::Problem) -> Trouble {
    invalid(format!("{place}: {found}"))
}

fn adopt(
    request: &Request<'_>,
    placement: &mut Placement,
    place: &str,
    file: &Value,
) -> Result<(), Trouble> {
    let steps = request.process.steps().iter();
    let steps: Vec<String> = steps.map(|step| step.path.clone()).collect();
    let own = Own {
        workflow_file: &streamflow::workflow_file(request.entrypoint),
        settings_file: &streamflow::inputs_file(),
        scratch: &streamflow::scratch(),
        database: &streamflow::database(),
        scheduler: &streamflow::scheduler(),
        deployment: &request.spec.deployment,
        fallback: None,
        steps: &steps,
    };
    let overlaid = overlay(file, &own).map_err(|found| wrong(place, &found))?;
    needs(request, placement, &overlaid)?;
    let contained = |step: &str| {
        overlaid.containers.iter().any(|container| {
            let path = container.step.trim_end_matches('/');
            step == path
                || step
                    .strip_prefix(path)
                    .is_some_and(|rest| rest.starts_with('/'))
        })
    };
    let honoured = request.process.check_target(contained);
    honoured.map_err(|found| problem(&found))?;
    placement.custom = Some(overlaid.text);
    Ok(())
}

/// What the deployments of the file need beside the runner. Those that run inside of another, or are
/// there before the run, need nothing here.
fn needs(
    request: &Request<'_>,
    placement: &mut Placement,
    overlaid: &Overlaid,
) -> Result<(), Trouble> {
    let here = overlaid
        .deployments
        .iter()
        .filter(|one| one.wraps.is_none());
    let mut kinds: Vec<(&str, &file::Kind, bool)> = here
        .map(|one| (one.name.as_str(), &one.kind, one.in_cluster))
        .collect();
    let containers = overlaid.containers.iter().filter(|one| !one.wrapper);
    kinds.extend(containers.map(|one| (one.step.as_str(), &one.kind, one.in_cluster)));
    for (name, kind, in_cluster) in kinds {
        match kind {
            file::Kind::Docker | file::Kind::DockerCompose if placement.docker().is_none() => {
                let docker = typed::docker(request, placement, name, &DockerTarget::default())?;
                push(placement, name.to_owned(), Kind::Docker(docker));
            }
            file::Kind::Singularity if placement.singularity().is_none() => {
                let target = SingularityTarget::default();
                let singularity = typed::singularity(request, placement, name, &target)?;
                push(placement, name.to_owned(), Kind::Singularity(singularity));
            }
            file::Kind::Kubernetes | file::Kind::Helm if in_cluster => {
                pods::allowed(request, name)?;
                placement.token = true;
            }
            _ => {}
        }
    }
    Ok(())
}

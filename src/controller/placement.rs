//! Pure: from the deployments and bindings of a spec to places for all steps, or why not.

mod custom;
mod engine;
mod leftovers;
mod names;
mod pods;
mod typed;

use std::collections::BTreeMap;

use crate::api::{DvreWorkflowSpec, Reason, RetryPolicy};
use crate::controller::pod::Trouble;
use crate::controller::validate::{Found, problem, refuse};
use crate::cwl::Process;
use crate::render::placement::{Binding, Bound, Kind, Placement, Target};
use crate::settings::RunSettings;

pub use leftovers::{docker_label, hosts, leftovers};
use names::Names;

/// What an engine gets as the place of expressions: they need none, and must not bring one up.
const EXPRESSIONS: &str = "expressions";
/// How often a step is tried again when nothing else is said.
const DEFAULT_RETRIES: i32 = 2;

/// What decides about the places of a run.
pub struct Request<'a> {
    /// The spec.
    pub spec: &'a DvreWorkflowSpec,
    /// The uid of its resource.
    pub uid: &'a str,
    /// What the operator decides.
    pub settings: &'a RunSettings,
    /// The workflow.
    pub process: &'a Process,
    /// The process to run, as a path and an id.
    pub entrypoint: &'a str,
    /// The ConfigMaps that the spec names.
    pub config_maps: &'a Found,
    /// How many times the usual memory step pods get.
    pub memory_factor: f64,
}

/// Finds a place for every step.
pub fn placement(request: &Request<'_>) -> Result<Placement, Trouble> {
    let mut placement = Placement {
        engine: engine::choice(request.spec.engine),
        step_attempts: step_attempts(request.spec),
        hosts: hosts(request.spec),
        ..Placement::default()
    };
    if custom::place(request, &mut placement)? {
        placement.cwltool = engine::cwltool(request.spec, &placement);
        engine::check(request.spec, &placement.cwltool)?;
        return Ok(placement);
    }
    let placed = place(request, &mut placement)?;
    let pods = placement.pods().next().is_some();
    placement.token = pods;
    placement.bindings = bindings(request.process, &placed);
    placement.leftovers = leftovers(request.spec, request.uid);
    let honoured = request.process.check_target(|step| {
        let bound = placed.get(step);
        let target = bound.and_then(|bound| placement.targets.get(bound.target));
        target.is_some_and(|target| target.kind.has_containers())
    });
    honoured.map_err(|found| problem(&found))?;
    placement.cwltool = engine::cwltool(request.spec, &placement);
    engine::check(request.spec, &placement.cwltool)?;
    Ok(placement)
}

/// The place of each step by its path.
type Placed = BTreeMap<String, Bound>;

fn place(request: &Request<'_>, placement: &mut Placement) -> Result<Placed, Trouble> {
    let names = Names::new(request.spec, request.process)?;
    let mut placed = Placed::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for step in request.process.steps() {
        let name = names.of(&step.path);
        let deployment = names.find(name)?;
        let target = if !step.command && !deployment.is_local() {
            local(placement, &mut known, EXPRESSIONS)
        } else if let Some(settings) = deployment.pods() {
            pods::place(request, placement, name, &settings, step)?
        } else if let Some(number) = known.get(name) {
            *number
        } else {
            let kind = typed::kind(request, placement, name, &deployment)?;
            known.insert(name.to_owned(), placement.targets.len());
            push(placement, name.to_owned(), kind)
        };
        let kind = placement.targets.get(target).map(|target| &target.kind);
        let own_container = step.needs.container.is_some()
            && matches!(kind, Some(Kind::Docker(_) | Kind::Singularity(_)));
        let bound = Bound {
            target,
            own_container,
        };
        placed.insert(step.path.clone(), bound);
    }
    Ok(placed)
}

fn local(placement: &mut Placement, known: &mut BTreeMap<String, usize>, name: &str) -> usize {
    if let Some(number) = known.get(name) {
        return *number;
    }
    known.insert(name.to_owned(), placement.targets.len());
    push(placement, name.to_owned(), Kind::Local)
}

/// Adds a target. A name that was made up for a sort of pods may be somebody else's.
fn push(placement: &mut Placement, mut name: String, kind: Kind) -> usize {
    while placement.targets.iter().any(|target| target.name == name) {
        name.push('_');
    }
    placement.targets.push(Target { name, kind });
    placement.targets.len() - 1
}

/// As few bindings as say the same: what most steps have holds for all, and the rest are named.
fn bindings(process: &Process, placed: &Placed) -> Vec<Binding> {
    let mut counts: BTreeMap<Bound, usize> = BTreeMap::new();
    for bound in placed.values() {
        *counts.entry(*bound).or_default() += 1;
    }
    // The first of those that are equal, so that the order of steps alone decides.
    let most = counts.iter().rev().max_by_key(|(_, count)| **count);
    let Some((&most, _)) = most else {
        return Vec::new();
    };
    let mut bindings = vec![Binding {
        step: "/".to_owned(),
        bound: most,
    }];
    for step in process.steps() {
        match placed.get(&step.path) {
            Some(&bound) if bound != most => bindings.push(Binding {
                step: step.path.clone(),
                bound,
            }),
            _ => {}
        }
    }
    bindings
}

/// How often the engine tries a step in all. A step is only tried again when every failure is to be
/// retried: the engine cannot tell why one failed. A `streamflow.yml` of the user's says so itself, and
/// then the operator begins the whole run anew, as it does for cwltool.
fn step_attempts(spec: &DvreWorkflowSpec) -> Option<i32> {
    let retry = spec
        .retry
        .as_ref()
        .filter(|_| spec.streamflow_from.is_none())?;
    let limit = retry.limit.unwrap_or(DEFAULT_RETRIES);
    (retry.policy == Some(RetryPolicy::OnAnyFailure) && limit > 0).then_some(limit + 1)
}

/// Whether a run of this spec may have step pods.
#[must_use]
pub fn may_have_pods(spec: &DvreWorkflowSpec) -> bool {
    let named = |name: &str| {
        let entry = spec.deployments.iter().find(|entry| entry.name == name);
        entry.map_or(name == "kubernetes", |entry| entry.kubernetes.is_some())
    };
    let bindings = spec.bindings.iter();
    named(&spec.deployment)
        || bindings
            .into_iter()
            .any(|binding| named(&binding.deployment))
}

fn invalid(message: impl Into<String>) -> Trouble {
    refuse(Reason::InvalidDeployment, message)
}

#[cfg(test)]
mod tests;

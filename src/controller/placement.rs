//! Pure: from the deployments and bindings of a spec to places for all steps, or why not.

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
use crate::render::placement::{Kind, Placement, Target};
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
    /// The ConfigMaps that the spec names.
    pub config_maps: &'a Found,
}

/// Finds a place for every step.
pub fn placement(request: &Request<'_>) -> Result<Placement, Trouble> {
    let mut placement = Placement {
        engine: engine::choice(request.spec.engine),
        step_attempts: step_attempts(request.spec),
        hosts: hosts(request.spec),
        ..Placement::default()
    };
    let placed = place(request, &mut placement)?;
    placement.bindings = bindings(request.process, &placed);
    placement.leftovers = leftovers(request.spec, request.uid);
    let honoured = request.process.check_target(|step| {
        let target = placed.get(step).and_then(|n| placement.targets.get(*n));
        target.is_some_and(|target| target.kind.has_containers())
    });
    honoured.map_err(|found| problem(&found))?;
    placement.cwltool = engine::cwltool(request.spec, &placement);
    engine::check(request.spec, &placement.cwltool)?;
    Ok(placement)
}

/// The number of its target for each step's path.
type Placed = BTreeMap<String, usize>;

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
        placed.insert(step.path.clone(), target);
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
fn bindings(process: &Process, placed: &Placed) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for target in placed.values() {
        *counts.entry(*target).or_default() += 1;
    }
    // The first of those that are equal, so that the order of steps alone decides.
    let most = counts
        .iter()
        .max_by_key(|(target, count)| (**count, usize::MAX - **target));
    let most = most.map_or(0, |(target, _)| *target);
    let mut bindings = vec![("/".to_owned(), most)];
    for step in process.steps() {
        match placed.get(&step.path) {
            Some(target) if *target != most => bindings.push((step.path.clone(), *target)),
            _ => {}
        }
    }
    bindings
}

/// How often the engine tries a step in all. A step is only tried again when every failure is to be
/// retried: the engine cannot tell why one failed.
fn step_attempts(spec: &DvreWorkflowSpec) -> Option<i32> {
    let retry = spec.retry.as_ref()?;
    let limit = retry.limit.unwrap_or(DEFAULT_RETRIES);
    (retry.policy == Some(RetryPolicy::OnAnyFailure) && limit > 0).then_some(limit + 1)
}

fn invalid(message: impl Into<String>) -> Trouble {
    refuse(Reason::InvalidDeployment, message)
}

#[cfg(test)]
mod tests;

//! What was done: the run, its steps, and their jobs.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::graph::{Graph, escape, time};
use super::plan::{Plan, Planned};
use crate::runner::record::{StepPhase, StepRecord};
use crate::runner::tally::JobRecord;

/// More jobs than this are not told one by one: then each step is one action, with their number.
pub const MOST_JOBS: usize = 2000;

/// What the actions of steps share.
pub struct Context<'a> {
    pub plan: &'a Plan,
    /// The entities of each input of the main workflow.
    pub inputs: &'a BTreeMap<String, Vec<String>>,
    /// The entities of each output of the main workflow.
    pub outputs: &'a BTreeMap<String, Vec<String>>,
    /// The images of each step; `None` is for steps in the runner's container.
    pub images: &'a HashMap<Option<&'a str>, Vec<String>>,
    /// When the run ended.
    pub end: Timestamp,
}

/// Adds the actions of all steps that ran; gives back the `@id` of each step's.
pub fn steps(
    graph: &mut Graph,
    context: &Context,
    steps: &[StepRecord],
    jobs: &[JobRecord],
) -> Vec<String> {
    let mut of_step: HashMap<&str, Vec<&JobRecord>> = HashMap::new();
    let told = jobs.iter().filter(|job| job.start.is_some());
    if jobs.len() <= MOST_JOBS {
        for job in told {
            of_step.entry(&job.step).or_default().push(job);
        }
    }
    let mut controls = Vec::new();
    for step in steps.iter().filter(|step| step.start_time.is_some()) {
        let Some(planned) = context.plan.find(&step.name) else {
            continue;
        };
        let jobs = of_step.remove(step.name.as_str()).unwrap_or_default();
        let actions: Vec<String> = if jobs.is_empty() {
            let id = format!("#jobs{}", escape(&step.name));
            vec![action(
                graph,
                context,
                &planned,
                step,
                &Told::of_step(step, id, context.end),
            )]
        } else {
            let told = jobs.iter().map(|job| Told::of_job(job, step, context.end));
            let told: Vec<Told> = told.collect();
            told.iter()
                .map(|told| action(graph, context, &planned, step, told))
                .collect()
        };
        connect(graph, context, &planned, &step.name, &actions);
        controls.push(control(
            graph,
            &planned.step,
            &step.name,
            step.phase,
            &actions,
        ));
        nest(graph, context, &step.name, step, &mut controls);
    }
    controls
}

/// One thing that ran.
struct Told {
    id: String,
    name: String,
    start: Timestamp,
    end: Timestamp,
    succeeded: bool,
    description: String,
    error: Option<String>,
}

impl Told {
    fn of_job(job: &JobRecord, step: &StepRecord, end: Timestamp) -> Self {
        let start = job.start.unwrap_or(end);
        let error = (!job.succeeded).then(|| match job.exit_code {
            Some(code) if code != 0 => format!("exit code {code}"),
            _ => step
                .message
                .clone()
                .unwrap_or_else(|| "it did not succeed".to_owned()),
        });
        let code = job.exit_code.or(job.succeeded.then_some(0));
        let code = code.map_or_else(|| "not known".to_owned(), |code| code.to_string());
        Self {
            id: format!("#job{}", escape(&job.job)),
            name: format!("Job {}", job.job),
            start,
            end: job.end.unwrap_or(end).max(start),
            succeeded: job.succeeded,
            description: format!("Job {} of step {}; exit code: {code}", job.job, step.name),
            error,
        }
    }

    fn of_step(step: &StepRecord, id: String, end: Timestamp) -> Self {
        let start = step.start_time.unwrap_or(end);
        let succeeded = step.phase == StepPhase::Succeeded;
        let code = step
            .exit_code
            .map(|code| format!("; exit code: {code}"))
            .unwrap_or_default();
        Self {
            id,
            name: format!("Jobs of step {}", step.name),
            start,
            end: step.completion_time.unwrap_or(end).max(start),
            succeeded,
            description: format!(
                "All jobs of step {}: {} of {} succeeded{code}",
                step.name, step.completed, step.total
            ),
            error: (!succeeded).then(|| failure(step)),
        }
    }
}

fn failure(step: &StepRecord) -> String {
    let code = step
        .exit_code
        .filter(|code| *code != 0)
        .map(|code| format!("exit code {code}"));
    let parts: Vec<String> = code.into_iter().chain(step.message.clone()).collect();
    if parts.is_empty() {
        "it did not succeed".to_owned()
    } else {
        parts.join(": ")
    }
}

fn action(
    graph: &mut Graph,
    context: &Context,
    planned: &Planned,
    step: &StepRecord,
    told: &Told,
) -> String {
    graph.put(
        &told.id,
        &["CreateAction"],
        json!({
            "name": told.name, "description": told.description, "instrument": {"@id": planned.process},
            "startTime": time(told.start), "endTime": time(told.end),
            "actionStatus": status(told.succeeded), "error": told.error,
        }),
    );
    graph.link(super::ROOT, "mentions", &told.id);
    // A tool is orchestrated by the workflow only once it was run.
    graph.link(&planned.workflow, "hasPart", &planned.process);
    let images = context.images.get(&Some(step.name.as_str()));
    for image in images
        .or_else(|| context.images.get(&None))
        .into_iter()
        .flatten()
    {
        graph.link(&told.id, "containerImage", image);
    }
    told.id.clone()
}

/// Tells what went into a step and came out, as far as that is the run's own.
fn connect(
    graph: &mut Graph,
    context: &Context,
    planned: &Planned,
    path: &str,
    actions: &[String],
) {
    for (outer, inner) in &planned.inputs {
        let parameter = super::graph::below(&planned.process, &format!("in/{inner}"));
        for value in context.inputs.get(*outer).into_iter().flatten() {
            if graph.has(&parameter) {
                graph.link(value, "exampleOfWork", &parameter);
            }
            for action in actions {
                graph.link(action, "object", value);
            }
        }
    }
    for (name, values) in context.outputs {
        let Some((_, port)) = context.plan.maker(name).filter(|(step, _)| step == path) else {
            continue;
        };
        let parameter = super::graph::below(&planned.process, &format!("out/{port}"));
        for value in values {
            if graph.has(&parameter) {
                graph.link(value, "exampleOfWork", &parameter);
            }
            if let [action] = actions {
                graph.link(action, "result", value);
            }
        }
    }
}

fn control(
    graph: &mut Graph,
    step: &str,
    path: &str,
    phase: StepPhase,
    actions: &[String],
) -> String {
    let id = format!("#step{}", escape(path));
    let succeeded = phase == StepPhase::Succeeded;
    graph.put(
        &id,
        &["ControlAction"],
        json!({"name": format!("Step {path}"), "instrument": {"@id": step}, "actionStatus": status(succeeded)}),
    );
    for action in actions {
        graph.link(&id, "object", action);
    }
    id
}

/// The workflows between a step and the main one ran as well, from their first step to their last.
fn nest(
    graph: &mut Graph,
    context: &Context,
    path: &str,
    step: &StepRecord,
    controls: &mut Vec<String>,
) {
    let Some((outer, _)) = path.rsplit_once('/').filter(|(outer, _)| !outer.is_empty()) else {
        return;
    };
    let Some(planned) = context.plan.find(outer) else {
        return;
    };
    let id = format!("#workflow{}", escape(outer));
    let succeeded = step.phase == StepPhase::Succeeded;
    if graph.has(&id) {
        if !succeeded {
            let error = format!("step {path} did not succeed");
            graph.set(&id, "actionStatus", status(false));
            graph.set(&id, "error", json!(error));
            graph.set(
                &format!("#step{}", escape(outer)),
                "actionStatus",
                status(false),
            );
        }
    } else {
        let start = step.start_time.unwrap_or(context.end);
        let fields = json!({
            "name": format!("Run of the nested workflow {outer}"),
            "description": format!("The steps below {outer}"), "instrument": {"@id": planned.process},
            "startTime": time(start), "actionStatus": status(succeeded),
            "error": (!succeeded).then(|| format!("step {path} did not succeed")),
        });
        graph.put(&id, &["CreateAction"], fields);
        graph.link(super::ROOT, "mentions", &id);
        graph.link(&planned.workflow, "hasPart", &planned.process);
        controls.push(control(
            graph,
            &planned.step,
            outer,
            step.phase,
            std::slice::from_ref(&id),
        ));
    }
    graph.set(
        &id,
        "endTime",
        json!(time(step.completion_time.unwrap_or(context.end))),
    );
    nest(graph, context, outer, step, controls);
}

/// The two that the profiles know.
pub fn status(succeeded: bool) -> Value {
    let status = if succeeded { "Completed" } else { "Failed" };
    json!(format!("http://schema.org/{status}ActionStatus"))
}

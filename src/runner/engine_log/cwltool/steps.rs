//! The steps of a run and their jobs, as cwltool's log speaks of them.
//!
//! It has short names, made unique over the whole run by a number at the end: `step x_2` and `job x_3`
//! may belong to `/p/x` as well as to `/q/x`. It announces each of them in the order in which it makes
//! the names, so the order tells what they mean.

use std::collections::HashMap;

use super::names::Names;
use crate::runner::event::{Event, Status};

/// More jobs than this are not counted, so that a flood of lines cannot use up memory.
const MOST_JOBS: usize = 200_000;

/// The steps of a run, under cwltool's names and ours.
#[derive(Debug, Default)]
pub struct Steps {
    /// The paths of steps that run something.
    leaves: Vec<String>,
    names: Names,
    instances: HashMap<String, Instance>,
    starts: Vec<Start>,
    /// Starts by the short name of their step, in order: those that get a job of that name.
    waiting: HashMap<String, Vec<usize>>,
    /// The start that each job belongs to.
    jobs: HashMap<String, usize>,
    totals: HashMap<String, Total>,
    last: Option<String>,
}

/// A step as one of its workflow's runs has it.
#[derive(Debug, Default)]
struct Instance {
    path: String,
    starts: Vec<usize>,
    ended: bool,
}

/// One job of a step, from the moment when cwltool makes it.
#[derive(Debug)]
struct Start {
    path: String,
    id: String,
    claimed: bool,
    ended: bool,
}

/// All instances of a step.
#[derive(Debug, Default)]
struct Total {
    starts: u64,
    open: u64,
    failed: bool,
}

impl Steps {
    /// The steps with these paths.
    pub fn new(leaves: &[String]) -> Self {
        Self {
            leaves: leaves.to_vec(),
            names: Names::new(leaves),
            ..Self::default()
        }
    }

    /// Whether the run is of a single tool, of which cwltool does not speak as a step.
    pub fn single(&self) -> bool {
        self.leaves == ["/"]
    }

    /// `[workflow W] starting step S`: the step gets its name.
    pub fn name(&mut self, workflow: &str, step: &str) {
        if self.instances.len() >= MOST_JOBS {
            return;
        }
        let path = self.names.path(workflow, step);
        self.totals.entry(path.clone()).or_default().open += 1;
        let instance = Instance {
            path,
            ..Instance::default()
        };
        self.instances.insert(step.to_owned(), instance);
    }

    /// `[step S] start`: a workflow or a job of it is made.
    pub fn start(&mut self, step: &str) -> Vec<Event> {
        let Some(instance) = self.instances.get_mut(step) else {
            return Vec::new();
        };
        let path = instance.path.clone();
        let short = path.rsplit('/').next().unwrap_or_default().to_owned();
        let index = self.starts.len();
        if self.names.is_workflow(&path) {
            self.names.enter(path);
            return Vec::new();
        }
        if index >= MOST_JOBS {
            return Vec::new();
        }
        if let Some(instance) = self.instances.get_mut(step) {
            instance.starts.push(index);
        }
        self.waiting.entry(short).or_default().push(index);
        self.last = Some(path.clone());
        vec![self.add_start(path)]
    }

    fn add_start(&mut self, path: String) -> Event {
        let total = self.totals.entry(path.clone()).or_default();
        let id = format!("{}/{}", path.trim_end_matches('/'), total.starts);
        total.starts += 1;
        let event = job_event(&id, &path, Status::Scheduled);
        self.starts.push(Start {
            path,
            id,
            claimed: false,
            ended: false,
        });
        event
    }

    /// The path and the id of what cwltool calls job `name`.
    pub fn job(&mut self, name: &str) -> Option<(&str, &str)> {
        if !self.jobs.contains_key(name) {
            let index = if self.single() {
                if self.starts.len() >= MOST_JOBS {
                    return None;
                }
                self.add_start("/".to_owned());
                self.starts.len() - 1
            } else {
                self.claim(name)?
            };
            self.starts.get_mut(index)?.claimed = true;
            self.jobs.insert(name.to_owned(), index);
        }
        let start = self.starts.get(*self.jobs.get(name)?)?;
        Some((&start.path, &start.id))
    }

    /// The start that gets this job: the second one of step `x` makes `x_2`, and so on.
    fn claim(&self, name: &str) -> Option<usize> {
        let free = |index: &usize| self.starts.get(*index).is_some_and(|start| !start.claimed);
        let nth = |short: &str, number: usize| {
            let starts = self.waiting.get(short)?;
            starts.get(number.checked_sub(1)?).copied().filter(free)
        };
        let numbered = || {
            let (short, number) = name.rsplit_once('_')?;
            let number: usize = number.parse().ok()?;
            // Where the names of two steps meet, the numbers are not as expected.
            nth(short, number).or_else(|| self.waiting.get(short)?.iter().copied().find(free))
        };
        nth(name, 1).or_else(numbered)
    }

    /// A job has ended: no later end of its step is an end of it.
    pub fn job_ended(&mut self, name: &str, well: bool) -> Vec<Event> {
        let Some(index) = self.jobs.get(name).copied() else {
            return Vec::new();
        };
        let mut events = self.end(
            index,
            if well {
                Status::Completed
            } else {
                Status::Failed
            },
        );
        if self.single() {
            events.push(step_event(
                "/",
                if well {
                    Status::Completed
                } else {
                    Status::Failed
                },
            ));
        }
        events
    }

    fn end(&mut self, index: usize, status: Status) -> Vec<Event> {
        let Some(start) = self.starts.get_mut(index).filter(|start| !start.ended) else {
            return Vec::new();
        };
        start.ended = true;
        vec![job_event(&start.id, &start.path, status)]
    }

    /// `[step S] completed STATUS`.
    pub fn ended(&mut self, step: &str, status: &str) -> Vec<Event> {
        let Some(instance) = self.instances.get_mut(step).filter(|step| !step.ended) else {
            return Vec::new();
        };
        instance.ended = true;
        let (path, starts) = (instance.path.clone(), instance.starts.clone());
        let well = matches!(status, "success" | "skipped");
        if self.names.is_workflow(&path) {
            return self.workflow_ended(&path, well, status == "skipped");
        }
        let mut events = Vec::new();
        for index in starts {
            events.extend(self.without_job(index, well));
        }
        let total = self.totals.entry(path.clone()).or_default();
        total.open = total.open.saturating_sub(1);
        total.failed |= !well;
        if total.failed {
            events.push(step_event(&path, Status::Failed));
        } else if total.open == 0 {
            // A scatter counts as skipped when one of its jobs was.
            let skipped = status == "skipped" && total.starts == 0;
            let status = if skipped {
                Status::Skipped
            } else {
                Status::Completed
            };
            events.push(step_event(&path, status));
        }
        events
    }

    /// The end of a start whose job cwltool did not speak of: an expression has none, so it takes
    /// no job's name either.
    fn without_job(&mut self, index: usize, well: bool) -> Vec<Event> {
        let Some(start) = self.starts.get(index).filter(|start| !start.ended) else {
            return Vec::new();
        };
        if !well {
            return self.end(index, Status::Failed);
        }
        let runs = job_event(&start.id, &start.path, Status::Running);
        if !start.claimed {
            let short = start.path.rsplit('/').next().unwrap_or_default();
            if let Some(waiting) = self.waiting.get_mut(short) {
                waiting.retain(|other| *other != index);
            }
        }
        let mut events = vec![runs];
        events.extend(self.end(index, Status::Completed));
        events
    }

    /// Steps below that never came up are over as well.
    fn workflow_ended(&self, path: &str, well: bool, skipped: bool) -> Vec<Event> {
        let below = format!("{path}/");
        let never = |leaf: &&String| leaf.starts_with(&below) && !self.totals.contains_key(*leaf);
        let status = if skipped {
            Status::Skipped
        } else {
            Status::Completed
        };
        let never = self.leaves.iter().filter(never).filter(|_| well);
        never.map(|leaf| step_event(leaf, status)).collect()
    }

    /// A step cannot go on.
    pub fn failed(&mut self, path: &str) -> Event {
        self.totals.entry(path.to_owned()).or_default().failed = true;
        step_event(path, Status::Failed)
    }

    /// The path of a step by its name.
    pub fn path(&self, step: &str) -> Option<String> {
        Some(self.instances.get(step)?.path.clone())
    }

    /// The step of which a job was made last.
    pub fn last(&self) -> Option<String> {
        self.last.clone()
    }

    /// The only step with a job that was made and has not run yet.
    pub fn only_waiting(&self) -> Option<String> {
        let mut waiting = self
            .starts
            .iter()
            .filter(|start| !start.claimed && !start.ended);
        let first = waiting.next()?;
        waiting
            .all(|start| start.path == first.path)
            .then(|| first.path.clone())
    }

    /// The end of a run of a single expression, which is neither a step nor a job to cwltool.
    pub fn single_ended(&mut self, well: bool) -> Vec<Event> {
        if !self.single() || !self.starts.is_empty() {
            return Vec::new();
        }
        let mut events = vec![self.add_start("/".to_owned())];
        events.extend(self.without_job(0, well));
        events.push(step_event(
            "/",
            if well {
                Status::Completed
            } else {
                Status::Failed
            },
        ));
        events
    }
}

/// The state of a job, as of now.
pub fn job_event(id: &str, path: &str, status: Status) -> Event {
    Event::Job {
        job: id.to_owned(),
        step: path.to_owned(),
        status,
        time: None,
        total: None,
    }
}

/// The state of a step, as of now.
pub fn step_event(path: &str, status: Status) -> Event {
    Event::Step {
        step: path.to_owned(),
        status,
        time: None,
    }
}

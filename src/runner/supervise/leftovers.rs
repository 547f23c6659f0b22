//! What a run leaves outside of its pod: removed by another program, which logs in where that is.

use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use super::{End, Supervisor};
use crate::runner::classify::Verdict;
use crate::runner::engine_log::SlurmJob;
use crate::runner::event::{Event, Status};
use crate::runner::record::Reason;
use crate::runner::run_file::{Leftover, RunFile};

/// The most that one call may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Even where no time is left, it is tried.
const LEAST: Duration = Duration::from_secs(1);
/// The most that the engine gets after a stop when there is something to be cleaned up behind it.
const ENGINE_GRACE: Duration = Duration::from_secs(8);

/// How long the engine may take to stop.
pub(super) fn engine_grace(run: &RunFile) -> Duration {
    if run.leftovers.is_empty() {
        grace(run)
    } else {
        (grace(run) / 2).min(ENGINE_GRACE)
    }
}

fn grace(run: &RunFile) -> Duration {
    Duration::from_secs(run.grace_seconds)
}

#[derive(Deserialize)]
struct Cleaned {
    clean: bool,
}

/// The state of a Slurm job in Slurm's words.
#[derive(Debug, Default, Deserialize)]
struct State {
    #[serde(default)]
    state: String,
    #[serde(default)]
    reason: String,
}

impl Supervisor {
    /// Cleans up behind the engine, and says whether nothing is left.
    ///
    /// After a good end there is nothing but the folders of jobs, which StreamFlow never removes.
    pub(super) fn clean_up(&mut self, run: &RunFile, end: &End) -> bool {
        if run.leftovers.is_empty() {
            return false;
        }
        while let Ok(note) = self.notes.try_recv() {
            self.take(note);
        }
        let well = matches!(end, End::Succeeded(_)) && self.stops == 0;
        let folders = run.leftovers.iter().any(|left| left.folder.is_some());
        if !self.began || (well && !folders) {
            return true;
        }
        let patience = match self.stopped {
            Some(since) => grace(run)
                .saturating_sub(since.elapsed())
                .clamp(LEAST, PATIENCE),
            None => PATIENCE,
        };
        let mut command = Command::new(self.layout.leftovers());
        command.arg("clean").arg(self.layout.run_file());
        let answer = self.help(&mut command, patience, grace(run));
        let cleaned = last_object(&answer).is_some_and(|answer: Cleaned| answer.clean);
        if !cleaned {
            self.say("something may be left outside of this pod");
        }
        cleaned
    }

    /// The verdict on a run that the engine calls a success, when Slurm knows better: to StreamFlow,
    /// a job that was cancelled has exit code 0.
    pub(super) fn slurm_verdict(&mut self, run: &RunFile, jobs: &[SlurmJob]) -> Option<Verdict> {
        let slurm = |left: &&Leftover| left.slurm_job.is_some();
        let places: Vec<&Leftover> = run.leftovers.iter().filter(slurm).collect();
        for place in &places {
            let here = |job: &&SlurmJob| match &job.deployment {
                Some(name) if places.iter().any(|place| place.deployment == *name) => {
                    *name == place.deployment
                }
                // By any other name it can only be this one, unless there are several.
                _ => places.len() == 1,
            };
            let jobs: Vec<&SlurmJob> = jobs.iter().filter(here).collect();
            if let Some(verdict) = self.slurm_verdict_at(run, &place.deployment, &jobs) {
                return Some(verdict);
            }
        }
        None
    }

    fn slurm_verdict_at(
        &mut self,
        run: &RunFile,
        deployment: &str,
        jobs: &[&SlurmJob],
    ) -> Option<Verdict> {
        if jobs.is_empty() {
            return None;
        }
        let mut command = Command::new(self.layout.leftovers());
        command
            .arg("states")
            .arg(self.layout.run_file())
            .arg(deployment)
            .args(jobs.iter().map(|job| &job.id));
        let answer = self.help(&mut command, PATIENCE, grace(run));
        let states: HashMap<String, State> = last_object(&answer).unwrap_or_default();
        for SlurmJob { step, id, .. } in jobs {
            // Of several clusters, the id names which one.
            let state = states.get(id).or_else(|| states.get(id.split(';').next()?));
            match judge(state) {
                Judgement::Well => {}
                Judgement::Unknown => self.say(&format!(
                    "what became of Slurm job {id} of step {step} is not known: {}",
                    state.map_or("no answer", |state| &state.state)
                )),
                Judgement::Failed(reason, how) => {
                    self.tally.take(Event::Step {
                        step: step.clone(),
                        status: Status::Failed,
                        time: None,
                    });
                    return Some(Verdict {
                        reason,
                        message: format!("step {step} failed: Slurm job {id} ended as {how}"),
                        failed_step: Some(step.clone()),
                        ..Verdict::default()
                    });
                }
            }
        }
        None
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    Well,
    Failed(Reason, String),
    Unknown,
}

fn judge(state: Option<&State>) -> Judgement {
    let Some(State { state, reason }) = state else {
        return Judgement::Unknown;
    };
    // `CANCELLED by 1000` and `CANCELLED+` are CANCELLED.
    let end = state.find([' ', '+']).unwrap_or(state.len());
    let name = state.get(..end).unwrap_or_default();
    let class = match name {
        "COMPLETED" | "COMPLETING" => return Judgement::Well,
        // StreamFlow has seen this exit code, and so the tool declares it a success.
        "FAILED" if reason == "NonZeroExitCode" => return Judgement::Well,
        "OUT_OF_MEMORY" => Reason::OutOfMemory,
        "NODE_FAIL" | "PREEMPTED" | "BOOT_FAIL" | "REVOKED" => Reason::Evicted,
        "FAILED" | "CANCELLED" | "TIMEOUT" | "DEADLINE" => Reason::StepFailed,
        _ => return Judgement::Unknown,
    };
    Judgement::Failed(
        class,
        match reason.as_str() {
            "" | "None" => name.to_owned(),
            reason => format!("{name} ({reason})"),
        },
    )
}

/// The last line that is an object of the wanted form.
fn last_object<T: for<'de> Deserialize<'de>>(answer: &[u8]) -> Option<T> {
    let mut lines = answer.rsplit(|&byte| byte == b'\n');
    lines.find_map(|line| serde_json::from_slice(line).ok())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("COMPLETED", "None", None)]
    #[case("FAILED", "NonZeroExitCode", None)]
    #[case("FAILED", "RaisedSignal:9(Killed)", Some((Reason::StepFailed, "FAILED (RaisedSignal:9(Killed))")))]
    #[case("CANCELLED by 1000", "None", Some((Reason::StepFailed, "CANCELLED")))]
    #[case("TIMEOUT", "TimeLimit", Some((Reason::StepFailed, "TIMEOUT (TimeLimit)")))]
    #[case("OUT_OF_MEMORY", "", Some((Reason::OutOfMemory, "OUT_OF_MEMORY")))]
    fn states(#[case] state: &str, #[case] reason: &str, #[case] failed: Option<(Reason, &str)>) {
        let state = State {
            state: state.to_owned(),
            reason: reason.to_owned(),
        };
        let expected = failed.map_or(Judgement::Well, |(reason, how)| {
            Judgement::Failed(reason, how.to_owned())
        });
        assert_eq!(judge(Some(&state)), expected);
    }

    #[rstest]
    #[case(None)]
    #[case(Some("RUNNING"))]
    #[case(Some(""))]
    fn what_is_not_known_is_no_failure(#[case] state: Option<&str>) {
        let state = state.map(|state| State {
            state: state.to_owned(),
            ..State::default()
        });
        assert_eq!(judge(state.as_ref()), Judgement::Unknown);
    }

    #[test]
    fn the_last_object_is_the_answer() {
        let clean = |text: &str| last_object(text.as_bytes()).map(|answer: Cleaned| answer.clean);
        assert_eq!(
            clean("warning\n{\"clean\": true, \"failures\": []}\n"),
            Some(true)
        );
        assert_eq!(clean("{\"clean\": true}\n{\"clean\": false}"), Some(false));
        assert_eq!(clean("nothing\n"), None);
    }
}

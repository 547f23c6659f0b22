//! Putting the end of a run into words, and those where they belong.

use serde_json::Value;

use super::{End, Supervisor};
use crate::runner::keeper::Attempt;
use crate::runner::record::{Outcome, Phase, Reason};
use crate::runner::tally::now;

impl Supervisor {
    pub(super) fn outcome(&self, end: End) -> Outcome {
        let completion = now();
        let (completed, total) = self.tally.jobs();
        let mut outcome = Outcome {
            version: 1,
            engine: self.engine,
            fallback: self.fallback.clone(),
            start_time: Some(self.started),
            completion_time: Some(completion),
            completed,
            total,
            ..Outcome::default()
        };
        match end {
            End::Succeeded(outputs) => {
                outcome.phase = Phase::Succeeded;
                outcome.reason = Reason::Completed;
                let mut outputs = Value::Object(outputs);
                self.redactor.value(&mut outputs);
                outcome.outputs = outputs.as_object_mut().map(std::mem::take);
            }
            End::Unsuccessful(verdict) => {
                outcome.phase = verdict.phase;
                outcome.reason = verdict.reason;
                outcome.message = self.redactor.text(&verdict.message);
                outcome.failed_step = verdict.failed_step;
                outcome.exit_code = verdict.exit_code;
            }
        }
        outcome.steps = self.tally.final_steps(outcome.phase, completion);
        outcome.step_count = outcome.steps.len();
        if outcome.phase == Phase::Succeeded {
            outcome.message = outcome.praise();
        }
        outcome.seal();
        outcome
    }
}

/// Leaves the outcome beside the outputs; a run whose record cannot be stored has not succeeded.
pub(super) fn store(attempt: &Attempt, outcome: &mut Outcome) {
    let text = serde_json::to_string(outcome).unwrap_or_default();
    if let Err(error) = attempt.store_outcome(&text)
        && outcome.phase == Phase::Succeeded
    {
        outcome.phase = Phase::Failed;
        outcome.reason = Reason::OutputsFailed;
        outcome.message = format!("the outcome cannot be stored: {error}");
    }
}

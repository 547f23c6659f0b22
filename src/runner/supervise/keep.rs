//! Keeping what a run prints beside its outputs.

use std::env;
use std::time::Duration;

use super::Supervisor;
use crate::runner::event::Event;
use crate::runner::keeper::{Attempt, FailedJob, Keeper, Kept};
use crate::runner::layout::Layout;
use crate::runner::record::{MESSAGE_LIMIT, Outcome, Phase, cut};
use crate::runner::run_file::{ATTEMPT, RunFile};

/// How long a volume may take at the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// This attempt, when the run has a folder for outputs.
pub(super) fn attempt(layout: &Layout, run: &RunFile) -> Option<Attempt> {
    let number = env::var(ATTEMPT).ok().and_then(|text| text.parse().ok());
    Some(Attempt {
        outputs: layout.at(run.outputs.as_ref()?),
        run: run.name.clone(),
        number: number.unwrap_or(1),
    })
}

impl Supervisor {
    /// Begins, when the run has a folder for outputs.
    pub(super) fn keep_log(&mut self, run: &RunFile) {
        if let Some(attempt) = attempt(&self.layout, run) {
            let keeper = Keeper::start(attempt, self.log.clone());
            self.log.keep(keeper.clone());
            self.keeper = Some(keeper);
        }
    }

    /// Keeps what a command printed that failed.
    pub(super) fn keep_output(&self, event: &Event) {
        let Some(keeper) = &self.keeper else { return };
        if let Event::Command {
            job,
            step,
            exit_code,
            stderr,
            stdout,
            kind,
            ..
        } = event
            && (*exit_code != 0 || kind.is_some())
        {
            keeper.failed(FailedJob {
                job: job.clone(),
                step: step.clone(),
                stderr: stderr.clone(),
                stdout: stdout.clone(),
            });
        }
    }

    /// Ends it, and tells in the message of a failed run where more is to be read.
    pub(super) fn keep_no_more(&self, outcome: &mut Outcome) {
        let Some(keeper) = &self.keeper else { return };
        let Some(kept) = keeper.finish(PATIENCE) else {
            self.say("the volume for outputs is too slow; the log there may not be whole");
            return;
        };
        if outcome.phase == Phase::Failed
            && self.began
            && let Some(path) = self.to_read(&kept)
        {
            tell(&mut outcome.message, path);
        }
    }

    /// What the command printed that is to blame, else the engine's log.
    fn to_read<'k>(&self, kept: &'k Kept) -> Option<&'k str> {
        let blamed = self.tally.failed_step().and_then(|(_, command)| command);
        let of_job = blamed.and_then(|command| kept.jobs.get(&command.job));
        of_job.or(kept.engine.as_ref()).map(String::as_str)
    }
}

fn tell(message: &mut String, path: &str) {
    let separator = if message.contains('\n') { "\n" } else { "; " };
    let place = format!("{separator}more in {path}, beside the outputs");
    let room = MESSAGE_LIMIT.saturating_sub(place.len());
    message.truncate(cut(message, room).len());
    message.push_str(&place);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_told_whatever_the_length_of_the_message() {
        let mut short = "step / failed: oops".to_owned();
        tell(&mut short, ".dvre/a-1/engine.log");
        assert_eq!(
            short,
            "step / failed: oops; more in .dvre/a-1/engine.log, beside the outputs"
        );
        let mut long = "é\n".repeat(1000);
        tell(&mut long, ".dvre/a-1/engine.log");
        assert!(long.len() <= MESSAGE_LIMIT && long.len() > MESSAGE_LIMIT - 3);
        assert!(long.ends_with("\nmore in .dvre/a-1/engine.log, beside the outputs"));
    }
}

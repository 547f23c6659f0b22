//! What the totals say.

use jiff::Timestamp;

use super::{EngineError, FailedCommand, JobRecord, Step, Tally, ended_well, now, record};
use crate::runner::classify::clean;
use crate::runner::provenance::Image;
use crate::runner::record::{
    MESSAGE_LIMIT, PROGRESS_STEPS, Phase, Progress, Stage, StepPhase, StepRecord, cut,
    notable_steps, shorten_messages,
};

/// The most bytes of one step's message in a record of progress, and of all of them.
const PROGRESS_MESSAGE: usize = 256;
const PROGRESS_MESSAGES: usize = 4096;

impl Tally {
    /// Whether nothing has been reported yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.error.is_none()
    }

    /// The first error that the plugin explained.
    #[must_use]
    pub fn first_error(&self) -> Option<&EngineError> {
        self.error.as_ref()
    }

    /// Whether any job got as far as running.
    #[must_use]
    pub fn any_ran(&self) -> bool {
        self.steps
            .iter()
            .any(|step| step.record.start_time.is_some())
    }

    /// The step to blame and its failed command: one whose command failed before one that failed
    /// otherwise, the first to fail before the steps after it.
    #[must_use]
    pub fn failed_step(&self) -> Option<(&str, Option<&FailedCommand>)> {
        let failed = |step: &&Step| step.record.phase == StepPhase::Failed;
        let earliest = |step: &&Step| (step.record.completion_time, step.record.start_time);
        let with_command = self.steps.iter().filter(|step| step.failed.is_some());
        with_command
            .clone()
            .filter(failed)
            .min_by_key(earliest)
            .or_else(|| with_command.min_by_key(earliest))
            .or_else(|| {
                let ran = |step: &&Step| step.record.start_time.is_some();
                self.steps
                    .iter()
                    .filter(failed)
                    .filter(ran)
                    .min_by_key(earliest)
            })
            .or_else(|| self.steps.iter().filter(failed).min_by_key(earliest))
            .map(|step| (step.record.name.as_str(), step.failed.as_ref()))
    }

    /// Jobs that ended well, and all.
    #[must_use]
    pub fn jobs(&self) -> (u64, u64) {
        self.steps
            .iter()
            .map(record)
            .fold((0, 0), |(completed, total), step| {
                (completed + step.completed, total + step.total)
            })
    }

    /// The steps as they are.
    #[must_use]
    pub fn steps(&self) -> Vec<StepRecord> {
        let mut steps: Vec<StepRecord> = self.steps.iter().map(record).collect();
        self.tell_why(&mut steps);
        steps
    }

    /// The steps when the run has ended in `phase`: none is left waiting or running.
    #[must_use]
    pub fn final_steps(&self, phase: Phase, now: Timestamp) -> Vec<StepRecord> {
        let mut steps: Vec<StepRecord> = self.steps.iter().map(record).collect();
        for (step, own) in steps.iter_mut().zip(&self.steps) {
            let to_blame = || own.failed.is_some() || self.error_of(step).is_some();
            step.phase = match (step.phase, phase) {
                (StepPhase::Running, Phase::Succeeded) => StepPhase::Succeeded,
                (StepPhase::Pending, Phase::Succeeded) => StepPhase::Skipped,
                // An engine that gives up may not say that the step is over.
                (StepPhase::Running, Phase::Failed) if to_blame() => StepPhase::Failed,
                (StepPhase::Running | StepPhase::Pending, _) => StepPhase::Cancelled,
                (ended, _) => ended,
            };
            if step.start_time.is_some() {
                step.completion_time.get_or_insert(now);
            }
        }
        self.tell_why(&mut steps);
        steps
    }

    /// Adds to steps that failed the last words of their command, else what the engine said.
    fn tell_why(&self, steps: &mut [StepRecord]) {
        for (step, own) in steps.iter_mut().zip(&self.steps) {
            if step.phase == StepPhase::Failed {
                let command = own.failed.as_ref().and_then(FailedCommand::last_words);
                let engine = || self.error_of(step).map(|error| clean(&error.message));
                let words = command.or_else(engine).filter(|words| !words.is_empty());
                step.message = words.map(|words| cut(&words, MESSAGE_LIMIT).to_owned());
            }
        }
    }

    fn error_of(&self, step: &StepRecord) -> Option<&EngineError> {
        let error = self.error.as_ref();
        error.filter(|error| error.step.as_ref() == Some(&step.name))
    }

    /// All jobs in the order of their steps and starts, when the run has ended.
    #[must_use]
    pub fn final_jobs(&self) -> Vec<JobRecord> {
        let mut jobs: Vec<_> = self.jobs.iter().collect();
        jobs.sort_by_key(|(name, job)| (job.step, job.start, *name));
        jobs.into_iter()
            .filter_map(|(name, job)| {
                Some(JobRecord {
                    job: name.clone(),
                    step: self.steps.get(job.step)?.record.name.clone(),
                    start: job.start,
                    end: job.end,
                    succeeded: ended_well(job.status),
                    exit_code: job.exit_code,
                })
            })
            .collect()
    }

    /// The version of the engine.
    #[must_use]
    pub fn engine_version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The image of each step that has one of its own; without a step, that of the runner.
    pub fn images(&self) -> impl Iterator<Item = (Option<&str>, &Image)> {
        self.images
            .iter()
            .map(|(step, image)| (step.as_deref(), image))
    }

    /// The state as a record of progress.
    #[must_use]
    pub fn progress(&self, stage: Stage) -> Progress {
        let (completed, total) = self.jobs();
        let mut steps = notable_steps(&self.steps(), PROGRESS_STEPS);
        shorten_messages(&mut steps, PROGRESS_MESSAGE, PROGRESS_MESSAGES);
        Progress {
            time: now(),
            stage,
            completed,
            total,
            step_count: self.steps.len(),
            steps,
            ..Progress::default()
        }
    }
}

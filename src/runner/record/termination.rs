//! Fitting an outcome into a pod's termination message, and printing it whole.

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    FinalLine, MARK, Outcome, Progress, StepPhase, StepRecord, notable_steps, shorten_messages,
};

/// The most bytes of a termination message that Kubernetes keeps.
pub const TERMINATION_LIMIT: usize = 4096;
/// The most bytes of a message for people.
pub const MESSAGE_LIMIT: usize = 1024;
/// The most bytes of a step's message when not all fit whole; then they are left out.
const SHORT_MESSAGE: usize = 200;
/// The most bytes of a step's name that a record repeats in `failedStep` when space is short.
const NAME_LIMIT: usize = 256;

impl Outcome {
    /// The outcome as a termination message of at most [`TERMINATION_LIMIT`] bytes: messages of
    /// steps that do not fit are shortened, then left out, then whole steps, then the outputs in favour
    /// of their digest, then the message's end.
    #[must_use]
    pub fn to_termination(&self) -> String {
        let mut short = Self {
            steps: Vec::new(),
            ..self.clone()
        };
        short
            .message
            .truncate(cut(&self.message, MESSAGE_LIMIT).len());
        short.seal();
        if let Some(text) = short.with_fitting_steps(&self.steps) {
            return text;
        }
        short.outputs_truncated |= short.outputs.take().is_some();
        if let Some(text) = short.with_fitting_steps(&self.steps) {
            return text;
        }
        short.steps_truncated |= !self.steps.is_empty();
        short.failed_step = short
            .failed_step
            .map(|name| cut(&name, NAME_LIMIT).to_owned());
        // Escapes may take six bytes for one, so the cut is found by trying.
        let mut keep = short.message.len();
        loop {
            short.message.truncate(cut(&self.message, keep).len());
            let text = compact(&short);
            if text.len() <= TERMINATION_LIMIT || keep == 0 {
                return text;
            }
            keep /= 2;
        }
    }

    /// The outcome as the log's final line, whole, without a line feed.
    #[must_use]
    pub fn to_final_line(&self) -> String {
        format!("{MARK}{}", compact(&FinalLine { r#final: self }))
    }

    /// Cuts the message to its limit, and sets the outputs' digest when there are outputs.
    pub fn seal(&mut self) {
        self.message
            .truncate(cut(&self.message, MESSAGE_LIMIT).len());
        if let Some(outputs) = &self.outputs {
            self.outputs_digest = Some(digest(outputs));
        }
    }

    /// What to say of a run that succeeded: `3 steps completed and 1 skipped in 4.2 s`.
    #[must_use]
    pub fn praise(&self) -> String {
        let count = |phase| self.steps.iter().filter(|step| step.phase == phase).count();
        let mut text = match count(StepPhase::Succeeded) {
            0 => "completed".to_owned(),
            1 => "1 step completed".to_owned(),
            done => format!("{done} steps completed"),
        };
        let skipped = count(StepPhase::Skipped);
        if skipped > 0 {
            text = format!("{text} and {skipped} skipped");
        }
        if let (Some(start), Some(end)) = (self.start_time, self.completion_time) {
            let seconds = end.duration_since(start).as_secs_f64();
            text = format!("{text} in {seconds:.1} s");
        }
        if let Some(why) = &self.fallback {
            text = format!("{text} with cwltool, as StreamFlow is not available: {why}");
        }
        text
    }

    /// With as many of the steps as fit; `None` when it does not fit without any.
    fn with_fitting_steps(&self, steps: &[StepRecord]) -> Option<String> {
        let attempt = |count: usize, message: usize| {
            let mut chosen = notable_steps(steps, count);
            let shortened = shorten_messages(&mut chosen, message, TERMINATION_LIMIT);
            let text = compact(&Self {
                steps_truncated: self.steps_truncated || shortened || chosen.len() < steps.len(),
                steps: chosen,
                ..self.clone()
            });
            (text.len() <= TERMINATION_LIMIT).then_some(text)
        };
        let all = |message| attempt(steps.len(), message);
        if let Some(text) = all(MESSAGE_LIMIT).or_else(|| all(SHORT_MESSAGE)) {
            return Some(text);
        }
        let mut best = attempt(0, 0)?;
        // A step takes 20 bytes and more, so no more than this many can fit.
        let (mut fits, mut too_many) = (0, steps.len().min(TERMINATION_LIMIT / 20) + 1);
        while too_many - fits > 1 {
            let middle = usize::midpoint(fits, too_many);
            if let Some(text) = attempt(middle, 0) {
                (best, fits) = (text, middle);
            } else {
                too_many = middle;
            }
        }
        Some(best)
    }
}

impl Progress {
    /// The progress as a line of the log, without a line feed.
    #[must_use]
    pub fn to_line(&self) -> String {
        format!("{MARK}{}", compact(self))
    }
}

/// The start of `text` that has at most `limit` bytes and ends between characters.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn digest(outputs: &Map<String, Value>) -> String {
    format!("sha256:{}", hex(&Sha256::digest(compact(outputs))))
}

/// Bytes as lowercase hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// Compact JSON. Records have only string keys and no maps that can fail, so it is never empty.
fn compact<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

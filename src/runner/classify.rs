//! Why a run failed, from all that is known of it.

use super::engine_log::EngineLog;
use super::memory::human;
use super::record::{Phase, Reason};
use super::tally::{FailedCommand, Tally};

/// The most bytes of a command's error output that a message quotes.
const TAIL_LIMIT: usize = 800;
/// Lines of it.
const TAIL_LINES: usize = 8;
const KILLED: i32 = 137;

/// How the engine's process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

/// All that is known when the engine has ended.
pub struct Evidence<'a> {
    /// How the engine's process ended.
    pub exit: Exit,
    /// The container was told to stop.
    pub cancelled: bool,
    /// Processes of the container that were killed for want of memory.
    pub memory_kills: u64,
    /// The container's memory in bytes.
    pub memory_limit: Option<u64>,
    /// Whether jobs that the log places elsewhere use this container's memory all the same.
    pub memory_shared: bool,
    /// From the plugin's events.
    pub tally: &'a Tally,
    /// From the engine's log.
    pub log: &'a dyn EngineLog,
}

impl Evidence<'_> {
    /// Processes that were killed for want of memory, as far as the command may be one of them.
    fn memory_kills_near(&self, command: &FailedCommand) -> u64 {
        if self.memory_shared || !self.log.elsewhere(&command.job) {
            self.memory_kills
        } else {
            0
        }
    }
}

/// The class of a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Failed or Cancelled.
    pub phase: Phase,
    /// The class.
    pub reason: Reason,
    /// For people; what a command printed may stand in it.
    pub message: String,
    /// The step to blame.
    pub failed_step: Option<String>,
    /// Exit code of its command.
    pub exit_code: Option<i32>,
}

impl Verdict {
    fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            ..Self::default()
        }
    }

    fn at(mut self, step: &str, exit_code: Option<i32>) -> Self {
        self.failed_step = Some(step.to_owned());
        self.exit_code = exit_code;
        self
    }
}

/// The verdict on a run whose engine did not succeed.
pub fn verdict(seen: &Evidence<'_>) -> Verdict {
    if seen.cancelled {
        let verdict = Verdict::new(Reason::Cancelled, "the run was told to stop");
        return Verdict {
            phase: Phase::Cancelled,
            ..verdict
        };
    }
    let failed = seen.tally.failed_step();
    let command = failed.and_then(|(step, command)| Some((step, command?)));
    command
        .and_then(|(step, command)| failed_as_told(step, command))
        .or_else(|| place_failed(seen, command))
        .or_else(|| out_of_memory(seen, command))
        .or_else(|| command.map(|(step, command)| failed_command(seen, step, command)))
        .or_else(|| explained(seen))
        .or_else(|| {
            let (reason, message) = seen.log.explanation(seen.exit, seen.tally.any_ran())?;
            Some(Verdict::new(reason, message))
        })
        .or_else(|| failed.map(|(step, _)| failed_otherwise(seen, step)))
        .unwrap_or_else(|| unexplained(seen))
}

/// A command of which the plugin knows more than its exit code.
fn failed_as_told(step: &str, command: &FailedCommand) -> Option<Verdict> {
    let (reason, message) = command.why.as_ref().filter(|(_, why)| !why.is_empty())?;
    // Slurm calls the exit code of a cancelled job 0.
    let exit_code = Some(command.exit_code).filter(|code| *code != 0);
    // A class of a newer plugin is still the failure of a step.
    let reason = match reason {
        Reason::Unknown => Reason::StepFailed,
        reason => *reason,
    };
    Some(Verdict::new(reason, about(step, message)).at(step, exit_code))
}

/// A message that names the step.
fn about(step: &str, message: &str) -> String {
    let message = clean(message);
    if message.contains(&format!("step {step}")) || (message.contains(step) && step != "/") {
        message
    } else {
        format!("step {step} failed: {message}")
    }
}

/// Not the command is at fault but the place where it had to run, whatever its exit code was.
fn place_failed(seen: &Evidence<'_>, command: Option<(&str, &FailedCommand)>) -> Option<Verdict> {
    let error = seen.tally.first_error()?;
    let of_place = matches!(
        error.reason,
        Reason::DeploymentFailed
            | Reason::ImagePullFailed
            | Reason::Unschedulable
            | Reason::Evicted
            | Reason::QuotaExceeded
            | Reason::OutOfMemory
    );
    let failed = command.filter(|(step, _)| error.step.as_deref() == Some(step));
    // After a command of another step failed, what is torn down with it may well complain.
    if !of_place || (error.after_command && failed.is_none()) {
        return None;
    }
    let verdict = Verdict::new(error.reason, clean(&error.message));
    Some(match &error.step {
        Some(step) => verdict.at(step, failed.map(|(_, command)| command.exit_code)),
        None => verdict,
    })
}

fn out_of_memory(seen: &Evidence<'_>, command: Option<(&str, &FailedCommand)>) -> Option<Verdict> {
    if seen.memory_kills == 0 {
        return None;
    }
    let limit = seen
        .memory_limit
        .map(|limit| format!(" of {}", human(limit)))
        .unwrap_or_default();
    match command {
        Some((step, command)) if command.exit_code == KILLED => {
            if seen.memory_kills_near(command) == 0 {
                return None;
            }
            let message = format!(
                "step {step} was killed because the container used up its memory{limit}; \
                 raise spec.runner.resources.limits.memory"
            );
            Some(Verdict::new(Reason::OutOfMemory, message).at(step, Some(KILLED)))
        }
        None if seen.exit == Exit::Signal(9) => {
            let message = format!(
                "the workflow engine was killed because the container used up its memory{limit}; \
                 raise spec.runner.resources.limits.memory"
            );
            Some(Verdict::new(Reason::OutOfMemory, message))
        }
        _ => None,
    }
}

fn failed_command(seen: &Evidence<'_>, step: &str, command: &FailedCommand) -> Verdict {
    let code = command.exit_code;
    let how = match code {
        127 => format!("exit code {code} (command not found)"),
        126 => format!("exit code {code} (command not executable)"),
        129..=159 => format!("exit code {code} (killed by signal {})", code - 128),
        _ => format!("exit code {code}"),
    };
    let mut message = format!("step {step} failed with {how}");
    if seen.memory_kills_near(command) > 0 {
        message.push_str(", after a process was killed because the container used up its memory");
    }
    let tail = last_lines(&command.stderr, TAIL_LIMIT);
    if !tail.is_empty() {
        message = format!("{message}: {tail}");
    }
    Verdict::new(Reason::StepFailed, message).at(step, Some(code))
}

/// As the plugin explains it.
fn explained(seen: &Evidence<'_>) -> Option<Verdict> {
    let error = seen.tally.first_error()?;
    let step = error
        .step
        .as_deref()
        .or_else(|| Some(seen.tally.failed_step()?.0));
    if error.message.is_empty() {
        return None;
    }
    match (error.reason, step) {
        (Reason::Unknown, None) => None,
        // A class of a newer plugin is still the failure of a step.
        (Reason::Unknown | Reason::StepFailed, Some(step)) => {
            let message = about(step, &error.message);
            Some(Verdict::new(Reason::StepFailed, message).at(step, None))
        }
        (reason, _) => Some(Verdict::new(reason, clean(&error.message))),
    }
}

/// A step failed, though no command of it did: an expression, a file, an output that is missing.
fn failed_otherwise(seen: &Evidence<'_>, step: &str) -> Verdict {
    let message = match seen.log.trouble() {
        Some(trouble) => format!("step {step} {trouble}"),
        None => format!("step {step} failed without an error of its command"),
    };
    Verdict::new(Reason::StepFailed, message).at(step, None)
}

fn unexplained(seen: &Evidence<'_>) -> Verdict {
    let how = match seen.exit {
        Exit::Code(code) => format!("ended with exit code {code}"),
        Exit::Signal(signal) => format!("was killed by signal {signal}"),
    };
    let why = match seen.log.last_words() {
        Some(words) => format!(": {}", clean(&words)),
        None => String::new(),
    };
    Verdict::new(
        Reason::InternalError,
        format!("the workflow engine {how}{why}"),
    )
}

/// The last lines of a command's error output, at most `limit` bytes, fit for a message.
pub fn last_lines(stderr: &str, limit: usize) -> String {
    let text = clean(stderr);
    let mut lines: Vec<&str> = text.lines().rev().take(TAIL_LINES).collect();
    lines.reverse();
    let text = lines.join("\n");
    let mut start = text.len().saturating_sub(limit);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text.get(start..).unwrap_or_default().trim().to_owned()
}

/// Without control characters, terminal colours, empty lines, and this container's own folders.
pub fn clean(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' if characters.peek() == Some(&'[') => {
                characters.next();
                while characters
                    .next()
                    .is_some_and(|next| !next.is_ascii_alphabetic())
                {}
            }
            // A progress bar writes over its line.
            '\n' | '\r' => plain.push('\n'),
            '\t' => plain.push(' '),
            _ if character.is_control() => {}
            _ => plain.push(character),
        }
    }
    let lines: Vec<&str> = plain
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines
        .join("\n")
        .replace("file:///work/workflow/", "")
        .replace("/work/workflow/", "")
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests;

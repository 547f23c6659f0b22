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
    /// From the plugin's events.
    pub tally: &'a Tally,
    /// From the engine's log.
    pub log: &'a EngineLog,
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
    out_of_memory(seen, command)
        .or_else(|| command.map(|(step, command)| failed_command(seen, step, command)))
        .or_else(|| explained(seen))
        .or_else(|| before_steps(seen))
        .or_else(|| failed.map(|(step, _)| failed_otherwise(seen, step)))
        .unwrap_or_else(|| unexplained(seen))
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
    if seen.memory_kills > 0 {
        message.push_str(", after a process was killed because the container used up its memory");
    }
    let tail = tail(&command.stderr);
    if !tail.is_empty() {
        message = format!("{message}: {tail}");
    }
    Verdict::new(Reason::StepFailed, message).at(step, Some(code))
}

/// As the plugin explains it.
fn explained(seen: &Evidence<'_>) -> Option<Verdict> {
    let error = seen.tally.first_error()?;
    let message = clean(&error.message);
    let step = error
        .step
        .as_deref()
        .or_else(|| Some(seen.tally.failed_step()?.0));
    match (error.reason, step) {
        (Reason::Unknown, _) => None,
        (Reason::StepFailed, Some(step)) => {
            let message = if message.contains(step) && step != "/" {
                message
            } else {
                format!("step {step} failed: {message}")
            };
            Some(Verdict::new(Reason::StepFailed, message).at(step, None))
        }
        (reason, _) => Some(Verdict::new(reason, message)),
    }
}

/// The engine gave up before any command ran.
fn before_steps(seen: &Evidence<'_>) -> Option<Verdict> {
    let error = seen.log.error();
    if !seen.log.executing && !seen.tally.any_ran() {
        // A signal, or no error of its own: then the engine itself is at fault.
        return match (seen.exit, error) {
            (Exit::Code(_), Some(error)) if !is_engines_own(&error) => {
                Some(Verdict::new(Reason::InvalidWorkflow, clean(&error)))
            }
            _ => None,
        };
    }
    let text = error?;
    let types = (text.starts_with("Expected ") && text.contains(" token of type "))
        || (text.starts_with("Token ") && text.contains(" is not optional"));
    if types && seen.log.error_before_steps {
        return Some(Verdict::new(Reason::InvalidInputs, clean(&text)));
    }
    let deployment = seen
        .log
        .deploying
        .as_ref()
        .filter(|_| !seen.tally.any_ran())?;
    let message = format!(
        "deployment {deployment} could not be set up: {}",
        clean(&text)
    );
    Some(Verdict::new(Reason::DeploymentFailed, message))
}

/// A step failed, though no command of it did: an expression, a file, an output that is missing.
fn failed_otherwise(seen: &Evidence<'_>, step: &str) -> Verdict {
    let message = match seen.log.error() {
        Some(error) => match error.strip_prefix("No suitable token processors in ") {
            Some(rest) => {
                let output = rest.split(':').next().unwrap_or_default();
                let why = rest
                    .rsplit("but received error ")
                    .next()
                    .unwrap_or_default();
                format!(
                    "step {step} did not give its output {output}: {}",
                    clean(why)
                )
            }
            None => format!("step {step} failed: {}", clean(&error)),
        },
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

/// Errors that come from the image or the node rather than from the document.
fn is_engines_own(error: &str) -> bool {
    const OWN: [&str; 6] = [
        "No module named",
        "cannot import",
        "Permission denied",
        "Read-only file system",
        "No space left",
        "database",
    ];
    OWN.iter().any(|text| error.contains(text))
}

/// The last lines of a command's error output, fit for one message.
fn tail(stderr: &str) -> String {
    let text = clean(stderr);
    let mut lines: Vec<&str> = text.lines().rev().take(TAIL_LINES).collect();
    lines.reverse();
    let text = lines.join("\n");
    let mut start = text.len().saturating_sub(TAIL_LIMIT);
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

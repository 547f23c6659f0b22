//! What StreamFlow's log says beyond the plugin's events.

/// A line longer than this is not looked at beyond it.
const LINE_LIMIT: usize = 2048;
/// Lines of an error's message that are kept.
const ERROR_LINES: usize = 8;

/// How far the engine got, and its first error.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct EngineLog {
    /// The workflow was read and its execution began.
    pub executing: bool,
    /// The command of some step began.
    pub step_began: bool,
    /// The first error came before the command of any step.
    pub error_before_steps: bool,
    /// The deployment that is being set up, until it stands.
    pub deploying: Option<String>,
    /// The first error's message, up to a few lines.
    error: Vec<String>,
    /// The last line that names a Python exception with a message, within the first error.
    exception: Option<String>,
    /// The last lines that are none of the engine's own, for an engine that dies without an error.
    last: Option<String>,
    part: Part,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Part {
    /// Outside of the first error.
    #[default]
    Other,
    /// In its message.
    Message,
    /// In the traceback behind it.
    Traceback,
}

impl EngineLog {
    /// Takes the log's next line.
    pub fn take(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line.get(..LINE_LIMIT).unwrap_or(line));
        let line = line.trim_end();
        match split(line) {
            Some((level, text)) => self.take_entry(level, text),
            None => self.take_continuation(line),
        }
    }

    fn take_entry(&mut self, level: &str, text: &str) {
        self.part = Part::Other;
        if text.starts_with("EXECUTING workflow") {
            self.executing = true;
        } else if text.starts_with("EXECUTING step") {
            self.step_began = true;
        } else if let Some(name) = text.strip_prefix("DEPLOYING ") {
            self.deploying = Some(name.to_owned());
        } else if text.starts_with("COMPLETED deployment of ") {
            self.deploying = None;
        }
        let generic = text == "FAILED Workflow execution";
        if matches!(level, "ERROR" | "CRITICAL") && !self.has_error() && !generic {
            self.error_before_steps = !self.step_began;
            self.part = Part::Message;
            self.add(text);
        }
    }

    fn take_continuation(&mut self, line: &str) {
        if line.starts_with("Traceback (most recent call last)") {
            if self.part == Part::Message {
                self.part = Part::Traceback;
            }
            return;
        }
        match self.part {
            Part::Message if self.error.len() < ERROR_LINES => self.add(line),
            Part::Message => {}
            Part::Traceback => {
                if let Some(text) = exception(line) {
                    self.exception.get_or_insert_with(|| text.to_owned());
                }
            }
            Part::Other => {
                if let Some(text) = exception(line) {
                    self.last = Some(text.to_owned());
                } else if !line.starts_with(' ') && !line.trim().is_empty() {
                    self.last = Some(line.to_owned());
                }
            }
        }
    }

    fn add(&mut self, line: &str) {
        if !line.trim().is_empty() {
            self.error.push(line.trim().to_owned());
        }
    }

    fn has_error(&self) -> bool {
        !self.error.is_empty() || self.exception.is_some()
    }

    /// The engine's first error: its message, else the exception behind it.
    pub fn error(&self) -> Option<String> {
        if self.error.is_empty() {
            self.exception.clone()
        } else {
            Some(self.error.join("\n"))
        }
    }

    /// The same, else the last line of its log that says something.
    pub fn last_words(&self) -> Option<String> {
        self.error().or_else(|| self.last.clone())
    }
}

/// Level and text of an entry: `2026-01-31 12:00:00.123 ERROR    text`.
fn split(line: &str) -> Option<(&str, &str)> {
    let mut fields = line.splitn(3, ' ');
    let (date, time, rest) = (fields.next()?, fields.next()?, fields.next()?);
    let digits = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || b"-:.,".contains(&byte))
    };
    if date.len() != 10 || time.len() < 8 || !digits(date) || !digits(time) {
        return None;
    }
    let (level, text) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((level, text.trim_start()))
}

/// The message of a line such as `package.module.SomeError: message`.
fn exception(line: &str) -> Option<&str> {
    let (class, message) = line.split_once(": ")?;
    let name = class.rsplit('.').next()?;
    let named = ["Error", "Exception", "Interrupt"]
        .iter()
        .any(|end| name.ends_with(end));
    let plain = class
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte));
    (named && plain && !message.trim().is_empty()).then_some(message.trim())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn read(log: &str) -> EngineLog {
        let mut facts = EngineLog::default();
        for line in log.split_inclusive('\n') {
            facts.take(line.as_bytes());
        }
        facts
    }

    #[rstest]
    #[case::multi_line(
        "2026-11-23 19:13:10.388 INFO     EXECUTING workflow dvre\n\
         2026-11-23 19:13:10.424 INFO     EXECUTING step /a (job /a/0) locally into directory /x:\n\
         cat \\\n\t'/x/y'\n\
         2026-11-23 19:13:10.482 ERROR    No suitable token processors in d:\n\
         Tried CWLCommandOutputProcessor, but received error Expected d token\n\
         Traceback (most recent call last):\n  File \"x.py\", line 1, in f\n\
         streamflow.core.exception.ProcessorTypeError: No suitable\n\
         2026-11-23 19:13:10.501 ERROR    FAILED Workflow execution\n",
        "No suitable token processors in d:\nTried CWLCommandOutputProcessor, but received error Expected d token",
        true,
        true,
        false
    )]
    #[case::empty_message(
        "2026-11-23 19:13:12.985 ERROR    \nTraceback (most recent call last):\n  File \"x.py\"\n\
         schema_salad.exceptions.ValidationException: outputSource not found: main.cwl#a/zz\n\n\
         The above exception was the direct cause of the following exception:\n\n\
         Traceback (most recent call last):\nstreamflow.core.exception.WorkflowDefinitionException\n",
        "outputSource not found: main.cwl#a/zz",
        false,
        false,
        true
    )]
    #[case::before_steps(
        "2026-11-23 19:13:00.610 INFO     EXECUTING workflow dvre\n\
         2026-11-23 19:13:00.665 ERROR    Token code is not optional.\nTraceback (most recent call last):\n\
         2026-11-23 19:13:00.737 INFO     EXECUTING step /a (job /a/0) locally into directory /x:\n\
         2026-11-23 19:13:00.797 ERROR    Cannot operate on a closed database.\n",
        "Token code is not optional.",
        true,
        true,
        true
    )]
    fn first_error(
        #[case] log: &str,
        #[case] error: &str,
        #[case] executing: bool,
        #[case] step_began: bool,
        #[case] before: bool,
    ) {
        let facts = read(log);
        assert_eq!(facts.error().as_deref(), Some(error));
        assert_eq!(
            (facts.executing, facts.step_began, facts.error_before_steps),
            (executing, step_began, before)
        );
    }

    #[test]
    fn an_engine_that_dies_at_once_leaves_its_last_words() {
        let log = "Traceback (most recent call last):\n  File \"/usr/bin/streamflow\", line 3, in <module>\n\
                   ModuleNotFoundError: No module named 'streamflow'\n";
        assert_eq!(
            read(log).last_words().as_deref(),
            Some("No module named 'streamflow'")
        );
    }

    #[test]
    fn a_deployment_that_does_not_stand_is_known() {
        let facts = read("2026-11-23 19:11:33.254 INFO     DEPLOYING here\n");
        assert_eq!(facts.deploying.as_deref(), Some("here"));
        let facts = read(
            "2026-11-23 19:11:33.254 INFO     DEPLOYING here\n\
                          2026-11-23 19:11:33.260 INFO     COMPLETED deployment of here\n",
        );
        assert_eq!(facts.deploying, None);
    }
}

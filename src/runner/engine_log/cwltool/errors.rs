//! What cwltool's errors mean.

use crate::runner::record::{Reason, cut};

/// Lines of a message that are worth reading.
const LINES: usize = 8;

/// An error, and whom it concerns.
#[derive(Debug, PartialEq, Eq)]
pub enum Finding {
    /// A job, by cwltool's name, though its command did not fail.
    Job(String, String),
    /// The next job that is said to have failed: its command could not be run.
    Command(i32),
    /// The same, for any other reason.
    NextJob(String),
    /// The next step that is said to have failed.
    NextStep(String),
    /// A step, by cwltool's name, that cannot be made.
    Step(String, Reason, String),
    /// The step that was begun last.
    LastStep(Reason, String),
    /// A job that had not begun. cwltool may well hang now: the thread that looks after the others
    /// waits for them while it holds the lock that they need to end.
    Thread(Reason, String),
    /// The whole run.
    Run(Reason, String),
}

/// Reads the text of an error, of one line or several; `last` is what was written before it.
pub fn read(text: &str, last: Option<&str>) -> Option<Finding> {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    if let Some((name, what)) = named(first, "[job ") {
        return what
            .starts_with("Job error")
            .then(|| Finding::Job(name.to_owned(), output_message(rest)));
    }
    if let Some((name, what)) = named(first, "[step ") {
        // Anything else of a step follows from an error that was told before.
        let why = what.strip_prefix("Cannot make job: ")?;
        let (reason, message) = explain(Reason::StepFailed, &format!("{why}\n{rest}"), last);
        return Some(Finding::Step(name.to_owned(), reason, message));
    }
    if let Some((_, what)) = named(first, "[workflow ") {
        let why = what.strip_prefix("Cannot collect workflow output: ")?;
        let why = why.split(", got [").next().unwrap_or(why);
        let message = format!("the outputs of the workflow cannot be collected: {why}");
        return Some(Finding::Run(Reason::OutputsFailed, message));
    }
    if let Some(why) = text.strip_prefix("Cannot make scatter job: ") {
        let (reason, message) = explain(Reason::StepFailed, why, last);
        return Some(Finding::LastStep(reason, message));
    }
    if let Some(why) = text.strip_prefix("Got workflow error: ") {
        let (reason, message) = explain(Reason::StepFailed, why, last);
        return Some(Finding::Thread(reason, message));
    }
    if first == "Failed to evaluate expression:" {
        return Some(Finding::NextStep(explain(Reason::StepFailed, rest, last).1));
    }
    if let Some(finding) = no_command(first) {
        return Some(finding);
    }
    of_run(first, rest, last)
}

fn of_run(first: &str, rest: &str, last: Option<&str>) -> Option<Finding> {
    const KINDS: [(&str, Reason); 7] = [
        ("Tool definition failed", Reason::InvalidWorkflow),
        (
            "I'm sorry, I couldn't load this CWL",
            Reason::InvalidWorkflow,
        ),
        ("Input object failed validation", Reason::InvalidInputs),
        (
            "Workflow or tool uses unsupported",
            Reason::UnsupportedRequirement,
        ),
        ("Workflow error", Reason::StepFailed),
        ("Unhandled error", Reason::InternalError),
        (
            "Workflow cannot make any more progress",
            Reason::InternalError,
        ),
    ];
    let cannot_be_run =
        first.starts_with("Job \"") && first.contains(" cannot be run, requests more resources");
    if cannot_be_run {
        let asked = first.split(" (already ").next().unwrap_or(first);
        return Some(Finding::Run(
            Reason::UnsupportedRequirement,
            asked.to_owned(),
        ));
    }
    let (_, reason) = KINDS.iter().find(|(start, _)| first.starts_with(start))?;
    let text = if rest.is_empty() { first } else { rest };
    let (reason, message) = explain(*reason, text, last);
    Some(Finding::Run(reason, message))
}

/// `[job x] text` as the name and the text.
pub fn named<'t>(text: &'t str, start: &str) -> Option<(&'t str, &'t str)> {
    text.strip_prefix(start)?.split_once("] ")
}

/// The command could not be started.
fn no_command(text: &str) -> Option<Finding> {
    if let Some(text) = text.strip_prefix("Exception while running job: ") {
        return Some(if text.starts_with("[Errno 13]") {
            Finding::Command(126)
        } else {
            Finding::NextJob(text.to_owned())
        });
    }
    let (command, why) = text.strip_prefix('\'')?.split_once("' not found: ")?;
    // Another file that is missing gives the same error, with its own name at the end.
    Some(if why.ends_with(&format!("'{command}'")) {
        Finding::Command(127)
    } else {
        Finding::NextJob(why.to_owned())
    })
}

/// Class and words of what went wrong, when the place of the error alone gives it `reason`.
fn explain(reason: Reason, text: &str, last: Option<&str>) -> (Reason, String) {
    let text = text.trim();
    if let Some((_, what)) = text.split_once("Command '[") {
        return cannot_pull(what, last);
    }
    if let Some((_, what)) = text
        .split_once(" is required to run this tool: ")
        .or_else(|| text.split_once("--user-space-docker-cmd.: "))
    {
        return (Reason::DeploymentFailed, tidy(what));
    }
    if let Some((_, what)) = text.split_once("Requested at least ") {
        let what = what.lines().next().unwrap_or_default();
        let message = format!("it asks for at least {what}");
        return (
            Reason::UnsupportedRequirement,
            message.replace(".0 available", " available"),
        );
    }
    if let Some(text) = text.strip_prefix("Invalid job input record:") {
        return (Reason::InvalidInputs, tidy(text));
    }
    if text.contains("Expression evaluation error:") {
        return (reason, expression(text));
    }
    (reason, tidy(text))
}

/// `'docker', 'pull', 'IMAGE']' returned non-zero exit status 1.`, after which the program's own last
/// words explain more.
fn cannot_pull(command: &str, last: Option<&str>) -> (Reason, String) {
    let command = command.split("]'").next().unwrap_or_default();
    let image = command.rsplit("', '").next().unwrap_or_default();
    let image = image.trim_end_matches('\'').trim_start_matches("docker://");
    let why = last.unwrap_or("no reason given");
    let why = ["Error response from daemon: ", "FATAL:   "]
        .iter()
        .find_map(|start| why.strip_prefix(start))
        .unwrap_or(why);
    if why.starts_with("Cannot connect to the Docker daemon") {
        return (Reason::DeploymentFailed, why.to_owned());
    }
    let reason = if command.contains("'pull'") {
        Reason::ImagePullFailed
    } else {
        Reason::DeploymentFailed
    };
    (reason, format!("image {image} cannot be pulled: {why}"))
}

/// `Error collecting output for parameter 'part': main.cwl:5:46: Did not find …`.
fn output_message(text: &str) -> String {
    let Some((name, why)) = text
        .trim()
        .strip_prefix("Error collecting output for parameter '")
        .and_then(|text| text.split_once("':"))
    else {
        return tidy(text);
    };
    format!("no output {name}: {}", tidy(located(why.trim()).1))
}

/// What an expression threw: before and after it stands the whole script, with all inputs.
fn expression(text: &str) -> String {
    let (place, _) = located(text.trim());
    let thrown = text
        .lines()
        .map(|line| located(line.trim()).1)
        .fold(None, |found, line| {
            let named = line.split_once(": ").is_some_and(|(class, _)| {
                class.ends_with("Error") && class.bytes().all(|byte| byte.is_ascii_alphanumeric())
            });
            let quoted = line
                .strip_prefix("stderr was: '")
                .filter(|text| !text.starts_with("evalmachine"));
            quoted.or(named.then_some(line)).or(found)
        });
    let thrown = thrown.map_or("it gives no value", |text| text.trim_end_matches('\''));
    let place = place
        .map(|place| format!(" at {place}"))
        .unwrap_or_default();
    format!("an expression{place} failed: {thrown}")
}

/// `main.cwl:4:10: text` as the place and the text.
fn located(line: &str) -> (Option<&str>, &str) {
    let split = || {
        let (place, text) = line.split_once(": ")?;
        let mut numbers = place.rsplitn(3, ':');
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let right = digits(numbers.next()?) && digits(numbers.next()?) && numbers.next().is_some();
        right.then_some((place, text.trim_start()))
    };
    match split() {
        Some((place, text)) => (Some(place.strip_prefix("workflow/").unwrap_or(place)), text),
        None => (None, line),
    }
}

/// The first lines, without the columns that cwltool makes of them. A place is told once.
fn tidy(text: &str) -> String {
    let mut before = None;
    let mut lines = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (place, text) = located(line);
        match place.filter(|place| Some(*place) != before) {
            Some(place) => lines.push(format!("{place}: {text}")),
            None => lines.push(text.to_owned()),
        }
        before = place.or(before);
    }
    lines.truncate(LINES);
    cut(&relative(&lines.join("\n")), 1024).to_owned()
}

/// Without the folder of the workflow files, as cwltool sees it from its own.
fn relative(text: &str) -> String {
    let mut parts = text.split("workflow/");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let of_path = text.ends_with(|end: char| end == '/' || end.is_alphanumeric());
        text + if of_path { "workflow/" } else { "" } + part
    })
}

//! What StreamFlow would say of a file before it runs it.

use std::fmt::Write as _;
use std::sync::OnceLock;

use serde::de::IgnoredAny;

use super::evaluate::{self, Error};
use super::problem::{MESSAGE_BYTES, Problem, Step, cut, place};
use super::python;
use super::read::{Document, Ordered};
use super::rules::Rules;

/// The only version that StreamFlow knows.
const VERSION: &str = "v1.0";
/// Longest value that is quoted whole in a message, in bytes.
const QUOTE_BYTES: usize = 320;
/// Longest message of one error, in bytes.
const WORDS_BYTES: usize = 480;

/// StreamFlow's own schema, as `streamflow schema v1.0` prints it. It is made ready at first use:
/// most operators never need it.
#[derive(Debug)]
pub struct Schema {
    text: Box<str>,
    rules: OnceLock<Result<Rules, String>>,
}

/// One thing that StreamFlow finds wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wrong {
    /// Where in the file, such as `deployments.local.config`.
    pub place: String,
    /// StreamFlow's message, but for the values of passwords and the like.
    pub message: String,
    /// Where the message only says that no alternative fits: what is wrong with the closest one.
    pub hint: Option<String>,
}

impl Schema {
    /// Takes the schema's JSON.
    ///
    /// # Errors
    /// It is not JSON.
    pub fn new(json: impl Into<Box<str>>) -> Result<Self, Problem> {
        let text = json.into();
        match serde_json::from_str::<IgnoredAny>(&text) {
            Ok(_) => Ok(Self {
                text,
                rules: OnceLock::new(),
            }),
            Err(error) => Err(unusable(&error.to_string())),
        }
    }

    /// Refuses what StreamFlow refuses, with its messages in its order.
    ///
    /// Where a deployment or a filter lacks its `type`, StreamFlow takes it for one of every type;
    /// what it says of the rest of it is left out.
    ///
    /// # Errors
    /// The first messages, as many as fit into 900 bytes.
    pub fn check(&self, document: &Document) -> Result<(), Problem> {
        let mut wrong = self.wrong(document)?;
        let untyped: Vec<String> = wrong
            .iter()
            .filter(|wrong| wrong.message == "'type' is a required property")
            .map(|wrong| wrong.place.clone())
            .collect();
        wrong.retain(|wrong| {
            !untyped.iter().any(|place| {
                let rest = wrong.place.strip_prefix(place.as_str());
                rest.is_some_and(|rest| rest.starts_with('.'))
            })
        });
        let Some((first, more)) = wrong.split_first() else {
            return Ok(());
        };
        let mut message = first.words();
        for (n, wrong) in more.iter().enumerate() {
            let next = format!("; {}: {}", wrong.place, wrong.words());
            if message.len() + next.len() > MESSAGE_BYTES - 16 {
                // Writing to a String cannot fail.
                let _ = write!(message, "; {} more", more.len() - n);
                break;
            }
            message.push_str(&next);
        }
        Err(Problem::new(&first.place, &message))
    }

    /// Everything that StreamFlow finds wrong, in its order.
    ///
    /// # Errors
    /// The schema cannot be used.
    pub fn wrong(&self, document: &Document) -> Result<Vec<Wrong>, Problem> {
        let rules = self.rules()?;
        let instance = document.value();
        if let Some(message) = version(document) {
            return Ok(vec![Wrong {
                place: place(&[]),
                message,
                hint: None,
            }]);
        }
        let errors = evaluate::errors(rules, rules.root(), instance);
        if errors.is_empty() {
            return Ok(Vec::new());
        }
        let ordered = document.ordered();
        let mut wrong: Vec<_> = errors
            .iter()
            .map(|error| {
                let message = message(error, &ordered);
                (sort_key(error, &message), told(error, message, &ordered))
            })
            .collect();
        wrong.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(wrong.into_iter().map(|(_, wrong)| wrong).collect())
    }

    /// What the schema demands that the operator cannot check: keywords, patterns and references.
    /// There is nothing in the schema of StreamFlow 0.2.0rc3; of what a later one has, the run's own
    /// StreamFlow tells.
    ///
    /// # Errors
    /// The schema cannot be used.
    pub fn unknown(&self) -> Result<Vec<String>, Problem> {
        Ok(self.rules()?.unknown().map(ToOwned::to_owned).collect())
    }

    fn rules(&self) -> Result<&Rules, Problem> {
        let rules = self.rules.get_or_init(|| Rules::new(&self.text));
        rules.as_ref().map_err(|error| unusable(error))
    }
}

impl Wrong {
    /// The message, short, and the hint.
    fn words(&self) -> String {
        let message = cut(&self.message, WORDS_BYTES);
        match &self.hint {
            Some(hint) => format!("{message} (the closest: {})", cut(hint, WORDS_BYTES)),
            None => message,
        }
    }
}

fn unusable(error: &str) -> Problem {
    Problem::whole(&format!(
        "cannot be checked, because the operator's copy of StreamFlow's schema is not readable: {error}"
    ))
}

/// What StreamFlow says of the version before it looks at anything else.
fn version(document: &Document) -> Option<String> {
    let Some(version) = document.value().get("version") else {
        return Some("The `version` clause is mandatory and should be equal to `v1.0`.".to_owned());
    };
    if version.as_str() == Some(VERSION) {
        return None;
    }
    let version = python::plain(&document.ordered().at(&[Step::Key("version")], version));
    Some(format!(
        "Version {} is unsupported. The `version` clause should be equal to `v1.0`.",
        cut(&version, QUOTE_BYTES)
    ))
}

fn message(error: &Error<'_>, ordered: &Ordered) -> String {
    if !error.quotes {
        return error.words.clone();
    }
    let key = error.path.iter().rev().find_map(|step| match step {
        Step::Key(key) => Some(*key),
        Step::Index(_) => None,
    });
    let value = python::repr(&ordered.at(&error.path, error.instance), key);
    format!("{}{}", cut(&value, QUOTE_BYTES), error.words)
}

/// StreamFlow sorts errors by their whole text: the message, then where in the schema, then where in
/// the file.
fn sort_key(error: &Error<'_>, message: &str) -> (String, String) {
    let schema = format!(
        "{message}\n\nFailed validating {} in schema{}:",
        python::quoted(error.keyword),
        index(&error.schema_path)
    );
    (schema, index(&error.path))
}

fn index(path: &[Step<'_>]) -> String {
    path.iter()
        .map(|step| match step {
            Step::Key(key) => format!("[{}]", python::quoted(key)),
            Step::Index(index) => format!("[{index}]"),
        })
        .collect()
}

fn told(error: &Error<'_>, message: String, ordered: &Ordered) -> Wrong {
    let hint = closest(error).map(|inner| {
        let words = self::message(inner, ordered);
        if inner.path.len() == error.path.len() {
            words
        } else {
            format!("{}: {words}", place(&inner.path))
        }
    });
    Wrong {
        place: place(&error.path),
        message,
        hint,
    }
}

/// The error that most likely tells what is wrong, where none of several alternatives fits: that of
/// an alternative of the value's type, and of several the one with the fewest errors.
fn closest<'e, 'a>(error: &'e Error<'a>) -> Option<&'e Error<'a>> {
    let of_type = |wrong: &&Vec<Error<'a>>| {
        let depth = error.path.len();
        !wrong
            .iter()
            .any(|inner| inner.keyword == "type" && inner.path.len() == depth)
    };
    let alternative = error
        .context
        .iter()
        .filter(of_type)
        .min_by_key(|wrong| wrong.len())?;
    // Of these, one that says something by itself.
    let inner = alternative
        .iter()
        .min_by_key(|inner| (!inner.context.is_empty(), inner.path.len()))?;
    closest(inner).or(Some(inner))
}

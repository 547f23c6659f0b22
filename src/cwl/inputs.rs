//! Whether an input object fits a process.

use super::names::is_extension;
use super::problem::{Kind, Problem, list, show};
use super::process::Process;
use super::types::Type;
use super::value::{Checker, Mismatch};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::fmt::Write as _;

/// Most problems told at once.
const TOLD: usize = 5;
/// Most pairs of names that are compared for misspellings.
const PAIRS: usize = 20_000;

/// Whether all inputs are known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// All: a required input that is not there is missing.
    All,
    /// Some come later, from a Secret for instance: nothing counts as missing or misspelt.
    Partial,
}

/// A declared input of the process that is to be run.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) of: Type,
    /// Its default and the place of that.
    pub(super) default: Option<(Value, String)>,
    /// Whether it has any default, also one that is not kept.
    pub(super) has_default: bool,
}

impl Process {
    /// Checks that an input object fits this process: everything required is there, and everything
    /// is of its type.
    ///
    /// An input that the process does not declare is refused when it looks like a misspelt one that
    /// is not given; the conformance tests contain others, which engines ignore, and so they pass.
    /// Names with a prefix, such as `cwl:requirements`, belong to the engine and pass too.
    /// A string is never taken for a File. Integers count as float and double; int is 32 and long
    /// is 64 bits wide.
    ///
    /// # Errors
    /// [`Kind::InvalidInputs`] with up to five problems in one message, the place being that of
    /// the first, such as `inputs.samples[3].location`. No value is ever quoted.
    /// [`Kind::UnsupportedRequirement`] when `cwl:requirements` holds an unknown class, and
    /// [`Kind::InvalidWorkflow`] when a default that would be used is not of its own type.
    pub fn check_inputs(&self, inputs: &Map<String, Value>, known: Known) -> Result<(), Problem> {
        super::requirements::check_added_requirements(inputs, true)?;
        let mut checker = Checker::new(&self.types);
        let mut wrong = Vec::new();
        // Whether it is certain that no value comes later.
        let complete = |input: &Input| known == Known::All || inputs.contains_key(&input.name);
        for input in &self.inputs {
            let given = inputs.get(&input.name).filter(|value| !value.is_null());
            let place = format!("inputs.{}", show(&input.name));
            match (given, &input.default) {
                (Some(value), _) => wrong.extend(checker.check(value, &input.of, &place).err()),
                (None, Some((default, place))) if complete(input) => {
                    if let Err(Mismatch { place, message }) =
                        checker.check(default, &input.of, place)
                    {
                        return Err(Problem::workflow(&place, &format!("default: {message}")));
                    }
                }
                (None, _) if input.has_default || input.of.is_optional() => {}
                (None, _) => {
                    if complete(input) {
                        let of = input.of.describe(&self.types);
                        let message = format!("required input is missing ({of})");
                        wrong.push(Mismatch { place, message });
                    }
                }
            }
        }
        if known == Known::All {
            wrong.extend(self.misspelt(inputs));
        }
        together(wrong).map_or(Ok(()), Err)
    }

    /// The inputs that the process does not declare, in order of name. Engines ignore them, and so
    /// does [`Process::check_inputs`] unless one looks misspelt; a caller may want to warn.
    #[must_use]
    pub fn undeclared<'i>(&self, inputs: &'i Map<String, Value>) -> Vec<&'i str> {
        let declared: HashSet<&str> = self
            .inputs
            .iter()
            .map(|input| input.name.as_str())
            .collect();
        inputs
            .keys()
            .map(String::as_str)
            .filter(|name| !is_extension(name) && !declared.contains(name))
            .collect()
    }

    /// Undeclared inputs that are nearly the name of a declared one that is not given.
    fn misspelt(&self, inputs: &Map<String, Value>) -> Vec<Mismatch> {
        let undeclared = self.undeclared(inputs);
        let absent: Vec<&str> = self
            .inputs
            .iter()
            .map(|input| input.name.as_str())
            .filter(|name| !inputs.contains_key(*name))
            .collect();
        if undeclared.len().saturating_mul(absent.len()) > PAIRS {
            return Vec::new();
        }
        undeclared
            .into_iter()
            .filter_map(|name| {
                let meant = absent.iter().find(|declared| looks_like(name, declared))?;
                let names = list(self.inputs.iter().map(|input| &input.name));
                Some(Mismatch {
                    place: format!("inputs.{}", show(name)),
                    message: format!(
                        "the process has no such input, did you mean `{}`? It has {names}",
                        show(meant)
                    ),
                })
            })
            .collect()
    }
}

/// Whether one name is probably a misspelling of the other: the same but for case and separators,
/// or a letter or two away. Names that differ in a digit, such as `file1` and `file2`, are meant.
fn looks_like(given: &str, declared: &str) -> bool {
    const LONGEST: usize = 64;
    let digits = |name: &str| {
        name.chars()
            .filter(char::is_ascii_digit)
            .collect::<String>()
    };
    if given.len() > LONGEST || declared.len() > LONGEST || digits(given) != digits(declared) {
        return false;
    }
    let letters = |name: &str| -> Vec<char> {
        name.chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect()
    };
    let (given, declared) = (letters(given), letters(declared));
    let allowed = match given.len().min(declared.len()) {
        0..=3 => 0,
        4..=6 => 1,
        _ => 2,
    };
    distance(&given, &declared) <= allowed
}

/// How many letters must be added, dropped or changed to make one name the other.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (n, a) in one.iter().enumerate() {
        let mut left = n + 1;
        let mut diagonal = n;
        let mut next = vec![left];
        for (b, above) in other.iter().zip(row.iter().skip(1)) {
            let changed = diagonal + usize::from(a != b);
            left = changed.min(left + 1).min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

/// One problem that tells of the first few.
fn together(wrong: Vec<Mismatch>) -> Option<Problem> {
    let more = wrong.len().saturating_sub(TOLD);
    let mut wrong = wrong.into_iter();
    let first = wrong.next()?;
    let mut message = first.message;
    for Mismatch {
        place,
        message: other,
    } in wrong.take(TOLD - 1)
    {
        // Writing to a String cannot fail.
        let _ = write!(message, "; {place}: {other}");
    }
    if more > 0 {
        let _ = write!(message, "; and {more} more");
    }
    Some(Problem::new(Kind::InvalidInputs, &first.place, &message))
}

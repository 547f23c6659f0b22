//! How the end of a case is compared with that of a clean run: all that is not bound to differ is the
//! same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::recorder::Seen;
use crate::request::{masked, pod};

/// What a scenario has come to.
#[derive(Clone, Debug, Default)]
pub struct End {
    /// Values of all statuses by their path, masked.
    pub status: BTreeMap<String, String>,
    /// Objects that are there, masked: `jobs/hello-1`.
    pub children: BTreeSet<String>,
}

impl End {
    /// Takes over the status of a resource.
    pub fn add(&mut self, name: &str, status: &Value) {
        flatten(name, status, &mut self.status);
    }

    /// Paths at which two clean runs differ.
    pub fn noise(&self, other: &Self) -> BTreeSet<String> {
        let paths = self.status.keys().chain(other.status.keys());
        let noisy = paths.filter(|path| self.status.get(*path) != other.status.get(*path));
        noisy.cloned().collect()
    }

    /// What differs from the state of a clean run, noise left out.
    pub fn differences(&self, clean: &Self, noise: &BTreeSet<String>) -> Vec<String> {
        let mut found = Vec::new();
        for path in self.noise(clean).difference(noise) {
            let value = |end: &Self| {
                end.status
                    .get(path)
                    .cloned()
                    .unwrap_or("nothing".to_owned())
            };
            found.push(format!(
                "{path}: {} instead of {}",
                value(self),
                value(clean)
            ));
        }
        for extra in self.children.difference(&clean.children) {
            found.push(format!("{extra} is there"));
        }
        for missing in clean.children.difference(&self.children) {
            found.push(format!("{missing} is missing"));
        }
        found
    }
}

/// What must never be: a Job that was created twice, or whose pod was, or an end that did not last.
pub fn broken(seen: &Seen) -> Vec<String> {
    let mut found = Vec::new();
    for ((_, name), uids) in &seen.jobs {
        if uids.len() > 1 {
            found.push(format!("Job {name} was created {} times", uids.len()));
        }
    }
    for (job, uids) in &seen.pods {
        if uids.len() > 1 {
            found.push(format!("Job {job} had {} pods", uids.len()));
        }
    }
    found
}

fn flatten(path: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                flatten(&format!("{path}.{key}"), value, into);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                flatten(&format!("{path}[{index}]"), value, into);
            }
        }
        Value::String(text) => {
            into.insert(path.to_owned(), plain(text));
        }
        other => {
            into.insert(path.to_owned(), other.to_string());
        }
    }
}

/// A text without what differs from run to run: times, durations, generated names, and how far a run was.
pub fn plain(text: &str) -> String {
    static TIME: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z").unwrap());
    static DURATION: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\d+(?:\.\d+)? (?:ms|s|min)\b").unwrap());
    static UID: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap()
    });
    static DONE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"; \d+/\d+ jobs of its steps were done").unwrap());
    let text = DONE.replace_all(text, "");
    let text = UID.replace_all(&text, "UID");
    let text = TIME.replace_all(&text, "TIME");
    let text = DURATION.replace_all(&text, "DURATION");
    masked(&pod(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_and_generated_names_do_not_count() {
        let mut a = End::default();
        let mut b = End::default();
        a.add("run", &json!({"startTime": "2026-01-01T00:00:00Z", "message": "1 step completed in 1.2 s, in pod hello-1-abcde"}));
        b.add("run", &json!({"startTime": "2026-02-01T00:00:00Z", "message": "1 step completed in 850 ms, in pod hello-1-x7k2p"}));
        assert_eq!(a.differences(&b, &BTreeSet::new()), [""; 0]);
        b.add("run", &json!({"attempt": 2}));
        assert_eq!(
            a.differences(&b, &BTreeSet::new()),
            ["run.attempt: nothing instead of 2"]
        );
    }
}

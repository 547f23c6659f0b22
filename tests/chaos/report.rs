//! Results as JSON files below the target folder, from which `hack/chaos` makes the table in the docs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::faults::Fault;

/// Cases of one sort.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Count {
    pub cases: usize,
    pub passed: usize,
    /// Cases whose request never came.
    pub missed: usize,
    /// Cases that are the same as one of another scenario, and were played with that.
    pub alike: usize,
}

/// What the matrix came to.
#[derive(Debug, Default, Serialize)]
pub struct MatrixReport {
    /// Requests of a clean run of each scenario.
    pub requests: BTreeMap<String, usize>,
    pub scenarios: BTreeMap<String, Count>,
    pub faults: BTreeMap<String, Count>,
    pub seconds: u64,
    /// What went wrong, a line each.
    pub failures: Vec<String>,
}

impl MatrixReport {
    /// Adds the cases of a fault in a scenario.
    pub fn add(&mut self, scenario: &str, fault: Fault, count: Count) {
        let scenarios = self.scenarios.entry(scenario.to_owned()).or_default();
        let faults = self.faults.entry(fault.to_string()).or_default();
        for sum in [scenarios, faults] {
            sum.cases += count.cases;
            sum.passed += count.passed;
            sum.missed += count.missed;
            sum.alike += count.alike;
        }
    }

    /// Prints the counts.
    pub fn print(&self) {
        let head = [
            "requests",
            "cases",
            "passed",
            "not reached",
            "as in another",
        ];
        eprintln!(
            "{:24}{}",
            "",
            head.map(|title| format!("{title:>14}")).concat()
        );
        for (name, count) in &self.scenarios {
            let requests = self.requests.get(name).copied().unwrap_or_default();
            eprintln!("{name:24}{requests:14}{}", count.columns());
        }
        for (fault, count) in &self.faults {
            eprintln!("{fault:38}{}", count.columns());
        }
        eprintln!("{} s", self.seconds);
    }
}

impl Count {
    fn columns(&self) -> String {
        let Self {
            cases,
            passed,
            missed,
            alike,
        } = self;
        [cases, passed, missed, alike]
            .map(|number| format!("{number:14}"))
            .concat()
    }
}

/// What any other test came to.
#[derive(Debug, Default, Serialize)]
pub struct TestReport {
    /// What was done.
    pub what: String,
    /// How many runs there were.
    pub runs: usize,
    pub seconds: u64,
    /// What went wrong, a line each.
    pub failures: Vec<String>,
}

impl TestReport {
    /// Prints and keeps it.
    pub fn conclude(&self, name: &str) {
        let Self {
            what,
            runs,
            seconds,
            failures,
        } = self;
        eprintln!(
            "{what}: {runs} runs in {seconds} s, {} failures",
            failures.len()
        );
        write(name, self);
        assert!(failures.is_empty(), "{failures:#?}");
    }
}

/// Writes a result for `hack/chaos`.
pub fn write(name: &str, result: &impl Serialize) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("chaos");
    std::fs::create_dir_all(&folder).expect("the target folder must be writable");
    let text = serde_json::to_string_pretty(result).expect("results are JSON");
    let file = folder.join(format!("{name}.json"));
    std::fs::write(file, text).expect("the target folder must be writable");
}

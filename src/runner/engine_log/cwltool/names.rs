//! The paths of steps behind cwltool's names of workflows and steps.

use std::collections::{HashMap, HashSet};

/// More workflows than this get no name, so that a flood of lines cannot use up memory.
const MOST_WORKFLOWS: usize = 200_000;

/// The names that were given so far.
#[derive(Debug, Default)]
pub struct Names {
    /// The paths of steps that are workflows.
    inner: HashSet<String>,
    /// Those of all steps.
    known: HashSet<String>,
    /// The path of each workflow, by its name.
    workflows: HashMap<String, String>,
    /// How many names were made from the same one.
    numbers: HashMap<String, u32>,
}

impl Names {
    /// For steps with these paths, which run something.
    pub fn new(leaves: &[String]) -> Self {
        let above = |leaf: &String| -> Vec<String> {
            let ends = leaf.match_indices('/').filter(|(end, _)| *end > 0);
            ends.filter_map(|(end, _)| leaf.get(..end).map(str::to_owned))
                .collect()
        };
        let inner: HashSet<String> = leaves.iter().flat_map(above).collect();
        Self {
            known: inner.iter().chain(leaves).cloned().collect(),
            inner,
            ..Self::default()
        }
    }

    /// Whether the step is a workflow.
    pub fn is_workflow(&self, path: &str) -> bool {
        self.inner.contains(path)
    }

    /// The path of a step of a workflow. The outermost workflow is the first to have one.
    pub fn path(&mut self, workflow: &str, step: &str) -> String {
        if self.workflows.is_empty() {
            self.workflows.insert(workflow.to_owned(), String::new());
        }
        let above = self.workflows.get(workflow).map_or("", String::as_str);
        let whole = format!("{above}/{step}");
        let short = match step.rsplit_once('_') {
            Some((short, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => short,
            _ => step,
        };
        let short = format!("{above}/{short}");
        if !self.known.contains(&whole) && self.known.contains(&short) {
            short
        } else {
            whole
        }
    }

    /// A workflow begins that is the step with this path: it gets the next free name.
    pub fn enter(&mut self, path: String) {
        if self.workflows.len() >= MOST_WORKFLOWS {
            return;
        }
        let short = path.rsplit('/').next().unwrap_or_default();
        let number = self.numbers.entry(short.to_owned()).or_insert(0);
        let name = loop {
            *number += 1;
            let name = match *number {
                1 => short.to_owned(),
                number => format!("{short}_{number}"),
            };
            if !self.workflows.contains_key(&name) {
                break name;
            }
        };
        self.workflows.insert(name, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_no_part_of_a_path() {
        let leaves = ["/p/x", "/p/x_2", "/main/y"].map(str::to_owned);
        let mut names = Names::new(&leaves);
        assert_eq!(names.path("main", "p"), "/p");
        assert!(names.is_workflow("/p") && !names.is_workflow("/p/x"));
        names.enter("/p".to_owned());
        names.enter("/p".to_owned());
        assert_eq!(names.path("p", "x"), "/p/x");
        assert_eq!(names.path("p", "x_2"), "/p/x_2");
        assert_eq!(names.path("p_2", "x_3"), "/p/x");
        // The outermost has the name already.
        names.enter("/main".to_owned());
        assert_eq!(names.path("main_2", "y"), "/main/y");
    }
}

//! The ways a run can go. Each drives its resources to an end in the words of a user, and knows nothing
//! of faults.

use futures::future::BoxFuture;

use crate::case::{Case, Outcome};
use crate::ways;

/// One way.
pub struct Scenario {
    pub name: &'static str,
    /// Arguments of the operator, in the place of those it is installed with.
    pub arguments: &'static [&'static str],
    /// What depends on when the operator, or the cluster, did something: beginnings of differences that do
    /// not count.
    pub free: &'static [&'static str],
    pub drive: for<'a> fn(&'a Case) -> BoxFuture<'a, Outcome>,
}

impl Scenario {
    /// Leaves those differences that count.
    pub fn retain_bound(&self, differences: &mut Vec<String>) {
        let free = |line: &String| self.free.iter().any(|path| line.starts_with(path));
        differences.retain(|line| !free(line));
    }
}

/// Those that are over in moments: the fast part of the tests.
pub const FAST: &[Scenario] = &[
    Scenario {
        name: "success",
        arguments: &[],
        free: &[],
        drive: |case| Box::pin(ways::success(case)),
    },
    Scenario {
        name: "rejected spec",
        arguments: &[],
        free: &[],
        drive: |case| Box::pin(ways::rejected(case)),
    },
    Scenario {
        name: "quota refusal",
        arguments: &[],
        free: &[],
        drive: |case| Box::pin(ways::quota_refusal(case)),
    },
    Scenario {
        name: "cancel before start",
        arguments: &[],
        free: &[],
        drive: |case| Box::pin(ways::cancel_before_start(case)),
    },
];

/// How far a run has come when it is stopped, and whether its pod is still being removed.
const STEPS: &[&str] = &["run.steps", "run.progress", "pods/"];

/// The others.
pub const SLOW: &[Scenario] = &[
    Scenario {
        name: "followed run",
        arguments: &[],
        free: &[],
        drive: |case| Box::pin(ways::followed(case)),
    },
    Scenario {
        name: "quota lifted",
        arguments: &[],
        free: &[],
        drive: |case| Box::pin(ways::quota_lifted(case)),
    },
    Scenario {
        name: "tool failure",
        arguments: &[],
        free: &[],
        drive: |case| Box::pin(ways::tool_failure(case)),
    },
    Scenario {
        name: "delete while running",
        arguments: &[],
        free: &[],
        drive: |case| Box::pin(ways::delete_while_running(case)),
    },
    Scenario {
        name: "applied twice",
        arguments: &[],
        free: &[],
        drive: |case| Box::pin(ways::applied_twice(case)),
    },
    Scenario {
        name: "step pods",
        arguments: &[],
        free: &[],
        drive: |case| Box::pin(ways::step_pods(case)),
    },
    Scenario {
        name: "clean-up at the end",
        arguments: &["--clean-up-seconds=5"],
        // Its pod ends by itself about when its time is over.
        free: &["pods/run-clean"],
        drive: |case| Box::pin(ways::clean_up_at_the_end(case)),
    },
    Scenario {
        name: "clean-up at the deletion",
        arguments: &["--clean-up-seconds=5"],
        free: &[],
        drive: |case| Box::pin(ways::clean_up_at_the_deletion(case)),
    },
    Scenario {
        name: "cancel",
        arguments: &[],
        free: STEPS,
        drive: |case| Box::pin(ways::cancel(case)),
    },
    Scenario {
        name: "suspended at first",
        arguments: &[],
        free: &[],
        drive: |case| Box::pin(ways::suspended_at_first(case)),
    },
    Scenario {
        name: "suspend and resume",
        arguments: &[],
        free: STEPS,
        drive: |case| Box::pin(ways::suspend_and_resume(case)),
    },
    Scenario {
        name: "deadline",
        arguments: &[],
        free: STEPS,
        drive: |case| Box::pin(ways::deadline(case)),
    },
    Scenario {
        name: "start deadline",
        arguments: &[],
        free: STEPS,
        drive: |case| Box::pin(ways::start_deadline(case)),
    },
    Scenario {
        name: "retry of a failure",
        arguments: &["--retry-backoff-seconds=1"],
        free: &[],
        drive: |case| Box::pin(ways::retry_of_a_failure(case)),
    },
    Scenario {
        name: "retry of a lost runner",
        arguments: &["--retry-backoff-seconds=1"],
        free: &[
            "run.attempts[0].reason",
            "run.attempts[0].message",
            "run.steps",
            "run.progress",
            "pods/",
        ],
        drive: |case| Box::pin(ways::retry_of_a_lost_runner(case)),
    },
    Scenario {
        name: "TTL",
        arguments: &[],
        free: &[],
        drive: |case| Box::pin(ways::ttl(case)),
    },
];

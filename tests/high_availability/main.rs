//! Two real operators and one Lease, and what happens when the one that works goes away. The times are
//! printed.
//!
//! Each test has a namespace and a Lease of its own. The installed operator may run or not: what the
//! operators under test do is told by the Lease, by themselves, and by their requests, never by what
//! became of a run.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod api;
#[path = "../e2e/namespace.rs"]
#[allow(dead_code, reason = "shared with the end-to-end tests")]
mod namespace;
mod operator;
#[path = "../e2e/sandbox.rs"]
#[allow(dead_code, reason = "shared with the end-to-end tests")]
mod sandbox;
mod stopping;
mod takeover;
#[path = "../e2e/verdict.rs"]
#[allow(dead_code, reason = "shared with the end-to-end tests")]
mod verdict;

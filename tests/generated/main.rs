//! Generated resources: whatever a schema admits, and much that it does not, comes to an end that its
//! reader understands, and stops nobody else.
//!
//! `PROPTEST_CASES` says how many are made of each sort, `DVRE_SEED` which ones the test with a cluster
//! makes.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod cluster;
mod cwl;
#[path = "../e2e/namespace.rs"]
#[allow(dead_code, reason = "shared with the end-to-end tests")]
mod namespace;
#[path = "../high_availability/operator.rs"]
#[allow(dead_code, reason = "shared with the tests of high availability")]
mod operator;
mod pure;
#[path = "../e2e/sandbox.rs"]
#[allow(dead_code, reason = "shared with the end-to-end tests")]
mod sandbox;
mod schema;
mod seen;
mod spoiled;
#[path = "../e2e/verdict.rs"]
#[allow(dead_code, reason = "shared with the end-to-end tests")]
mod verdict;
mod words;

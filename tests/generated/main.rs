//! Generated resources: whatever a schema admits, and much that it does not, comes to an end that its
//! reader understands, and stops nobody else.
//!
//! `PROPTEST_CASES` says how many are made of each sort. What is found is kept in
//! `proptest-regressions/`, and tried first from then on.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod cwl;
mod pure;
mod schema;
mod seen;
mod spoiled;
mod words;

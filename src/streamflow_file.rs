//! A user's own `streamflow.yml`: read, and checked as StreamFlow would check it.
//!
//! [`Document::read`] turns text into values within bounds, and [`Schema::check`] refuses what
//! StreamFlow's schema refuses, with StreamFlow's words.
//!
//! Everything here is pure: no file, no network, no clock. See
//! `docs/adr/0008-streamflow-file.md` for why the schema is not evaluated by an existing crate.

mod evaluate;
mod evaluated;
mod problem;
mod python;
mod read;
mod rules;
mod schema;

pub use problem::Problem;
pub use read::{Document, TEXT_BYTES};
pub use schema::{Schema, Wrong};

#[cfg(test)]
mod tests;

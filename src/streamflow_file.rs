//! A user's own `streamflow.yml`: read, checked as StreamFlow would check it, and overlaid with what
//! the operator must own.
//!
//! [`Document::read`] turns text into values within bounds, [`Schema::check`] refuses what
//! StreamFlow's schema refuses, with StreamFlow's words, and [`overlay()`] keeps the user's
//! deployments, bindings, policies and managers, sets the rest, and tells what the run will need.
//!
//! Everything here is pure: no file, no network, no clock. See
//! `docs/adr/0008-streamflow-file.md` for why the schema is not evaluated by an existing crate.

mod bindings;
mod deployments;
mod evaluate;
mod evaluated;
mod overlay;
mod problem;
mod python;
mod read;
mod rules;
mod schema;
mod write;

pub use bindings::{Container, Target};
pub use deployments::{InUse, Kind};
pub use overlay::{Overlaid, Own, overlay};
pub use problem::Problem;
pub use read::{Document, TEXT_BYTES};
pub use schema::{Schema, Wrong};

#[cfg(test)]
mod tests;

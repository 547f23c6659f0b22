//! The real `dvre-runner` with real processes as its engine.

// Clippy knows tests by their attribute, and not what they call.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "runner/cwltool.rs"]
mod cwltool;
#[path = "runner/ends.rs"]
mod ends;
#[path = "runner/fallback.rs"]
mod fallback;
#[path = "runner/fetch.rs"]
mod fetch;
#[path = "runner/leftovers.rs"]
mod leftovers;
#[path = "runner/logs.rs"]
mod logs;
#[path = "runner/provenance.rs"]
mod provenance;
#[path = "runner/signals.rs"]
mod signals;
#[path = "runner/streamflow.rs"]
mod streamflow;
#[path = "runner/world.rs"]
mod world;

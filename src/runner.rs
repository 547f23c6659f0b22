//! The library half of `dvre-runner`, the first process of a run's container: it stages the
//! inputs, starts the workflow engine, and says how the run ended.

pub mod record;
pub mod run_file;

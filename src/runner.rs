//! The library half of `dvre-runner`, the first process of a run's container: it stages the
//! inputs, starts the workflow engine, and says how the run ended.

use std::panic;
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs, io};

mod cgroup;
mod children;
mod classify;
mod cpus;
mod engine;
mod engine_log;
mod event;
mod failure;
mod keeper;
mod layout;
mod log;
mod memory;
mod outputs;
mod pace;
mod provenance;
pub mod record;
mod redact;
pub mod run_file;
mod stage;
mod supervise;
mod tally;
#[cfg(test)]
pub(crate) mod testing;

use failure::Failure;
use layout::Layout;
use log::Log;
use record::{Outcome, Phase};
use supervise::Supervisor;

/// The whole of `dvre-runner`: one run, its records, and the exit code.
///
/// `--root DIR` puts every path below a folder, for tests.
#[must_use]
pub fn main() -> ExitCode {
    let started = tally::now();
    let layout = Layout::new(root(env::args_os().skip(1)));
    let log = Log::new(Box::new(io::stdout()));
    // Where it happened, but not the message, which might quote an input.
    panic::set_hook(Box::new(|info| {
        if let Some(place) = info.location() {
            eprintln!("dvre-runner itself failed at {place}");
        }
    }));
    let (work, report) = (layout.clone(), log.clone());
    let outcome = panic::catch_unwind(move || match Supervisor::new(work, report, started) {
        Ok(supervisor) => supervisor.run(),
        Err(failure) => failed(failure, started),
    })
    .unwrap_or_else(|_| {
        failed(
            Failure::internal("dvre-runner itself failed; its log says where"),
            started,
        )
    });
    log.record(&outcome.to_final_line());
    if let Err(error) = fs::write(layout.termination_log(), outcome.to_termination()) {
        // The operator then finds the outcome in the log.
        eprintln!("cannot write the termination message: {error}");
    }
    match outcome.phase {
        Phase::Succeeded => ExitCode::SUCCESS,
        Phase::Cancelled => ExitCode::from(143),
        Phase::Failed | Phase::Unknown => ExitCode::FAILURE,
    }
}

fn root(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> PathBuf {
    match arguments.next() {
        Some(flag) if flag == "--root" => arguments.next().unwrap_or_default().into(),
        _ => "/".into(),
    }
}

fn failed(failure: Failure, started: jiff::Timestamp) -> Outcome {
    Outcome {
        version: 1,
        reason: failure.reason,
        message: failure.message,
        start_time: Some(started),
        completion_time: Some(tally::now()),
        ..Outcome::default()
    }
}

//! The operator: parses the command line and dispatches.

use std::process::ExitCode;

use clap::Parser;
use dvre_operator::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

//! `dvre-runner`: the first process of a run's container.

use std::process::ExitCode;

fn main() -> ExitCode {
    dvre_operator::runner::main()
}

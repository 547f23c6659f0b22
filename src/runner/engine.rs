//! The workflow engine: which one, and how to start it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::failure::Failure;
use super::layout::Layout;
use super::record::{EngineName, Reason};
use super::run_file::EngineChoice;

/// The image's way to start StreamFlow with our plugin.
const STREAMFLOW: &str = "/usr/local/bin/dvre-streamflow";

/// An engine that can be started.
#[derive(Debug)]
pub struct Engine {
    /// Which one.
    pub name: EngineName,
    program: PathBuf,
    arguments: Vec<PathBuf>,
}

impl Engine {
    /// The engine for what the resource asks.
    pub fn choose(choice: EngineChoice, layout: &Layout) -> Result<Self, Failure> {
        match choice {
            EngineChoice::Cwltool => Err(Failure::new(
                Reason::DeploymentFailed,
                "this runner image cannot run workflows with cwltool; use engine StreamFlow",
            )),
            EngineChoice::Auto | EngineChoice::StreamFlow => {
                let program = layout.at(STREAMFLOW);
                if !program.exists() {
                    let why = "this runner image has no StreamFlow; see spec.runner.image";
                    return Err(Failure::new(Reason::DeploymentFailed, why));
                }
                let (name, outputs) = (EngineName::Streamflow, layout.outputs());
                let arguments = [
                    "run".into(),
                    "--name".into(),
                    "dvre".into(),
                    "--outdir".into(),
                ];
                let arguments = arguments
                    .into_iter()
                    .chain([outputs, layout.streamflow_file()]);
                Ok(Self {
                    name,
                    program,
                    arguments: arguments.collect(),
                })
            }
        }
    }

    /// The command that runs the workflow.
    pub fn command(&self, layout: &Layout) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .current_dir(layout.work())
            .env("DVRE_EVENTS", layout.events_socket())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

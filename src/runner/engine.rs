//! The workflow engines: which one runs, how it is started, and how it is told to stop.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::children::Process;
use super::cpus;
use super::engine_log::{CwltoolLog, EngineLog, StreamFlowLog};
use super::failure::Failure;
use super::layout::Layout;
use super::record::{EngineName, Reason};
use super::run_file::{Containers, EngineChoice, RunFile};

/// The image's way to start StreamFlow with our plugin.
const STREAMFLOW: &str = "/usr/local/bin/dvre-streamflow";
const CWLTOOL: &str = "/usr/local/bin/cwltool";
/// cwltool often waits for itself when it is told to stop: then there is nothing to wait for.
const CWLTOOL_PATIENCE: Duration = Duration::from_secs(2);

/// An engine that can be started.
#[derive(Debug)]
pub struct Engine {
    /// Which one.
    pub name: EngineName,
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Engine {
    /// The engine to begin with, and why that is not StreamFlow when it should have been.
    pub fn choose(run: &RunFile, layout: &Layout) -> Result<(Self, Option<String>), Failure> {
        if run.engine == EngineChoice::Cwltool {
            let refused = |why| Failure::new(Reason::DeploymentFailed, why);
            if let Some(why) = &run.cwltool.refused {
                return Err(refused(format!("cwltool cannot do this run: {why}")));
            }
            return Ok((Self::cwltool(run, layout).map_err(refused)?, None));
        }
        match Self::streamflow(layout) {
            Ok(engine) => Ok((engine, None)),
            Err(why) => Ok((Self::instead(run, layout, &why)?, Some(why))),
        }
    }

    /// The engine that takes over when StreamFlow is not available.
    pub fn instead(run: &RunFile, layout: &Layout, why: &str) -> Result<Self, Failure> {
        let failed = |end: &str| {
            let message = format!("StreamFlow is not available: {why}{end}");
            Failure::new(Reason::DeploymentFailed, message)
        };
        if run.engine != EngineChoice::Auto {
            return Err(failed(""));
        }
        let none = |refused: &str| failed(&format!("; there is no fallback: {refused}"));
        match &run.cwltool.refused {
            Some(refused) => Err(none(refused)),
            None => Self::cwltool(run, layout).map_err(|refused| none(&refused)),
        }
    }

    fn streamflow(layout: &Layout) -> Result<Self, String> {
        let program = program(layout, STREAMFLOW, "StreamFlow")?;
        let mut arguments: Vec<OsString> = ["run", "--name", "dvre", "--outdir"]
            .map(OsString::from)
            .into();
        arguments.extend([layout.outputs().into(), layout.streamflow_file().into()]);
        Ok(Self {
            name: EngineName::Streamflow,
            program,
            arguments,
        })
    }

    fn cwltool(run: &RunFile, layout: &Layout) -> Result<Self, String> {
        let program = program(layout, CWLTOOL, "cwltool")?;
        let mut arguments: Vec<OsString> = [
            "--parallel",
            "--timestamps",
            "--disable-color",
            "--enable-ext",
            // Names with spaces and the like, which StreamFlow takes as well.
            "--relax-path-checks",
        ]
        .map(OsString::from)
        .into();
        let mut add = |options: &[&str]| arguments.extend(options.iter().map(OsString::from));
        match run.cwltool.containers {
            Containers::None => {
                add(&["--no-container"]);
                // It would count the processors of the node.
                if let Some(cpus) = cpus::limit(layout) {
                    add(&["--parallel-max", &cpus.to_string()]);
                }
            }
            Containers::Docker => {}
            Containers::Singularity => add(&["--singularity"]),
        }
        if let Some(image) = &run.cwltool.image
            && run.cwltool.containers != Containers::None
        {
            add(&["--default-container", image]);
        }
        // Below the folder that a Docker daemon beside this container shares with it.
        let below = |name: &str| layout.scratch().join(name).join("").into_os_string();
        let (file, id) = match run.entrypoint.split_once('#') {
            Some((file, id)) => (file, Some(id)),
            None => (run.entrypoint.as_str(), None),
        };
        let mut process = layout.workflow().join(file).into_os_string();
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            process.push("#");
            process.push(id);
        }
        arguments.extend([
            "--outdir".into(),
            layout.outputs().into(),
            "--tmpdir-prefix".into(),
            below("tmp"),
            "--tmp-outdir-prefix".into(),
            below("out"),
            process,
            layout.inputs_object().into(),
        ]);
        Ok(Self {
            name: EngineName::Cwltool,
            program,
            arguments,
        })
    }

    /// The command that runs the workflow.
    pub fn command(&self, layout: &Layout) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .current_dir(layout.work())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if self.sends_events() {
            command.env("DVRE_EVENTS", layout.events_socket());
        }
        command
    }

    /// Whether it tells of a run by events. cwltool's tools must not do so in its place.
    pub fn sends_events(&self) -> bool {
        self.name == EngineName::Streamflow
    }

    /// What reads its log.
    pub fn log(&self, run: &RunFile, steps: &[String]) -> Box<dyn EngineLog> {
        match self.name {
            EngineName::Cwltool => Box::new(CwltoolLog::new(steps, run.cwltool.containers)),
            EngineName::Streamflow | EngineName::Unknown => Box::<StreamFlowLog>::default(),
        }
    }

    /// Tells it to stop.
    ///
    /// StreamFlow then cleans up, for which it needs what it started. cwltool does so only for Docker,
    /// and leaves everything else as it is.
    pub fn interrupt(&self, process: &Process) {
        match self.name {
            EngineName::Cwltool => process.terminate_group(),
            EngineName::Streamflow | EngineName::Unknown => process.interrupt(),
        }
    }

    /// How long to wait until it is killed after that, with `grace` for all that is to be done.
    pub fn patience(&self, grace: Duration) -> Duration {
        match self.name {
            EngineName::Cwltool => grace.min(CWLTOOL_PATIENCE),
            EngineName::Streamflow | EngineName::Unknown => grace,
        }
    }
}

fn program(layout: &Layout, path: &str, name: &str) -> Result<PathBuf, String> {
    let program = layout.at(path);
    if program.exists() {
        Ok(program)
    } else {
        Err(format!("this runner image has no {name}"))
    }
}

#[cfg(test)]
mod tests;

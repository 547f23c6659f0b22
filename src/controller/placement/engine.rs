//! Which engine may run the workflow: cwltool knows neither several places nor queues.

use super::invalid;
use crate::api::{DvreWorkflowSpec, Engine};
use crate::controller::pod::Trouble;
use crate::render::placement::{Daemon, Kind, Placement};
use crate::runner::run_file::{Containers, Cwltool, EngineChoice};

/// The engine that a spec asks for.
pub fn choice(engine: Engine) -> EngineChoice {
    match engine {
        Engine::Auto => EngineChoice::Auto,
        Engine::StreamFlow => EngineChoice::StreamFlow,
        Engine::Cwltool => EngineChoice::Cwltool,
    }
}

/// How cwltool could do the work, or why it could not.
pub fn cwltool(spec: &DvreWorkflowSpec, placement: &Placement) -> Cwltool {
    let refuse = |why: String| Cwltool {
        refused: Some(why),
        ..Cwltool::default()
    };
    if placement.custom.is_some() {
        return refuse("a streamflow.yml means nothing to cwltool".to_owned());
    }
    let mut places = placement
        .targets
        .iter()
        .filter(|target| target.name != super::EXPRESSIONS);
    let (first, second) = (places.next(), places.next());
    if second.is_some() && !matches!(first.map(|target| &target.kind), Some(Kind::Pods(_))) {
        return refuse(
            "cwltool runs all steps in one place, and spec.bindings name several".to_owned(),
        );
    }
    match first.map(|target| &target.kind) {
        None | Some(Kind::Local) => Cwltool::default(),
        Some(Kind::Docker(docker)) => match &docker.daemon {
            Daemon::Sidecar => Cwltool {
                containers: Containers::Docker,
                image: Some(docker.image.clone()),
                refused: None,
            },
            Daemon::External { host, .. } => refuse(format!(
                "cwltool needs a Docker daemon that shares files with the runner, and {host} does not"
            )),
        },
        Some(Kind::Singularity(singularity)) => match singularity.image.strip_prefix("docker://") {
            Some(image) => Cwltool {
                containers: Containers::Singularity,
                image: Some(image.to_owned()),
                refused: None,
            },
            None => refuse(format!(
                "cwltool takes images from registries only, and not {}",
                singularity.image
            )),
        },
        Some(Kind::Pods(_) | Kind::Ssh(_) | Kind::Slurm(_)) => refuse(format!(
            "cwltool cannot run steps on deployment {}: it knows local, docker and singularity",
            spec.deployment
        )),
    }
}

/// Checks that the engine that was asked for outright can do the work.
pub fn check(spec: &DvreWorkflowSpec, cwltool: &Cwltool) -> Result<(), Trouble> {
    match &cwltool.refused {
        Some(why) if spec.engine == Engine::Cwltool => {
            Err(invalid(format!("spec.engine is Cwltool, but {why}")))
        }
        _ => Ok(()),
    }
}

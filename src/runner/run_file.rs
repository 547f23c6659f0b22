//! What the operator asks of a runner: the `run.json` beside the workflow in the run's ConfigMap.

use serde::{Deserialize, Serialize};

/// Where the run's ConfigMap is mounted.
pub const RUN_FOLDER: &str = "/dvre/run";
/// The name of the [`RunFile`] in the run's ConfigMap.
pub const RUN_FILE: &str = "run.json";
/// The folder of the workflow's files in the run's ConfigMap.
pub const WORKFLOW_FOLDER: &str = "workflow";
/// Where ConfigMap and Secret volumes of the resource are mounted, one folder each.
pub const VOLUMES_FOLDER: &str = "/dvre/volumes";
/// Where workflows see the volumes of the resource, one folder each.
pub const DATA_FOLDER: &str = "/data";
/// The writable folder in which the run happens.
pub const WORK_FOLDER: &str = "/work";

/// The folder of step pods' manifests in the run's ConfigMap. The runner copies them to a folder of the
/// same name in [`WORK_FOLDER`], and puts [`JOB_NAME`], [`JOB_UID`] and [`NAMESPACE`] in their place.
pub const PODS_FOLDER: &str = "pods";
/// In a manifest, and the variable of the runner's container with its value: the name of its Job.
pub const JOB_NAME: &str = "DVRE_JOB_NAME";
/// The same for the uid of its Job.
pub const JOB_UID: &str = "DVRE_JOB_UID";
/// The same for its namespace.
pub const NAMESPACE: &str = "DVRE_NAMESPACE";
/// The folder of Slurm job templates in the run's ConfigMap.
pub const TEMPLATES_FOLDER: &str = "templates";
/// Where Secrets for ssh are mounted, one numbered folder each, with [`SSH_KEY`] and [`KNOWN_HOSTS`].
pub const SSH_FOLDER: &str = "/dvre/ssh";
/// The private key in a Secret for ssh.
pub const SSH_KEY: &str = "ssh-privatekey";
/// The keys of hosts in a Secret for ssh. StreamFlow looks for those of all hosts in
/// `$HOME/.ssh/known_hosts`, so the runner collects them there.
pub const KNOWN_HOSTS: &str = "known_hosts";

/// The variable of the runner's container with the number of the attempt, from 1.
pub const ATTEMPT: &str = "DVRE_ATTEMPT";

/// The engine that the resource asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EngineChoice {
    /// StreamFlow when the image has it, else cwltool where that can do the work.
    #[default]
    Auto,
    /// StreamFlow only.
    StreamFlow,
    /// cwltool only.
    Cwltool,
}

/// A run, as the operator describes it to the runner.
///
/// Unknown fields are ignored, so that an older runner image reads what a newer operator writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunFile {
    /// Namespace of the resource.
    pub namespace: String,
    /// Name of the resource.
    pub name: String,
    /// The engine that the resource asks for. Default `Auto`.
    #[serde(default)]
    pub engine: EngineChoice,
    /// Name of the deployment where steps run unless a binding says otherwise.
    pub deployment: String,
    /// The process to run: a path relative to the workflow folder, then an optional `#id`.
    pub entrypoint: String,
    /// Input objects (YAML or JSON), merged in order: a later one wins for each input.
    #[serde(default)]
    pub inputs: Vec<String>,
    /// Whether some input object comes from a Secret: then no input value may stand in a message.
    #[serde(default)]
    pub secret_inputs: bool,
    /// Volumes to copy from [`VOLUMES_FOLDER`] to [`DATA_FOLDER`] before the start.
    #[serde(default)]
    pub copy_volumes: Vec<String>,
    /// The folder where output files go; absent when they live only as long as the pod.
    #[serde(default)]
    pub outputs: Option<String>,
    /// The most bytes that one `https://` input may have. Default 10 GiB.
    #[serde(default = "RunFile::default_fetch_limit")]
    pub fetch_limit_bytes: u64,
    /// Text output files up to this size carry `contents`. Default 1 KiB.
    #[serde(default = "RunFile::default_contents_limit")]
    pub contents_limit_bytes: u64,
    /// Seconds from SIGTERM, which the engine gets as SIGINT, until everything is killed. Default 20.
    #[serde(default = "RunFile::default_grace")]
    pub grace_seconds: u64,
    /// How cwltool could do the work instead of StreamFlow.
    #[serde(default)]
    pub cwltool: Cwltool,
    /// How many folders there are in [`SSH_FOLDER`]: 0, 1 and so on.
    #[serde(default)]
    pub ssh_hosts: usize,
    /// What the run may leave outside of its pod.
    #[serde(default)]
    pub leftovers: Vec<Leftover>,
    /// What the run's provenance says beyond what the runner finds out; absent without a folder for
    /// outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

/// What the operator knows of a run's origin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// The resource: its apiVersion, kind, metadata and spec, without `spec.cwl` and `spec.inputs`,
    /// which stand in the ConfigMap as files.
    pub resource: serde_json::Value,
    /// Image of the runner, as its container asks for it.
    #[serde(default)]
    pub image: String,
}

impl Provenance {
    /// The uid of the resource.
    #[must_use]
    pub fn uid(&self) -> String {
        let uid = self.resource.pointer("/metadata/uid");
        uid.and_then(serde_json::Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }
}

/// How cwltool could do the work of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cwltool {
    /// Why it cannot, for people; then the rest means nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Where it runs tools.
    #[serde(default)]
    pub containers: Containers,
    /// Image of tools that name none; without it they run in the runner's own container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// Where cwltool runs tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Containers {
    /// In the runner's own container.
    #[default]
    None,
    /// In containers of the Docker daemon that the environment names.
    Docker,
    /// In apptainer containers.
    Singularity,
}

/// What a run may leave outside of its pod when it is killed, and how to find it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Leftover {
    /// Name of the deployment, for messages.
    pub deployment: String,
    /// Name of its Slurm jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slurm_job: Option<String>,
    /// The host to log in to; absent for the runner's own container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<Login>,
    /// A folder of this run alone on that host, and of the processes in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// A label, `NAME=VALUE`, of its containers on the Docker daemon that the environment names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_label: Option<String>,
}

/// How to log in to a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub user: String,
    /// File with the private key.
    pub key: String,
    /// File with the host's keys, which are always checked.
    pub known_hosts: String,
}

impl RunFile {
    /// 10 GiB.
    #[must_use]
    pub const fn default_fetch_limit() -> u64 {
        10 << 30
    }

    /// 1 KiB.
    #[must_use]
    pub const fn default_contents_limit() -> u64 {
        1 << 10
    }

    /// 20 seconds.
    #[must_use]
    pub const fn default_grace() -> u64 {
        20
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_minimal_file_and_ignores_unknown_fields() {
        let text = r#"{"namespace":"default","name":"hello","deployment":"local",
                       "entrypoint":"main.cwl#main","inputs":["/dvre/run/inputs.json"],"later":true}"#;
        let run: RunFile = serde_json::from_str(text).unwrap();
        assert_eq!(run.engine, EngineChoice::Auto);
        assert_eq!(run.fetch_limit_bytes, 10_737_418_240);
        assert_eq!(run.contents_limit_bytes, 1024);
        assert_eq!(run.grace_seconds, 20);
        assert_eq!(run.outputs, None);
        assert!(!run.secret_inputs);
    }

    #[test]
    fn writes_camel_case() {
        let run = RunFile {
            namespace: "default".into(),
            name: "hello".into(),
            engine: EngineChoice::StreamFlow,
            deployment: "local".into(),
            entrypoint: "main.cwl".into(),
            inputs: vec![],
            secret_inputs: true,
            copy_volumes: vec!["refs".into()],
            outputs: Some("/outputs".into()),
            fetch_limit_bytes: 1,
            contents_limit_bytes: 2,
            grace_seconds: 3,
            cwltool: Cwltool {
                containers: Containers::Docker,
                image: Some("python:3.9-slim".into()),
                refused: None,
            },
            ssh_hosts: 1,
            leftovers: vec![Leftover {
                deployment: "hpc".into(),
                slurm_job: Some("dvre-0a1b2c3d".into()),
                ..Leftover::default()
            }],
            provenance: Some(Provenance::default()),
        };
        let text = serde_json::to_string(&run).unwrap();
        assert!(
            text.contains(r#""secretInputs":true,"copyVolumes":["refs"]"#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<RunFile>(&text).unwrap(), run);
    }
}

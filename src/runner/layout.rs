//! Where things are in the run's container.

use std::path::{Path, PathBuf};

use super::run_file::{PODS_FOLDER, RUN_FILE, RUN_FOLDER, WORK_FOLDER, WORKFLOW_FOLDER};

/// The folders and files of a run, below a root that is `/` but in tests.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// A layout below `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The place of an absolute path below the root.
    #[must_use]
    pub fn at(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let path = absolute.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The operator's request.
    #[must_use]
    pub fn run_file(&self) -> PathBuf {
        self.at(RUN_FOLDER).join(RUN_FILE)
    }

    /// The workflow's files as mounted, behind links.
    #[must_use]
    pub fn workflow_source(&self) -> PathBuf {
        self.at(RUN_FOLDER).join(WORKFLOW_FOLDER)
    }

    /// The manifests of step pods as mounted.
    #[must_use]
    pub fn pods_source(&self) -> PathBuf {
        self.at(RUN_FOLDER).join(PODS_FOLDER)
    }

    /// The manifests of step pods as the engine reads them.
    #[must_use]
    pub fn pods(&self) -> PathBuf {
        self.work().join(PODS_FOLDER)
    }

    /// The writable folder.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.at(WORK_FOLDER)
    }

    /// The workflow's files as the engine reads them.
    #[must_use]
    pub fn workflow(&self) -> PathBuf {
        self.work().join(WORKFLOW_FOLDER)
    }

    /// The merged and resolved input object.
    #[must_use]
    pub fn inputs_object(&self) -> PathBuf {
        self.work().join("inputs.json")
    }

    /// Input files that the runner fetched.
    #[must_use]
    pub fn fetched(&self) -> PathBuf {
        self.work().join("inputs")
    }

    /// The engine's configuration.
    #[must_use]
    pub fn streamflow_file(&self) -> PathBuf {
        self.work().join("streamflow.yml")
    }

    /// Where the engine and the tools keep what is of no use later.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        self.work().join("scratch")
    }

    /// Where the engine leaves the outputs.
    #[must_use]
    pub fn outputs(&self) -> PathBuf {
        self.work().join("outputs")
    }

    /// The socket that takes the plugin's events.
    #[must_use]
    pub fn events_socket(&self) -> PathBuf {
        self.work().join("events.sock")
    }

    /// What removes the leftovers of a run, and asks what became of its Slurm jobs.
    #[must_use]
    pub fn leftovers(&self) -> PathBuf {
        self.at("/usr/local/bin/dvre-leftovers")
    }

    /// Where Kubernetes reads the final record.
    #[must_use]
    pub fn termination_log(&self) -> PathBuf {
        self.at("/dev/termination-log")
    }
}

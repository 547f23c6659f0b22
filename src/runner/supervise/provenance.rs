//! Leaving the provenance of a run beside its outputs.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::process::Command;
use std::time::Duration;

use super::Supervisor;
use crate::runner::keeper::Attempt;
use crate::runner::outputs::Store;
use crate::runner::provenance::{self, Facts, Image};
use crate::runner::record::{EngineName, Outcome};
use crate::runner::run_file::{Containers, RunFile};

/// How long the daemon may take to tell the digest of an image.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most images that it is asked for.
const MOST_IMAGES: usize = 32;

impl Supervisor {
    /// Writes the crate into the folder for outputs. The run stays what it is when that does not work, but the log
    /// says so.
    pub(super) fn provenance(&mut self, run: &RunFile, attempt: &Attempt, outcome: &Outcome) {
        let Some(origin) = &run.provenance else {
            return;
        };
        let images = self.images(run);
        let facts = Facts {
            layout: &self.layout,
            run,
            provenance: origin,
            attempt: attempt.number,
            records: attempt.folder(),
            outcome,
            tally: &self.tally,
            images,
            inputs: &self.inputs,
            redactor: &self.redactor,
            hurry: self.stops > 0,
        };
        let write = || {
            let mut store = Store::new(&attempt.outputs).map_err(|failure| failure.message)?;
            provenance::write(&facts, &mut store).map_err(|error| error.to_string())
        };
        let written = panic::catch_unwind(AssertUnwindSafe(write));
        match written.unwrap_or_else(|_| Err("dvre-runner itself failed".to_owned())) {
            Ok(path) => {
                let there = path == crate::runner::outputs::METADATA_FILE;
                if !there {
                    self.say(&format!(
                        "the folder for outputs is an RO-Crate of somebody else's, which stays; that of this \
                         run is described by {path}"
                    ));
                }
            }
            Err(why) => self.say(&format!(
                "the provenance of the run cannot be written: {why}"
            )),
        }
    }

    /// The image of each step that cwltool ran in a container of a Docker daemon. StreamFlow's plugin
    /// tells them by itself.
    fn images(&mut self, run: &RunFile) -> Vec<(String, Image)> {
        let docker = run.cwltool.containers == Containers::Docker;
        if self.engine != EngineName::Cwltool || !docker {
            return Vec::new();
        }
        let named: BTreeMap<String, String> = self.named_images.iter().cloned().collect();
        let of_step = |path: String| {
            let image = named.get(&path).or(run.cwltool.image.as_ref())?.clone();
            Some((path, image))
        };
        let steps = self
            .tally
            .steps()
            .into_iter()
            .filter(|step| step.start_time.is_some());
        let images: Vec<(String, String)> = steps.filter_map(|step| of_step(step.name)).collect();
        let mut digests = BTreeMap::new();
        if self.stops == 0 {
            for (_, image) in &images {
                if digests.len() < MOST_IMAGES && !digests.contains_key(image) {
                    digests.insert(image.clone(), self.digest(image));
                }
            }
        }
        let with_digest = |(step, image): (String, String)| {
            let digest = digests.get(&image).cloned().flatten();
            (
                step,
                Image {
                    reference: image,
                    digest,
                    sif: false,
                },
            )
        };
        images.into_iter().map(with_digest).collect()
    }

    fn digest(&mut self, image: &str) -> Option<String> {
        let mut command = Command::new("docker");
        command.args([
            "image",
            "inspect",
            "--format",
            "{{join .RepoDigests \" \"}}",
            "--",
            image,
        ]);
        let told = self.help(&mut command, PATIENCE, PATIENCE);
        let told = String::from_utf8(told).ok()?;
        told.split_whitespace().next().map(ToOwned::to_owned)
    }
}

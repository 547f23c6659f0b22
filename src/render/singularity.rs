//! Apptainer in the runner's container.

use super::parts::Parts;
use super::run::Run;

/// Adds what apptainer needs.
pub fn add(run: &Run, _parts: &mut Parts) {
    let Some(_singularity) = run.placement.singularity() else {
        return;
    };
}

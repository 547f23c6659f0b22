//! Pure: a status of at most [`MAX_STATUS_BYTES`], whatever a run has to tell.

use serde::Serialize;

use super::steps;
use crate::api::DvreWorkflowStatus;
use crate::api::conditions::Verdict;
use crate::api::status::{MAX_MESSAGE_BYTES, MAX_STATUS_BYTES};

/// What steps may take where outputs need the rest; a hundred ordinary ones do not take more.
const STEPS_SHARE: usize = 20 << 10;
/// Names, times and the like of all conditions, and the message of the one about what was cut.
const CONDITIONS: usize = 4 << 10;
/// How often the verdict's message stands in a status: in itself and in three conditions.
const REPEATED: usize = 4;

/// What was left out.
#[derive(Debug, Default, PartialEq)]
pub struct Cut {
    /// The outputs, all of them.
    pub outputs: bool,
    /// Some steps.
    pub steps: bool,
}

impl Cut {
    /// The same in words; None when nothing was.
    pub fn words(&self) -> Option<&'static str> {
        match (self.outputs, self.steps) {
            (true, true) => Some("the outputs and all steps"),
            (true, false) => Some("the outputs"),
            (false, true) => Some("all steps"),
            (false, false) => None,
        }
    }
}

/// Bytes that are left beside what a verdict adds to a status.
pub fn room(verdict: &Verdict) -> usize {
    let accepted = 2 * MAX_MESSAGE_BYTES;
    let added = REPEATED * json(&verdict.message) + accepted + CONDITIONS;
    MAX_STATUS_BYTES.saturating_sub(added)
}

/// Cuts a status to `room` bytes of JSON: outputs that do not fit beside the steps' share go as a
/// whole, and then the least notable steps.
pub fn fit(status: &mut DvreWorkflowStatus, room: usize) -> Cut {
    let mut cut = Cut::default();
    let mut size = json(status);
    if size <= room {
        return cut;
    }
    let steps = json(&status.steps);
    if status.outputs.is_some() && size - steps + steps.min(STEPS_SHARE) > room {
        status.outputs = None;
        cut.outputs = true;
        size = json(status);
    }
    if size > room {
        let others = size - steps;
        cut.steps = steps::cut(&mut status.steps, room.saturating_sub(others));
    }
    cut
}

/// Bytes of a value as JSON.
pub fn json<T: Serialize>(value: &T) -> usize {
    serde_json::to_string(value).map_or(0, |json| json.len())
}

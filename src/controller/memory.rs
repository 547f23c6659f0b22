//! What one process knows beyond its caches: what it wrote last. A cache may lag behind our own
//! writes, and a decision taken against it would be taken twice.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;

use crate::api::DvreWorkflowStatus;

/// What is remembered of one resource.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    /// The status that we wrote last.
    pub status: Option<DvreWorkflowStatus>,
    /// When that was.
    pub written: Option<Instant>,
    /// The last attempt whose Job we created.
    pub launched: Option<Launched>,
    /// When the run was first seen not to be suspended any more.
    pub resumed: Option<Timestamp>,
    /// Whether the resource holds our finalizer, where we changed that.
    pub finalizer: Option<bool>,
    /// Why the API server refused the Job that cleans up.
    pub clean_up_refused: Option<String>,
    /// Errors in a row.
    pub failures: u32,
}

/// An attempt whose Job was created.
#[derive(Clone, Debug)]
pub struct Launched {
    /// Its number.
    pub attempt: i32,
    /// Uid of its Job.
    pub job_uid: Option<String>,
}

/// What is remembered of all resources, by uid.
#[derive(Debug, Default)]
pub struct Memory(Mutex<HashMap<String, Remembered>>);

impl Memory {
    /// What is remembered of a resource, which is remembered from now on.
    #[must_use]
    pub fn recall(&self, uid: &str) -> Remembered {
        self.with(|map| map.entry(uid.to_owned()).or_default().clone())
    }

    /// Changes what is remembered of a resource, unless it was forgotten meanwhile.
    pub fn update(&self, uid: &str, change: impl FnOnce(&mut Remembered)) {
        self.with(|map| {
            if let Some(remembered) = map.get_mut(uid) {
                change(remembered);
            }
        });
    }

    /// Forgets a resource that is deleted, or whose run is over and out of sight.
    pub fn forget(&self, uid: &str) {
        self.with(|map| map.remove(uid));
    }

    /// Notes an error and says how many there were in a row.
    pub fn failed(&self, uid: &str) -> u32 {
        self.with(|map| {
            let Some(remembered) = map.get_mut(uid) else {
                return 1;
            };
            remembered.failures = remembered.failures.saturating_add(1);
            remembered.failures
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<String, Remembered>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

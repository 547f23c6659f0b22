//! What the operator asked, a line each.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::faults::{Fault, Planned};
use crate::request::{Occurrence, Request};

/// One request and what became of it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub at: Occurrence,
    /// Time since the journal began.
    pub time: Duration,
    /// What the operator got to see.
    pub outcome: String,
    /// Events of a watch, or lines of a log, that were passed on; bookmarks left out.
    pub events: usize,
}

/// How far the planned fault has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Its request has not come yet.
    Waiting,
    /// Under way.
    Begun,
    /// Over: from now on all goes well.
    Over,
}

/// All requests through one proxy, and where the planned fault strikes.
pub struct Journal {
    began: Instant,
    entries: Mutex<Vec<Entry>>,
    planned: Option<Planned>,
    progress: watch::Sender<Progress>,
    /// Number of requests so far.
    count: watch::Sender<usize>,
}

impl Journal {
    pub fn new(planned: Option<Planned>) -> Self {
        Self {
            began: Instant::now(),
            entries: Mutex::new(Vec::new()),
            planned,
            progress: watch::Sender::new(Progress::Waiting),
            count: watch::Sender::new(0),
        }
    }

    /// Notes a request and returns its number, and with which of its strikes the planned fault strikes it.
    pub fn note(&self, request: Request) -> (usize, Option<(Fault, usize)>) {
        let mut entries = self.lock();
        let same = entries.iter().filter(|entry| entry.at.request == request);
        let at = Occurrence {
            number: same.count() + 1,
            request,
        };
        let struck = self.planned.as_ref().and_then(|planned| {
            let strike = at.number.checked_sub(planned.at.number)?;
            let struck = planned.at.request == at.request && strike < planned.fault.strikes();
            struck.then_some((planned.fault, strike))
        });
        if struck.is_some() {
            self.progress.send_replace(Progress::Begun);
        }
        entries.push(Entry {
            at,
            time: self.began.elapsed(),
            outcome: "…".to_owned(),
            events: 0,
        });
        self.count.send_replace(entries.len());
        (entries.len() - 1, struck)
    }

    /// Notes what became of a request.
    pub fn outcome(&self, number: usize, outcome: impl Into<String>) {
        if let Some(entry) = self.lock().get_mut(number) {
            entry.outcome = outcome.into();
        }
    }

    /// Notes an event of a watch.
    pub fn event(&self, number: usize) {
        if let Some(entry) = self.lock().get_mut(number) {
            entry.events += 1;
        }
    }

    /// Notes that the fault is over.
    pub fn over(&self) {
        self.progress.send_replace(Progress::Over);
    }

    /// Whether the planned fault struck.
    pub fn struck(&self) -> bool {
        *self.progress.borrow() != Progress::Waiting
    }

    /// Returns once so long a time has passed without any request while no fault was under way.
    pub async fn settled(&self, pause: Duration) {
        let mut progress = self.progress.subscribe();
        loop {
            // The sender lives as long as this journal.
            let _ = progress.wait_for(|state| *state != Progress::Begun).await;
            self.quiet(pause).await;
            if *progress.borrow() != Progress::Begun {
                return;
            }
        }
    }

    async fn quiet(&self, pause: Duration) {
        let mut count = self.count.subscribe();
        while tokio::time::timeout(pause, count.changed()).await.is_ok() {}
    }

    /// Returns once the journal is as wanted, at the beginning of a request.
    pub async fn until(&self, condition: impl Fn(&[Entry]) -> bool) {
        let mut count = self.count.subscribe();
        while !condition(&self.lock()) {
            let _ = count.changed().await;
        }
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.lock().clone()
    }

    /// The journal as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (number, entry) in self.lock().iter().enumerate() {
            let seconds = entry.time.as_secs_f64();
            let events = if entry.at.request.is_stream() {
                format!(", {} events", entry.events)
            } else {
                String::new()
            };
            // Writing to a String never fails.
            let _ = writeln!(
                text,
                "{number:4} {seconds:7.3} {:60} {}{events}",
                entry.at.to_string(),
                entry.outcome
            );
        }
        text
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often each kind of request came.
pub fn tally(entries: &[Entry]) -> HashMap<Request, usize> {
    let mut counts = HashMap::new();
    for entry in entries {
        *counts.entry(entry.at.request.clone()).or_default() += 1;
    }
    counts
}

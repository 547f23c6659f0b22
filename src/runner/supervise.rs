//! One run from its start to its outcome.
//!
//! Whatever may block has a thread of its own and reports to one loop, so that a signal is always
//! heard.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Map, Value};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use super::children;
use super::classify::{Evidence, Exit, Verdict, verdict};
use super::engine::Engine;
use super::event::Event;
use super::failure::Failure;
use super::keeper::Keeper;
use super::layout::Layout;
use super::log::Log;
use super::memory::Memory;
use super::outputs;
use super::pace::Pace;
use super::provenance::Inputs;
use super::record::{EngineName, Outcome, Phase, Progress, Reason, Stage};
use super::redact::Redactor;
use super::run_file::{Containers, RunFile};
use super::stage::{self, Staged};
use super::tally::Tally;

mod containers;
mod execute;
mod fallback;
mod helper;
mod keep;
mod leftovers;
mod provenance;
mod report;

use execute::Ended;
use report::store;

/// How long the ends of the engine's streams are waited for once no process is left that could write.
const DRAIN: Duration = Duration::from_secs(2);

/// What the loop hears.
enum Note {
    Stop,
    Child,
    Event(Event),
    Staged(Result<Staged, Failure>),
    Collected(Result<Map<String, Value>, Failure>),
    /// One of the engine's three streams, stdout, stderr or events, has ended.
    StreamEnded,
}

/// How the run ended, before it is put into words.
enum End {
    Succeeded(Map<String, Value>),
    Unsuccessful(Verdict),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        let Failure { reason, message } = failure;
        let phase = if reason == Reason::Cancelled {
            Phase::Cancelled
        } else {
            Phase::Failed
        };
        Self::Unsuccessful(Verdict {
            phase,
            reason,
            message,
            ..Verdict::default()
        })
    }
}

/// One run.
pub struct Supervisor {
    layout: Layout,
    log: Log,
    started: Timestamp,
    notes: Receiver<Note>,
    send: Sender<Note>,
    redactor: Arc<Redactor>,
    /// The inputs, once they are in place.
    inputs: Inputs,
    /// The images that the document names for steps.
    named_images: Vec<(String, String)>,
    tally: Tally,
    /// Keeps what is printed beside the outputs.
    keeper: Option<Keeper>,
    pace: Pace,
    /// The last progress in the log.
    printed: Progress,
    engine: EngineName,
    /// Why StreamFlow is not available, once another engine has taken over.
    fallback: Option<String>,
    /// Whether an engine was started, so that something may be left of it.
    began: bool,
    /// When the run is to have failed although the engine lasts.
    doomed: Option<Instant>,
    stops: u32,
    /// When the first stop was heard.
    stopped: Option<Instant>,
    open_streams: u32,
}

impl Supervisor {
    /// Prepares for signals and orphans.
    pub fn new(layout: Layout, log: Log, started: Timestamp) -> Result<Self, Failure> {
        let (send, notes) = channel();
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGCHLD])
            .map_err(|error| Failure::internal(format!("cannot handle signals: {error}")))?;
        let heard = send.clone();
        thread::spawn(move || {
            for signal in signals.forever() {
                let note = if signal == SIGCHLD {
                    Note::Child
                } else {
                    Note::Stop
                };
                if heard.send(note).is_err() {
                    return;
                }
            }
        });
        children::adopt_orphans();
        Ok(Self {
            layout,
            log,
            started,
            notes,
            send,
            redactor: Arc::default(),
            inputs: Inputs::default(),
            named_images: Vec::new(),
            tally: Tally::default(),
            keeper: None,
            pace: Pace::default(),
            printed: Progress::default(),
            engine: EngineName::default(),
            fallback: None,
            began: false,
            doomed: None,
            stops: 0,
            stopped: None,
            open_streams: 0,
        })
    }

    /// Does the run.
    pub fn run(mut self) -> Outcome {
        let run = stage::read_run(&self.layout);
        let end = match &run {
            Ok(run) => {
                self.keep_log(run);
                self.all(run).unwrap_or_else(End::from)
            }
            Err(failure) => End::from(failure.clone()),
        };
        let cleaned = run.as_ref().is_ok_and(|run| self.clean_up(run, &end));
        let mut outcome = self.outcome(end);
        outcome.cleaned = cleaned;
        if let Ok(run) = &run
            && let Some(attempt) = keep::attempt(&self.layout, run)
        {
            self.keep_no_more(&mut outcome);
            store(&attempt, &mut outcome);
            self.provenance(run, &attempt, &outcome);
        }
        outcome
    }

    fn all(&mut self, run: &RunFile) -> Result<End, Failure> {
        let (engine, fallback) = Engine::choose(run, &self.layout)?;
        (self.engine, self.fallback) = (engine.name, fallback);
        let steps = self.stage(run)?;
        let memory = Memory::new(&self.layout);
        let kills = memory.kills().unwrap_or_default();
        let killed = || memory.kills().unwrap_or_default().saturating_sub(kills);
        let Ended { exit, stdout, log } = self.execute_available(run, &engine, &steps, killed)?;
        // An engine that heeds a stop may call that success, but then it has nothing to show.
        let stopped = self.stops > 0 && stdout.trim_ascii().is_empty();
        if exit == Exit::Code(0) && !stopped {
            if let Some(verdict) = self.slurm_verdict(run, &log.slurm_jobs()) {
                return Ok(End::Unsuccessful(verdict));
            }
            return self.collect(run, &stdout).map(End::Succeeded);
        }
        Ok(End::Unsuccessful(verdict(&Evidence {
            exit,
            cancelled: self.stops > 0,
            memory_kills: killed(),
            memory_limit: memory.limit(),
            memory_shared: run.cwltool.containers == Containers::Singularity,
            tally: &self.tally,
            log: &*log,
        })))
    }

    /// Puts everything in place; gives back the steps.
    fn stage(&mut self, run: &RunFile) -> Result<Vec<String>, Failure> {
        self.print(Stage::Staging);
        let (layout, copy) = (self.layout.clone(), run.clone());
        self.work(Note::Staged, move || stage::stage(&layout, &copy));
        loop {
            match self.notes.recv() {
                Ok(Note::Staged(result)) => {
                    let staged = result?;
                    self.redactor = Arc::new(staged.redactor);
                    (self.inputs, self.named_images) = (staged.inputs, staged.images);
                    return Ok(staged.steps);
                }
                Ok(Note::Stop) => {
                    self.hear_stop();
                    return Err(cancelled());
                }
                Ok(_) => {}
                Err(_) => return Err(Failure::internal("nothing left to wait for")),
            }
        }
    }

    /// Puts the outputs where they belong. When told to stop, what is nearly done may still be done.
    fn collect(&mut self, run: &RunFile, stdout: &[u8]) -> Result<Map<String, Value>, Failure> {
        let object = outputs::read(stdout)?;
        let (layout, copy) = (self.layout.clone(), run.clone());
        self.work(Note::Collected, move || {
            outputs::collect(&layout, &copy, object)
        });
        let mut end: Option<Instant> = None;
        loop {
            let pause = end.map_or(DRAIN, |end| end.saturating_duration_since(Instant::now()));
            let note = self.notes.recv_timeout(pause);
            match note {
                Ok(Note::Collected(result)) => return result,
                Ok(Note::Stop) | Err(_) if end.is_some() => {
                    self.hear_stop();
                    return Err(cancelled());
                }
                Ok(Note::Stop) => {
                    self.hear_stop();
                    end = Some(Instant::now() + leftovers::engine_grace(run));
                }
                Ok(note) => self.take(note),
                Err(_) => {}
            }
        }
    }

    /// Does work on a thread of its own; a panic in it is a failure like any other.
    fn work<T: Send + 'static>(
        &self,
        wrap: fn(Result<T, Failure>) -> Note,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) {
        let send = self.send.clone();
        thread::spawn(move || {
            let result = panic::catch_unwind(AssertUnwindSafe(work));
            let panicked = || Failure::internal("dvre-runner itself failed; its log says where");
            let _ = send.send(wrap(result.unwrap_or_else(|_| Err(panicked()))));
        });
    }

    fn hear_stop(&mut self) {
        self.stops += 1;
        self.stopped.get_or_insert_with(Instant::now);
    }

    fn print(&mut self, stage: Stage) {
        let progress = Progress {
            engine: Some(self.engine),
            fallback: self.fallback.clone(),
            ..self.tally.progress(stage)
        };
        let known = Progress {
            time: self.printed.time,
            ..progress
        };
        if known == self.printed {
            self.pace.nothing_new();
            return;
        }
        self.printed = Progress {
            time: progress.time,
            ..known
        };
        let line = self.printed.to_line();
        self.pace.printed(line.len());
        self.log.progress(line);
    }
}

fn cancelled() -> Failure {
    Failure::new(Reason::Cancelled, "the run was told to stop")
}

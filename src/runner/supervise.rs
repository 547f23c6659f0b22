//! One run from its start to its outcome.
//!
//! Whatever may block has a thread of its own and reports to one loop, so that a signal is always
//! heard.

use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Map, Value};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use super::children::{self, Process};
use super::classify::{Evidence, Exit, Verdict, verdict};
use super::engine::Engine;
use super::engine_log::EngineLog;
use super::event::{Event, Listener};
use super::failure::Failure;
use super::layout::Layout;
use super::log::Log;
use super::memory::Memory;
use super::outputs;
use super::pace::Pace;
use super::record::{EngineName, Outcome, Phase, Reason, Stage};
use super::redact::Redactor;
use super::run_file::RunFile;
use super::stage;
use super::tally::{Tally, now};

/// How long the ends of the engine's streams are waited for once no process is left that could write.
const DRAIN: Duration = Duration::from_secs(2);

/// What the loop hears.
enum Note {
    Stop,
    Child,
    Event(Event),
    Staged(Result<Redactor, Failure>),
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
    tally: Tally,
    pace: Pace,
    engine: EngineName,
    stops: u32,
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
            tally: Tally::default(),
            pace: Pace::default(),
            engine: EngineName::default(),
            stops: 0,
            open_streams: 0,
        })
    }

    /// Does the run.
    pub fn run(mut self) -> Outcome {
        let run = stage::read_run(&self.layout);
        let end = match &run {
            Ok(run) => self.all(run).unwrap_or_else(End::from),
            Err(failure) => End::from(failure.clone()),
        };
        let mut outcome = self.outcome(end);
        if let Some(folder) = run.ok().and_then(|run| run.outputs) {
            self.store(&folder, &mut outcome);
        }
        outcome
    }

    fn all(&mut self, run: &RunFile) -> Result<End, Failure> {
        let engine = Engine::choose(run.engine, &self.layout)?;
        self.engine = engine.name;
        self.stage(run)?;
        let memory = Memory::new(&self.layout);
        let kills = memory.kills().unwrap_or_default();
        let (exit, stdout, log) = self.execute(run, &engine)?;
        if exit == Exit::Code(0) {
            return self.collect(run, &stdout).map(End::Succeeded);
        }
        Ok(End::Unsuccessful(verdict(&Evidence {
            exit,
            cancelled: self.stops > 0,
            memory_kills: memory.kills().unwrap_or_default().saturating_sub(kills),
            memory_limit: memory.limit(),
            tally: &self.tally,
            log: &log,
        })))
    }

    fn stage(&mut self, run: &RunFile) -> Result<(), Failure> {
        self.print(Stage::Staging);
        let (layout, copy) = (self.layout.clone(), run.clone());
        self.work(Note::Staged, move || stage::stage(&layout, &copy));
        loop {
            match self.notes.recv() {
                Ok(Note::Staged(result)) => {
                    self.redactor = Arc::new(result?);
                    return Ok(());
                }
                Ok(Note::Stop) => return Err(cancelled()),
                Ok(_) => {}
                Err(_) => return Err(Failure::internal("nothing left to wait for")),
            }
        }
    }

    /// Runs the engine until neither it nor anything that it started is left.
    fn execute(
        &mut self,
        run: &RunFile,
        engine: &Engine,
    ) -> Result<(Exit, Vec<u8>, EngineLog), Failure> {
        let socket = self.layout.events_socket();
        let listener = Listener::start(&socket, self.send.clone(), Note::Event, Note::StreamEnded)
            .map_err(|error| Failure::internal(format!("cannot listen for events: {error}")))?;
        let (mut process, stdout, stderr) = Process::start(&mut engine.command(&self.layout))
            .map_err(|error| Failure::internal(format!("cannot start the engine: {error}")))?;
        let printed = self.watch(stdout, Vec::new(), |printed, line, _| {
            // One byte more than allowed shows that there was too much.
            let room = (outputs::OBJECT_LIMIT + 1).saturating_sub(printed.len());
            printed.extend_from_slice(line.get(..room).unwrap_or(line));
        });
        let facts = self.watch(stderr, EngineLog::default(), |facts, line, redactor| {
            facts.take(&redactor.bytes(line));
        });
        self.open_streams = 3;
        self.print(Stage::Running);
        let exit = self.wait(&mut process, Duration::from_secs(run.grace_seconds));
        children::kill_all();
        listener.close();
        self.drain();
        self.print(Stage::Collecting);
        let taken = std::mem::take(&mut *lock(&printed));
        let facts = std::mem::take(&mut *lock(&facts));
        Ok((exit, taken, facts))
    }

    /// Passes a stream of the engine on to the log, and keeps of it what `keep` does.
    fn watch<T: Send + 'static>(
        &self,
        stream: impl std::io::Read + Send + 'static,
        kept: T,
        keep: fn(&mut T, &[u8], &Redactor),
    ) -> Arc<Mutex<T>> {
        let kept = Arc::new(Mutex::new(kept));
        let (shared, log, send) = (Arc::clone(&kept), self.log.clone(), self.send.clone());
        let redactor = Arc::clone(&self.redactor);
        thread::spawn(move || {
            log.pass(stream, &redactor, |line| {
                keep(&mut lock(&shared), line, &redactor);
            });
            let _ = send.send(Note::StreamEnded);
        });
        kept
    }

    fn wait(&mut self, process: &mut Process, grace: Duration) -> Exit {
        let mut kill_at: Option<Instant> = None;
        loop {
            if let Some(exit) = process.reap() {
                return exit;
            }
            // A look now and then costs nothing, and a lost signal could cost the run.
            let longest = Duration::from_secs(1);
            let until_kill = kill_at.map(|at| at.saturating_duration_since(Instant::now()));
            let pause = [until_kill, self.pace.pause()]
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(longest);
            match self.notes.recv_timeout(pause.min(longest)) {
                Ok(Note::Stop) => {
                    self.stops += 1;
                    process.interrupt();
                    let patience = if self.stops > 1 {
                        Duration::ZERO
                    } else {
                        grace
                    };
                    kill_at = Some(Instant::now() + patience);
                }
                Ok(note) => self.take(note),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            if kill_at.is_some_and(|at| at <= Instant::now()) {
                process.kill();
                kill_at = Some(Instant::now() + longest);
            }
            if self.pace.due() {
                self.print(Stage::Running);
            }
        }
    }

    fn take(&mut self, note: Note) {
        match note {
            Note::Event(event) => {
                let changed = self.tally.take(self.clean(event));
                self.pace.news(changed);
            }
            Note::StreamEnded => self.open_streams = self.open_streams.saturating_sub(1),
            Note::Stop => self.stops += 1,
            Note::Child | Note::Staged(_) | Note::Collected(_) => {}
        }
    }

    /// What a command or the engine wrote may quote inputs; it is cleaned before any of it is cut.
    fn clean(&self, event: Event) -> Event {
        match event {
            Event::Command {
                job,
                step,
                exit_code,
                stderr,
            } => Event::Command {
                job,
                step,
                exit_code,
                stderr: self.redactor.text(&stderr),
            },
            Event::Error {
                kind,
                message,
                step,
            } => Event::Error {
                kind,
                message: self.redactor.text(&message),
                step,
            },
            other => other,
        }
    }

    /// Takes what is still under way in the engine's streams. A stop at this point comes too late to
    /// be why the engine ended.
    fn drain(&mut self) {
        let (end, stops) = (Instant::now() + DRAIN, self.stops);
        while self.open_streams > 0 {
            match self
                .notes
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(note) => self.take(note),
                Err(_) => break,
            }
        }
        if self.stops > stops && stops == 0 {
            self.stops = stops;
            let _ = self.send.send(Note::Stop);
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
                Ok(Note::Stop) | Err(_) if end.is_some() => return Err(cancelled()),
                Ok(Note::Stop) => {
                    end = Some(Instant::now() + Duration::from_secs(run.grace_seconds));
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

    fn print(&mut self, stage: Stage) {
        self.log.record(&self.tally.progress(stage).to_line());
        self.pace.printed();
    }

    fn outcome(&self, end: End) -> Outcome {
        let completion = now();
        let (completed, total) = self.tally.jobs();
        let mut outcome = Outcome {
            version: 1,
            engine: self.engine,
            start_time: Some(self.started),
            completion_time: Some(completion),
            completed,
            total,
            ..Outcome::default()
        };
        match end {
            End::Succeeded(outputs) => {
                outcome.phase = Phase::Succeeded;
                outcome.reason = Reason::Completed;
                let mut outputs = Value::Object(outputs);
                self.redactor.value(&mut outputs);
                outcome.outputs = outputs.as_object_mut().map(std::mem::take);
            }
            End::Unsuccessful(verdict) => {
                outcome.phase = verdict.phase;
                outcome.reason = verdict.reason;
                outcome.message = self.redactor.text(&verdict.message);
                outcome.failed_step = verdict.failed_step;
                outcome.exit_code = verdict.exit_code;
            }
        }
        outcome.steps = self.tally.final_steps(outcome.phase, completion);
        outcome.step_count = outcome.steps.len();
        if outcome.phase == Phase::Succeeded {
            outcome.message = outcome.praise();
        }
        outcome.seal();
        outcome
    }

    /// Leaves the outcome beside the outputs; a run whose record cannot be stored has not succeeded.
    fn store(&self, folder: &str, outcome: &mut Outcome) {
        let text = serde_json::to_string(outcome).unwrap_or_default();
        if let Err(failure) = outputs::store_outcome(&self.layout, folder, &text)
            && outcome.phase == Phase::Succeeded
        {
            outcome.phase = Phase::Failed;
            outcome.reason = failure.reason;
            outcome.message = failure.message;
        }
    }
}

fn cancelled() -> Failure {
    Failure::new(Reason::Cancelled, "the run was told to stop")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

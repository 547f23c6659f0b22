//! The engine's time: from its start until nothing of it is left.

use std::io::{Error, Read};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{DRAIN, Note, Supervisor, leftovers};
use crate::runner::children::{self, Process};
use crate::runner::classify::Exit;
use crate::runner::engine::Engine;
use crate::runner::engine_log::EngineLog;
use crate::runner::event::{Event, Listener};
use crate::runner::failure::Failure;
use crate::runner::outputs;
use crate::runner::record::Stage;
use crate::runner::run_file::RunFile;

/// How long an engine may take to end a run that has failed already.
const DOOMED: Duration = Duration::from_secs(3);

/// What an engine leaves.
pub(super) struct Ended {
    pub(super) exit: Exit,
    pub(super) stdout: Vec<u8>,
    pub(super) log: Box<dyn EngineLog>,
}

/// Why there is none.
pub(super) enum NotRun {
    /// The program cannot be started.
    Start(Error),
    /// Anything else.
    Failure(Failure),
}

impl Supervisor {
    /// Runs the engine until neither it nor anything that it started is left.
    pub(super) fn execute(
        &mut self,
        run: &RunFile,
        engine: &Engine,
        steps: &[String],
    ) -> Result<Ended, NotRun> {
        let listener = self.listen(engine).map_err(NotRun::Failure)?;
        let close = || listener.iter().for_each(Listener::close);
        let started = Process::start(&mut engine.command(&self.layout)).inspect_err(|_| close());
        let (mut process, stdout, stderr) = started.map_err(|error| {
            self.drain();
            NotRun::Start(error)
        })?;
        self.began = true;
        if !engine.sends_events() {
            let steps = steps.to_vec();
            self.take(Note::Event(Event::Workflow { steps }));
        }
        let printed = self.keep(stdout, outputs::OBJECT_LIMIT);
        let (redactor, send) = (Arc::clone(&self.redactor), self.send.clone());
        let log = self.watch(stderr, Some(engine.log(run, steps)), move |log, line| {
            let log = log.as_mut();
            for event in log.map_or_else(Vec::new, |log| log.take(&redactor.bytes(line))) {
                let _ = send.send(Note::Event(event));
            }
        });
        self.print(Stage::Running);
        let exit = self.wait(&mut process, engine, leftovers::engine_grace(run));
        children::kill_all();
        close();
        self.drain();
        let log = lock(&log).take();
        let mut log = log.unwrap_or_else(|| engine.log(run, steps));
        for event in log.finish() {
            self.take(Note::Event(event));
        }
        self.remove_containers(run, engine, exit);
        self.print(Stage::Collecting);
        let stdout = std::mem::take(&mut *lock(&printed));
        Ok(Ended { exit, stdout, log })
    }

    fn listen(&mut self, engine: &Engine) -> Result<Option<Listener>, Failure> {
        if !engine.sends_events() {
            return Ok(None);
        }
        let socket = self.layout.events_socket();
        let listener = Listener::start(&socket, self.send.clone(), Note::Event, Note::StreamEnded)
            .map_err(|error| Failure::internal(format!("cannot listen for events: {error}")))?;
        self.open_streams += 1;
        Ok(Some(listener))
    }

    /// Passes a stream on to the log, and keeps it: at most one byte more than `limit`, which shows
    /// that there was too much.
    pub(super) fn keep(
        &mut self,
        stream: impl Read + Send + 'static,
        limit: usize,
    ) -> Arc<Mutex<Vec<u8>>> {
        self.watch(stream, Vec::new(), move |kept, line| {
            let room = (limit + 1).saturating_sub(kept.len());
            kept.extend_from_slice(line.get(..room).unwrap_or(line));
        })
    }

    /// Passes a stream on to the log, and keeps of it what `take` does.
    pub(super) fn watch<T: Send + 'static>(
        &mut self,
        stream: impl Read + Send + 'static,
        kept: T,
        mut take: impl FnMut(&mut T, &[u8]) + Send + 'static,
    ) -> Arc<Mutex<T>> {
        let kept = Arc::new(Mutex::new(kept));
        let (shared, log, send) = (Arc::clone(&kept), self.log.clone(), self.send.clone());
        let redactor = Arc::clone(&self.redactor);
        self.open_streams += 1;
        thread::spawn(move || {
            log.pass(stream, &redactor, |line| take(&mut lock(&shared), line));
            let _ = send.send(Note::StreamEnded);
        });
        kept
    }

    fn wait(&mut self, process: &mut Process, engine: &Engine, grace: Duration) -> Exit {
        let mut kill_at: Option<Instant> = None;
        loop {
            if let Some(exit) = process.reap() {
                // The end of a run that had failed before tells nothing.
                return match exit {
                    Exit::Signal(_) if self.doomed.is_some() => Exit::Code(1),
                    exit => exit,
                };
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
                    self.hear_stop();
                    engine.interrupt(process);
                    let patience = if self.stops > 1 {
                        Duration::ZERO
                    } else {
                        engine.patience(grace)
                    };
                    kill_at = Some(Instant::now() + patience);
                }
                Ok(note) => self.take(note),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            kill_at = kill_at.or(self.doomed.map(|since| since + DOOMED));
            if kill_at.is_some_and(|at| at <= Instant::now()) {
                process.kill();
                kill_at = Some(Instant::now() + longest);
            }
            if self.pace.due() {
                self.print(Stage::Running);
            }
        }
    }

    pub(super) fn take(&mut self, note: Note) {
        match note {
            Note::Event(Event::Doomed) => {
                self.doomed.get_or_insert_with(Instant::now);
            }
            Note::Event(event) => {
                let event = self.clean(event);
                self.keep_output(&event);
                let changed = self.tally.take(event);
                self.pace.news(changed);
            }
            Note::StreamEnded => self.open_streams = self.open_streams.saturating_sub(1),
            Note::Stop => self.hear_stop(),
            Note::Child | Note::Staged(_) | Note::Collected(_) => {}
        }
    }

    /// What a command or the engine wrote may quote inputs; it is cleaned before any of it is cut.
    fn clean(&self, mut event: Event) -> Event {
        match &mut event {
            Event::Command {
                stderr,
                words,
                stdout,
                message,
                ..
            } => {
                for text in [stderr, words, stdout, message] {
                    *text = self.redactor.text(text);
                }
            }
            Event::Error { message, .. } => *message = self.redactor.text(message),
            _ => {}
        }
        event
    }

    /// Takes what is still under way in the streams of a program. A stop at this point comes too late
    /// to be why it ended.
    pub(super) fn drain(&mut self) {
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
        // What could not be waited for is not counted with the next program's.
        self.open_streams = 0;
        if self.stops > stops && stops == 0 {
            self.stops = stops;
            let _ = self.send.send(Note::Stop);
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

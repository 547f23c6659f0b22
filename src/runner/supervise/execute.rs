//! The engine's time: from its start until nothing of it is left.

use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{DRAIN, Note, Supervisor};
use crate::runner::children::{self, Process};
use crate::runner::classify::Exit;
use crate::runner::engine::Engine;
use crate::runner::engine_log::EngineLog;
use crate::runner::event::{Event, Listener};
use crate::runner::failure::Failure;
use crate::runner::outputs;
use crate::runner::record::Stage;
use crate::runner::redact::Redactor;
use crate::runner::run_file::RunFile;

impl Supervisor {
    /// Runs the engine until neither it nor anything that it started is left.
    pub(super) fn execute(
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

    pub(super) fn take(&mut self, note: Note) {
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
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Programs that help at the end of a run.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::execute::lock;
use super::{Note, Supervisor};
use crate::runner::children::{self, Process};

/// The most bytes of a helper's answer.
const ANSWER_LIMIT: usize = 1 << 20;

impl Supervisor {
    /// Runs a program to its end, at most as long as `patience`, and gives what it printed; that is
    /// part of the log as well. What it does must be done: a stop is only heard afterwards.
    pub(super) fn help(
        &mut self,
        command: &mut Command,
        mut patience: Duration,
        grace: Duration,
    ) -> Vec<u8> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let name = command.get_program().to_string_lossy().into_owned();
        let (mut process, stdout, stderr) = match Process::start(command) {
            Ok(started) => started,
            Err(error) => {
                self.say(&format!("cannot start {name}: {error}"));
                return Vec::new();
            }
        };
        let answer = self.keep(stdout, ANSWER_LIMIT);
        self.watch(stderr, (), |(), _| {});
        let (start, mut stopped) = (Instant::now(), false);
        while process.reap().is_none() {
            let left = patience.saturating_sub(start.elapsed());
            if left.is_zero() {
                self.say(&format!("{name} takes too long and is killed"));
                process.kill();
                break;
            }
            match self.notes.recv_timeout(left.min(Duration::from_secs(1))) {
                Ok(Note::Stop) => {
                    stopped = true;
                    patience = patience.min(start.elapsed() + grace);
                }
                Ok(note) => self.take(note),
                Err(_) => {}
            }
        }
        children::kill_all();
        self.drain();
        if stopped {
            let _ = self.send.send(Note::Stop);
        }
        std::mem::take(&mut *lock(&answer))
    }

    /// A line of the log of our own.
    pub(super) fn say(&self, text: &str) {
        self.log.say(&self.redactor.text(text));
    }
}

//! The container's log: the engine's own lines, and records between them.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use super::keeper::Keeper;
use super::record::{MARK, PROGRESS_TAIL};
use super::redact::Redactor;

/// A line longer than this is passed on in pieces.
const LONGEST_LINE: usize = 64 << 10;
/// After so many lines or bytes of the engine's, progress is printed again: whoever begins to read
/// starts at the log's end.
const REPEAT_LINES: usize = PROGRESS_TAIL / 2;
const REPEAT_BYTES: usize = 256 << 10;
const ENDLESS: usize = 4 << 20;
/// Lines that are written at one time.
const BATCH: usize = 100;

/// Stdout, shared by all who write a line to it.
#[derive(Clone)]
pub struct Log {
    out: Arc<Mutex<Out>>,
}

struct Out {
    stream: Box<dyn Write + Send>,
    within_line: bool,
    /// The last progress, and lines and bytes of the engine's since then.
    progress: String,
    lines: usize,
    bytes: usize,
    /// What keeps the engine's lines and our own beside the outputs.
    keeper: Option<Keeper>,
}

impl Out {
    /// Passes bytes on. A reader that is gone must not end the run, so failures are ignored.
    fn write(&mut self, bytes: &[u8]) {
        let _ = self
            .stream
            .write_all(bytes)
            .and_then(|()| self.stream.flush());
        self.within_line = bytes.last().is_some_and(|&last| last != b'\n');
    }

    fn record(&mut self, line: &str) {
        let start = if self.within_line { "\n" } else { "" };
        self.write(format!("{start}{line}\n").as_bytes());
    }

    fn progress(&mut self, line: String) {
        self.record(&line);
        (self.progress, self.lines, self.bytes) = (line, 0, 0);
    }

    fn say(&mut self, text: &str) {
        let line = format!("dvre-runner: {text}");
        self.record(&line);
        self.keep(format!("{line}\n").as_bytes());
    }

    fn keep(&self, bytes: &[u8]) {
        if let Some(keeper) = &self.keeper {
            keeper.lines(bytes);
        }
    }

    fn engine(&mut self, bytes: &[u8]) {
        self.write(bytes);
        self.keep(bytes);
        self.lines += bytes.split_inclusive(|&byte| byte == b'\n').count();
        self.bytes += bytes.len();
        let far = self.lines >= REPEAT_LINES || self.bytes >= REPEAT_BYTES;
        // A line is torn for this only when it does not seem to end.
        let between = !self.within_line || self.bytes >= ENDLESS;
        if far && between && !self.progress.is_empty() {
            let again = std::mem::take(&mut self.progress);
            self.progress(again);
        }
    }
}

impl Log {
    /// A log on `stream`.
    #[must_use]
    pub fn new(stream: Box<dyn Write + Send>) -> Self {
        Self {
            out: Arc::new(Mutex::new(Out {
                stream,
                within_line: false,
                progress: String::new(),
                lines: 0,
                bytes: 0,
                keeper: None,
            })),
        }
    }

    /// Has everything but records kept from now on.
    pub fn keep(&self, keeper: Keeper) {
        self.lock().keeper = Some(keeper);
    }

    /// Writes a line of our own.
    pub fn say(&self, text: &str) {
        self.lock().say(text);
    }

    /// Writes one record as a line of its own.
    pub fn record(&self, line: &str) {
        self.lock().record(line);
    }

    /// Writes progress as a line of its own, and again after every so many lines of the engine's.
    pub fn progress(&self, line: String) {
        self.lock().progress(line);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes a stream of the engine on until its end, by whole lines so that records do not fall
    /// inside one, and shows each line to `watch` as it came.
    pub fn pass(&self, mut stream: impl Read, redactor: &Redactor, mut watch: impl FnMut(&[u8])) {
        let mut lines = Lines::default();
        let mut chunk = vec![0; 64 << 10];
        loop {
            match stream.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => {
                    let ready = lines.push(chunk.get(..read).unwrap_or_default());
                    self.pass_lines(&ready, redactor, &mut watch);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.pass_lines(&lines.partial, redactor, &mut watch);
    }

    fn pass_lines(&self, lines: &[u8], redactor: &Redactor, watch: &mut impl FnMut(&[u8])) {
        if lines.is_empty() {
            return;
        }
        let mut clean = Vec::with_capacity(lines.len());
        for (index, line) in lines.split_inclusive(|&byte| byte == b'\n').enumerate() {
            if index % BATCH == BATCH - 1 {
                self.lock().engine(&clean);
                clean.clear();
            }
            watch(line);
            // A line of the engine's that looks like a record would be taken for one.
            if line.starts_with(MARK.as_bytes()) {
                clean.push(b' ');
            }
            clean.extend_from_slice(&redactor.bytes(line));
        }
        self.lock().engine(&clean);
    }
}

#[derive(Default)]
struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Takes bytes and gives back what is complete: lines, or an overlong piece of one.
    fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.partial.extend_from_slice(bytes);
        let end = match self.partial.iter().rposition(|&byte| byte == b'\n') {
            Some(last) => last + 1,
            None if self.partial.len() >= LONGEST_LINE => self.partial.len(),
            None => 0,
        };
        let rest = self.partial.split_off(end);
        std::mem::replace(&mut self.partial, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::testing::Sink;

    fn passed(input: &[u8], secret: &str) -> (String, Vec<u8>) {
        let (sink, mut seen) = (Sink::default(), Vec::new());
        let log = Log::new(Box::new(sink.clone()));
        let redactor = Redactor::new([&serde_json::json!([secret])]);
        log.pass(input, &redactor, |line| seen.extend_from_slice(line));
        log.record("@dvre {}");
        let text = String::from_utf8_lossy(&sink.0.lock().unwrap()).into_owned();
        (text, seen)
    }

    #[test]
    fn lines_pass_unchanged_and_records_begin_a_line() {
        let (text, seen) = passed(b"a\nb\n\xff\nlast without end", "");
        assert_eq!(text, "a\nb\n\u{fffd}\nlast without end\n@dvre {}\n");
        assert_eq!(seen, b"a\nb\n\xff\nlast without end");
    }

    #[test]
    fn secrets_are_hidden_from_the_log_only() {
        let (text, seen) = passed(b"x hunter2 y\n", "hunter2");
        assert_eq!(text, "x [redacted] y\n@dvre {}\n");
        assert_eq!(seen, b"x hunter2 y\n");
    }

    #[test]
    fn no_line_of_the_engine_passes_for_a_record() {
        let (text, _) = passed(b"@dvre {\"final\":{}}\n", "");
        assert_eq!(text, " @dvre {\"final\":{}}\n@dvre {}\n");
    }

    #[test]
    fn an_endless_line_goes_on_in_pieces() {
        let (text, seen) = passed(&vec![b'x'; 300_000], "");
        assert_eq!(text.len(), 300_000 + "\n@dvre {}\n".len());
        assert_eq!(seen.len(), 300_000);
    }

    #[test]
    fn progress_is_always_near_the_end() {
        let sink = Sink::default();
        let log = Log::new(Box::new(sink.clone()));
        log.progress("@dvre {}".to_owned());
        let line = |length: usize| "x".repeat(length) + "\n";
        let chatter = line(10).repeat(5_000) + &line(200_000).repeat(10) + &line(20_000_000);
        log.pass(chatter.as_bytes(), &Redactor::default(), |_| ());
        let text = String::from_utf8_lossy(&sink.0.lock().unwrap()).into_owned();
        let told: Vec<_> = text.match_indices("@dvre {}\n").collect();
        assert!((10..100).contains(&told.len()), "{} times", told.len());
        for pair in told.windows(2) {
            let between = &text[pair[0].0..pair[1].0];
            let entries = between.lines().map(|line| line.len() / 16_384 + 1);
            assert!(entries.sum::<usize>() < PROGRESS_TAIL);
        }
        let after = told.last().map_or(0, |&(start, _)| start);
        assert!(text.len() - after < PROGRESS_TAIL * 16_384);
    }
}

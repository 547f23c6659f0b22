//! What the engine's plugin reports, and the socket that takes it.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::{fs, io};

use serde::Deserialize;

use super::provenance::Image;
use super::record::Reason;

/// A line longer than this is no event. Two texts of 1 MiB fit, each byte spelled with six.
const LONGEST_EVENT: u64 = 16 << 20;
const MOST_CONNECTIONS: usize = 64;

/// The state of a job or a step in StreamFlow's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// It has a place to run.
    Scheduled,
    /// It runs.
    Running,
    /// It ended well.
    Completed,
    /// It ended badly.
    Failed,
    /// It was stopped.
    Cancelled,
    /// Its condition said not to run it.
    Skipped,
    /// It is about to be run anew after a failure.
    Rollback,
    /// Any other.
    #[serde(other)]
    Other,
}

/// One report of the plugin. Any may come more than once.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// The steps of the workflow, in its order.
    Workflow {
        /// Their paths.
        steps: Vec<String>,
    },
    /// The state of a job.
    Job {
        /// The job's path.
        job: String,
        /// The path of its step.
        step: String,
        /// Its new state.
        status: Status,
        /// Unix seconds.
        time: Option<f64>,
        /// Jobs of the step that are known by now.
        total: Option<u64>,
    },
    /// A command ended.
    #[serde(rename_all = "camelCase")]
    Command {
        /// The job's path.
        job: String,
        /// The path of its step.
        step: String,
        /// The command's exit code; negative for a signal.
        exit_code: i32,
        /// When it failed, the end of its error output; with its standard output where both go to the
        /// same place.
        #[serde(default)]
        stderr: String,
        /// What of that is likely its own, where others wrote to the same place; empty where all is.
        #[serde(skip)]
        words: String,
        /// The end of its standard output, where that goes to another place and is no output.
        #[serde(default)]
        stdout: String,
        /// The class of its failure, where more is known than the exit code says.
        #[serde(default)]
        kind: Option<Reason>,
        /// That failure in words.
        #[serde(default)]
        message: String,
    },
    /// The state of a step.
    Step {
        /// The step's path.
        step: String,
        /// Its new state.
        status: Status,
        /// Unix seconds.
        time: Option<f64>,
    },
    /// The engine gives up.
    Error {
        /// The class of the failure.
        #[serde(default = "unknown")]
        kind: Reason,
        /// Its first useful line.
        #[serde(default)]
        message: String,
        /// The path of the step that it belongs to.
        step: Option<String>,
    },
    /// The engine has started.
    Engine {
        /// Its version.
        version: String,
    },
    /// A step runs in a container image.
    Image {
        /// The path of the step; absent for the runner's own container.
        step: Option<String>,
        /// The image.
        #[serde(flatten)]
        image: Image,
    },
    /// The run has failed, and the engine may not manage to end.
    #[serde(skip)]
    Doomed,
}

fn unknown() -> Reason {
    Reason::Unknown
}

/// Takes events on a Unix socket until it is closed.
pub struct Listener {
    socket: PathBuf,
    closing: Arc<AtomicBool>,
}

impl Listener {
    /// Listens at `socket`. Each event goes to `send` as `wrap` makes it, and `done` last of all.
    pub fn start<T: Send + 'static>(
        socket: &Path,
        send: Sender<T>,
        wrap: fn(Event) -> T,
        done: T,
    ) -> io::Result<Self> {
        match fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(socket)?;
        let closing = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&closing);
        thread::spawn(move || {
            let mut readers = Vec::new();
            loop {
                // Once closing, whoever has connected is still heard; then nobody is waited for.
                if flag.load(Ordering::SeqCst) && listener.set_nonblocking(true).is_err() {
                    break;
                }
                readers.retain(|reader: &thread::JoinHandle<()>| !reader.is_finished());
                match listener.accept() {
                    // The plugin has one connection; a flood of others is turned away.
                    Ok(_) if readers.len() >= MOST_CONNECTIONS => {}
                    Ok((stream, _)) => {
                        let send = send.clone();
                        readers.push(thread::spawn(move || read(stream, &send, wrap)));
                    }
                    Err(_) if flag.load(Ordering::SeqCst) => break,
                    Err(_) => thread::sleep(std::time::Duration::from_millis(10)),
                }
            }
            for reader in readers {
                let _ = reader.join();
            }
            let _ = send.send(done);
        });
        Ok(Self {
            socket: socket.to_owned(),
            closing,
        })
    }

    /// Takes what has been written so far, then ends. The thread wakes by one more connection, which
    /// comes after all others.
    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(&self.socket);
    }
}

fn read<T>(stream: UnixStream, send: &Sender<T>, wrap: fn(Event) -> T) {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        match stream
            .by_ref()
            .take(LONGEST_EVENT)
            .read_until(b'\n', &mut line)
        {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        // What is no event is passed over: a newer plugin may say more than this runner knows.
        if let Ok(event) = serde_json::from_slice(&line)
            && send.send(wrap(event)).is_err()
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn events_of_several_connections_arrive_and_garbage_does_not() {
        let folder = crate::runner::testing::folder("events");
        let socket = folder.path().join("events.sock");
        let (send, events) = channel();
        let listener = Listener::start(&socket, send, Some, None).unwrap();
        for step in ["/a", "/b"] {
            let mut stream = UnixStream::connect(&socket).unwrap();
            stream
                .write_all(b"not json\n\xff\xfe\n{\"event\":\"new\"}\n[1]\n")
                .unwrap();
            writeln!(
                stream,
                r#"{{"event":"step","step":"{step}","status":"BORED","time":1.5}}"#
            )
            .unwrap();
            stream
                .write_all(br#"{"event":"command","job":"/a/0","step":"/a","exitCode":-9}"#)
                .unwrap();
        }
        listener.close();
        let mut seen: Vec<Event> = std::iter::from_fn(|| events.recv().unwrap()).collect();
        seen.sort_by_key(|event| format!("{event:?}"));
        assert_eq!(seen.len(), 4);
        assert!(matches!(
            seen.first(),
            Some(Event::Command { exit_code: -9, .. })
        ));
        assert!(matches!(
            seen.last(),
            Some(Event::Step {
                status: Status::Other,
                ..
            })
        ));
    }
}

//! Keeps what a run prints beside its outputs, where it can be read when the pod is gone:
//!
//! ```text
//! .dvre/outcome.json                            of the attempt that ended last
//! .dvre/JOB/outcome.json                        of each attempt, by the name of its Job
//! .dvre/JOB/engine.log                          the engine's log; then engine.log.1 and .2
//! .dvre/JOB/steps/STEP/stderr-N.log             the error output of job N of a step that failed
//! .dvre/JOB/steps/STEP/stdout-N.log             its standard output, when that is apart and no output
//! .dvre/JOB/steps/STEP/stderr-N-try-2.log       of its second try
//! ```
//!
//! A thread of its own does all of it: neither the engine nor the end of the run waits for a volume
//! that is slow, full or gone, and no run fails for the sake of its log.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::log::Log;
use super::outputs::OWN_FOLDER;
use crate::names;

mod engine_file;
mod folder;
mod step_files;

use engine_file::{ENGINE_LOG, EngineFile, Sizes};
use folder::Folder;
pub use step_files::FailedJob;
use step_files::{MOST, StepFiles};

/// The whole record of how a run ended.
const OUTCOME: &str = "outcome.json";
/// The most bytes that wait for the volume; more are left out.
const QUEUE: usize = 8 << 20;
/// The most that the death of a node may cost.
const SYNC: Duration = Duration::from_secs(5);

/// Which attempt of which run it is.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The folder for outputs.
    pub outputs: PathBuf,
    /// Name of the resource.
    pub run: String,
    /// Number of the attempt, from 1.
    pub number: i32,
}

impl Attempt {
    /// The attempt's folder, below that for outputs.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("{OWN_FOLDER}/{}", self.job())
    }

    fn job(&self) -> String {
        names::job(&self.run, self.number)
    }

    /// Leaves the whole outcome of an attempt, as that of the run and as its own.
    pub fn store_outcome(&self, outcome: &str) -> io::Result<()> {
        let own = own_folder(&self.outputs)?;
        own.write(OUTCOME, outcome.as_bytes())?;
        own.inner(&self.job())?.write(OUTCOME, outcome.as_bytes())
    }

    /// Makes the attempt's folder anew. What has its name, or that of a later attempt, is from an
    /// earlier run.
    fn begin(&self) -> io::Result<Folder> {
        let own = own_folder(&self.outputs)?;
        for name in own.names()? {
            let number = name.rsplit('-').next().and_then(|end| end.parse().ok());
            if number.is_some_and(|it| it >= self.number && names::job(&self.run, it) == name) {
                own.remove(&name)?;
            }
        }
        let folder = own.inner(&self.job())?;
        own.sync()?;
        Ok(folder)
    }
}

/// Opens the folder of the runner's own records, which must be no link.
fn own_folder(outputs: &Path) -> io::Result<Folder> {
    Folder::open(outputs)?.inner(OWN_FOLDER)
}

/// What was kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The engine's log, below the folder for outputs, when it says anything.
    pub engine: Option<String>,
    /// The same for what each failed job printed in its last try that did.
    pub jobs: HashMap<String, String>,
}

enum Work {
    Lines(Vec<u8>),
    Failed(FailedJob),
    End(Sender<Kept>),
}

impl Work {
    fn size(&self) -> usize {
        match self {
            Self::Lines(bytes) => bytes.len(),
            Self::Failed(job) => job.size(),
            Self::End(_) => 0,
        }
    }
}

/// The way to the thread that writes.
#[derive(Clone)]
pub struct Keeper {
    send: Sender<Work>,
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: AtomicUsize,
    left_out: AtomicUsize,
}

impl Queue {
    fn admit(&self, bytes: usize) -> bool {
        let room = self.waiting.load(Ordering::SeqCst) + bytes <= QUEUE;
        let count = if room { &self.waiting } else { &self.left_out };
        count.fetch_add(bytes, Ordering::SeqCst);
        room
    }
}

impl Keeper {
    /// Begins to keep what an attempt prints; trouble goes to `log`.
    pub fn start(attempt: Attempt, log: Log) -> Self {
        let (send, work) = channel();
        let queue = Arc::<Queue>::default();
        let shared = Arc::clone(&queue);
        thread::spawn(move || write(&attempt, &log, &work, &shared));
        Self { send, queue }
    }

    /// Keeps whole lines of the engine's log, free of secrets.
    pub fn lines(&self, bytes: &[u8]) {
        if self.queue.admit(bytes.len()) {
            let _ = self.send.send(Work::Lines(bytes.to_vec()));
        }
    }

    /// Keeps what a failed job printed, free of secrets.
    pub fn failed(&self, job: FailedJob) {
        if self.queue.admit(job.size()) {
            let _ = self.send.send(Work::Failed(job));
        }
    }

    /// Ends it; `None` when the volume takes longer than `patience`.
    pub fn finish(&self, patience: Duration) -> Option<Kept> {
        let (send, kept) = channel();
        self.send.send(Work::End(send)).ok()?;
        kept.recv_timeout(patience).ok()
    }
}

/// What the thread does.
fn write(attempt: &Attempt, log: &Log, work: &Receiver<Work>, queue: &Queue) {
    let trouble = |error: &io::Error| {
        log.record(&format!(
            "dvre-runner: from here on, the log is not kept beside the outputs: {error}"
        ));
    };
    let mut writer = Writer::begin(attempt).inspect_err(trouble).ok();
    loop {
        let next = work.recv_timeout(SYNC);
        let size = next.as_ref().map_or(0, Work::size);
        queue.waiting.fetch_sub(size, Ordering::SeqCst);
        if let Some(writer) = writer.as_mut().filter(|writer| !writer.broken) {
            let left_out = queue.left_out.swap(0, Ordering::SeqCst);
            if let Err(error) = writer.take(&next, left_out) {
                writer.broken = true;
                trouble(&error);
            }
        }
        match next {
            Ok(Work::End(answer)) => {
                let _ = answer.send(writer.as_ref().map(Writer::kept).unwrap_or_default());
                return;
            }
            Err(RecvTimeoutError::Disconnected) => return,
            _ => {}
        }
    }
}

struct Writer {
    path: String,
    /// After trouble nothing more is written.
    broken: bool,
    engine: EngineFile,
    steps: StepFiles,
    jobs: HashMap<String, String>,
    synced: Instant,
}

impl Writer {
    fn begin(attempt: &Attempt) -> io::Result<Self> {
        let folder = Arc::new(attempt.begin()?);
        Ok(Self {
            path: attempt.folder(),
            broken: false,
            engine: EngineFile::create(Arc::clone(&folder), Sizes::default())?,
            steps: StepFiles::new(folder),
            jobs: HashMap::new(),
            synced: Instant::now(),
        })
    }

    fn take(&mut self, work: &Result<Work, RecvTimeoutError>, left_out: usize) -> io::Result<()> {
        if left_out > 0 {
            self.say(&format!(
                "{left_out} bytes are left out here, as the volume was too slow"
            ))?;
        }
        match work {
            Ok(Work::Lines(bytes)) => self.engine.write(bytes)?,
            Ok(Work::Failed(job)) => self.failed(job)?,
            Ok(Work::End(_)) | Err(_) => return self.sync(),
        }
        if self.synced.elapsed() >= SYNC {
            self.sync()?;
        }
        Ok(())
    }

    fn failed(&mut self, job: &FailedJob) -> io::Result<()> {
        let full = self.steps.is_full();
        if let Some(path) = self.steps.write(job)? {
            self.jobs
                .insert(job.job.clone(), format!("{}/{path}", self.path));
        }
        if !full && self.steps.is_full() {
            self.say(&format!(
                "the error output of {MOST} failed jobs is kept; that of others is not"
            ))?;
        }
        Ok(())
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        self.engine
            .write(format!("dvre-runner: {text}\n").as_bytes())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.synced = Instant::now();
        self.engine.sync()
    }

    fn kept(&self) -> Kept {
        let engine = format!("{}/{ENGINE_LOG}", self.path);
        Kept {
            engine: (!self.engine.is_empty()).then_some(engine),
            jobs: self.jobs.clone(),
        }
    }
}

#[cfg(test)]
mod tests;

//! What failed jobs printed, a file each.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::folder::Folder;
use crate::runner::record::{cut, hex};

/// The folder of all steps.
const STEPS: &str = "steps";
/// The most bytes of a file: the end of what was printed.
const FILE_LIMIT: usize = 1 << 20;
/// Of more failures than this, the first ones are kept: later ones are mostly alike.
pub const MOST: usize = 100;
/// The most bytes of a folder's name, and of the part of a file's name that tells the job.
const NAME_LIMIT: usize = 100;

/// A job that failed, and what it printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailedJob {
    /// The job's path.
    pub job: String,
    /// The path of its step.
    pub step: String,
    /// Its error output; with its standard output when both go to the same place.
    pub stderr: String,
    /// Its standard output, when that is none of its outputs.
    pub stdout: String,
}

impl FailedJob {
    /// Bytes of what it printed.
    pub fn size(&self) -> usize {
        self.stderr.len() + self.stdout.len()
    }
}

/// The files of the steps that failed.
pub struct StepFiles {
    folder: Arc<Folder>,
    /// How many files there are of each job, one for each of its tries that failed.
    tries: HashMap<String, usize>,
    count: usize,
}

impl StepFiles {
    /// None yet.
    pub fn new(folder: Arc<Folder>) -> Self {
        Self {
            folder,
            tries: HashMap::new(),
            count: 0,
        }
    }

    /// Keeps what a job printed; gives the path below the attempt's folder, `None` when there is
    /// nothing to keep or no room for more.
    pub fn write(&mut self, failed: &FailedJob) -> io::Result<Option<String>> {
        if failed.size() == 0 || self.count >= MOST {
            return Ok(None);
        }
        // Outputs need room as well.
        self.folder.free(2 * failed.size() as u64)?;
        self.count += 1;
        let tries = self.tries.entry(failed.job.clone()).or_default();
        *tries += 1;
        let mut folder = self.folder.inner(STEPS)?;
        let mut path = STEPS.to_owned();
        for part in failed.step.split('/').filter(|part| !part.is_empty()) {
            let part = plain(part);
            folder = folder.inner(&part)?;
            path = format!("{path}/{part}");
        }
        let job = failed.job.rsplit('/').next().unwrap_or_default();
        let mut name = plain(job);
        if *tries > 1 {
            name = format!("{name}-try-{tries}");
        }
        let mut kept = None;
        for (stream, text) in [("stdout", &failed.stdout), ("stderr", &failed.stderr)] {
            if text.is_empty() {
                continue;
            }
            let name = format!("{stream}-{name}.log");
            let mut file = folder.create(&name)?;
            file.write_all(end(text))?;
            // The engine trims what it passes on.
            if !text.ends_with('\n') {
                file.write_all(b"\n")?;
            }
            file.sync_data()?;
            kept = Some(format!("{path}/{name}"));
        }
        folder.sync()?;
        Ok(kept)
    }

    /// Whether there is room for no more.
    pub fn is_full(&self) -> bool {
        self.count >= MOST
    }
}

/// The last lines, at most as many bytes as a file may have.
fn end(text: &str) -> &[u8] {
    let bytes = text.as_bytes();
    let start = bytes.len().saturating_sub(FILE_LIMIT);
    let rest = bytes.get(start..).unwrap_or_default();
    let line = rest.iter().position(|&byte| byte == b'\n');
    match line {
        Some(line) if start > 0 => rest.get(line + 1..).unwrap_or_default(),
        _ => rest,
    }
}

/// A name as a file may have it. One that has to change gets a digest, so that no two become the same.
fn plain(name: &str) -> String {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.bytes().all(fits) && !name.starts_with('.') && (1..=NAME_LIMIT).contains(&name.len()) {
        return name.to_owned();
    }
    let digest = hex(&Sha256::digest(name));
    let plain: String = name
        .chars()
        .map(|character| match u8::try_from(character) {
            Ok(byte) if fits(byte) => character,
            _ => '_',
        })
        .collect();
    let plain = cut(plain.trim_start_matches('.'), NAME_LIMIT - 9);
    format!("{plain}-{}", cut(&digest, 8))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::runner::testing;

    fn failed(step: &str, job: &str, stderr: &str) -> FailedJob {
        FailedJob {
            job: job.to_owned(),
            step: step.to_owned(),
            stderr: stderr.to_owned(),
            stdout: String::new(),
        }
    }

    #[test]
    fn each_try_of_each_job_has_a_file() {
        let place = testing::folder("step-files");
        let mut files = StepFiles::new(Arc::new(Folder::open(place.path()).unwrap()));
        let mut path = |failed: FailedJob| files.write(&failed).unwrap();
        let some = |path: &str| Some(path.to_owned());
        assert_eq!(path(failed("/", "/0", "a")), some("steps/stderr-0.log"));
        assert_eq!(
            path(failed("/p/x", "/p/x/0.1", "b")),
            some("steps/p/x/stderr-0.1.log")
        );
        assert_eq!(
            path(failed("/p/x", "/p/x/0.1", "c")),
            some("steps/p/x/stderr-0.1-try-2.log")
        );
        assert_eq!(path(failed("/p/x", "/p/x/0.2", "")), None);
        let both = FailedJob {
            stdout: "out".to_owned(),
            ..failed("/q", "/q/0", "err")
        };
        assert_eq!(path(both), some("steps/q/stderr-0.log"));
        let read = |path: &str| std::fs::read_to_string(place.path().join(path)).unwrap();
        assert_eq!(read("steps/p/x/stderr-0.1.log"), "b\n");
        assert_eq!(read("steps/p/x/stderr-0.1-try-2.log"), "c\n");
        assert_eq!(read("steps/q/stdout-0.log"), "out\n");
    }

    #[test]
    fn names_lead_nowhere_else() {
        let place = testing::folder("step-names");
        let mut files = StepFiles::new(Arc::new(Folder::open(place.path()).unwrap()));
        let path = files
            .write(&failed("/../a b", "/../a b/..", "x"))
            .unwrap()
            .unwrap();
        let parts: Vec<&str> = path.split('/').collect();
        assert_eq!((parts.len(), parts[0]), (4, "steps"), "{path}");
        assert!(place.path().join(path).is_file());
        assert_ne!(plain("a b"), plain("a_b"));
        assert_ne!(plain(&"x".repeat(300)), plain(&"x".repeat(301)));
        assert!(plain(&"é".repeat(300)).len() <= NAME_LIMIT);
    }

    #[rstest]
    #[case::whole("one\ntwo\n".to_owned(), 8)]
    #[case::lines("x\n".repeat(FILE_LIMIT), FILE_LIMIT - 2)]
    #[case::one_line("x".repeat(2 * FILE_LIMIT), FILE_LIMIT)]
    fn long_outputs_lose_their_beginning(#[case] text: String, #[case] kept: usize) {
        assert_eq!(end(&text).len(), kept);
        assert!(text.as_bytes().ends_with(end(&text)));
    }

    #[test]
    fn a_flood_of_failures_ends() {
        let place = testing::folder("step-flood");
        let mut files = StepFiles::new(Arc::new(Folder::open(place.path()).unwrap()));
        let kept = (0..MOST + 5)
            .filter(|n| {
                files
                    .write(&failed("/a", &format!("/a/{n}"), "x"))
                    .unwrap()
                    .is_some()
            })
            .count();
        assert!(kept == MOST && files.is_full());
    }
}

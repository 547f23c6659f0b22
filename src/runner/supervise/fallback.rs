//! Another engine in the place of a StreamFlow that is not available.

use std::{fs, io};

use super::Supervisor;
use super::execute::{Ended, NotRun};
use crate::runner::classify::{Exit, clean};
use crate::runner::engine::Engine;
use crate::runner::failure::Failure;
use crate::runner::record::{EngineName, cut};
use crate::runner::run_file::{EngineChoice, RunFile};

/// The command's own exit code for a configuration that cannot work (`EX_CONFIG`).
const NOT_AVAILABLE: Exit = Exit::Code(78);
/// The most bytes of a reason.
const WHY_LIMIT: usize = 256;

impl Supervisor {
    /// Runs the engine, or the one that can take over when it turns out not to be available. `killed`
    /// says how many processes were killed for want of memory.
    pub(super) fn execute_available(
        &mut self,
        run: &RunFile,
        engine: &Engine,
        steps: &[String],
        killed: impl Fn() -> u64,
    ) -> Result<Ended, Failure> {
        let mut ended = self.execute(run, engine, steps);
        if let Some(why) = self.unavailable(run, engine, &ended, killed) {
            let why = cut(&clean(&why), WHY_LIMIT).to_owned();
            let engine = Engine::instead(run, &self.layout, &why)?;
            self.start_anew().map_err(|error| {
                Failure::internal(format!("cannot make room for another engine: {error}"))
            })?;
            (self.engine, self.fallback) = (engine.name, Some(why));
            ended = self.execute(run, &engine, steps);
        }
        ended.map_err(|error| match error {
            NotRun::Start(error) => Failure::internal(format!("cannot start the engine: {error}")),
            NotRun::Failure(failure) => failure,
        })
    }

    /// Why StreamFlow is not available; `None` when it is, whatever became of the run.
    fn unavailable(
        &self,
        run: &RunFile,
        engine: &Engine,
        ended: &Result<Ended, NotRun>,
        killed: impl Fn() -> u64,
    ) -> Option<String> {
        if engine.name != EngineName::Streamflow || self.stops > 0 {
            return None;
        }
        let ended = match ended {
            Ok(ended) => ended,
            Err(NotRun::Start(error)) => return Some(format!("it cannot be started: {error}")),
            Err(NotRun::Failure(_)) => return None,
        };
        if let Some(why) = ended.log.unavailable()
            && ended.exit == NOT_AVAILABLE
        {
            return Some(why.to_owned());
        }
        // Where nothing can take over, an end without a word is told like any other.
        let told = ended.log.spoke() || !self.tally.is_empty();
        if run.engine != EngineChoice::Auto || told || ended.exit == Exit::Code(0) {
            return None;
        }
        let mut why = match ended.exit {
            Exit::Code(code) => format!("it ended with exit code {code}"),
            Exit::Signal(signal) => format!("it was killed by signal {signal}"),
        };
        if killed() > 0 {
            why.push_str(" after the container used up its memory");
        }
        if let Some(words) = ended.log.last_words() {
            why = format!("{why}: {words}");
        }
        Some(why)
    }

    /// Leaves nothing of what the first engine may have written.
    fn start_anew(&mut self) -> io::Result<()> {
        self.doomed = None;
        for folder in [self.layout.outputs(), self.layout.scratch()] {
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => fs::create_dir_all(&folder)?,
            }
        }
        Ok(())
    }
}

//! When to print progress: soon after news, and not too often.

use std::time::{Duration, Instant};

/// Between two lines when jobs start and end.
const CALM: Duration = Duration::from_millis(500);
/// Between two lines when a step changes its state: thousands of steps must not flood the log.
const QUICK: Duration = Duration::from_millis(100);

/// Remembers what has not been printed yet.
#[derive(Debug, Default)]
pub struct Pace {
    last: Option<Instant>,
    news: Option<Duration>,
}

impl Pace {
    /// Something is new; `changed` when a step changed its state.
    pub fn news(&mut self, changed: bool) {
        let gap = if changed { QUICK } else { CALM };
        self.news = Some(self.news.map_or(gap, |before| before.min(gap)));
    }

    /// All has been printed.
    pub fn printed(&mut self) {
        self.last = Some(Instant::now());
        self.news = None;
    }

    /// How long until the news may be printed; `None` without news.
    pub fn pause(&self) -> Option<Duration> {
        let gap = self.news?;
        Some(
            self.last
                .map_or(Duration::ZERO, |last| gap.saturating_sub(last.elapsed())),
        )
    }

    /// Whether to print now.
    pub fn due(&self) -> bool {
        self.pause().is_some_and(|pause| pause.is_zero())
    }
}

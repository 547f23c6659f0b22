//! When to print progress: soon after news, and not so often that the log consists of it.

use std::time::{Duration, Instant};

/// Between two lines when jobs start and end.
const CALM: Duration = Duration::from_millis(500);
/// Between two lines when a step changes its state.
const QUICK: Duration = Duration::from_millis(200);
/// The longest time between two lines while there is news: readers want to know within two seconds.
const LONGEST: Duration = Duration::from_secs(1);
/// Bytes of records a second. A kubelet keeps 10 MiB of a log, and workflows of many steps have long
/// records: they must not push the engine's own lines out.
const BYTES_PER_SECOND: u32 = 16 << 10;

/// Remembers what has not been printed yet.
#[derive(Debug, Default)]
pub struct Pace {
    /// When the last line was printed, and how long it lets the next one wait at least.
    last: Option<(Instant, Duration)>,
    news: Option<Duration>,
}

impl Pace {
    /// Something is new; `changed` when a step changed its state.
    pub fn news(&mut self, changed: bool) {
        let gap = if changed { QUICK } else { CALM };
        self.news = Some(self.news.map_or(gap, |before| before.min(gap)));
    }

    /// All has been printed, in a line of so many bytes.
    pub fn printed(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let gap = Duration::from_secs(1).mul_f64(f64::from(bytes) / f64::from(BYTES_PER_SECOND));
        self.last = Some((Instant::now(), gap));
        self.news = None;
    }

    /// What seemed to be new says the same as the last line.
    pub fn nothing_new(&mut self) {
        self.news = None;
    }

    /// How long until the news may be printed; `None` without news.
    pub fn pause(&self) -> Option<Duration> {
        let gap = self.news?;
        Some(self.last.map_or(Duration::ZERO, |(last, long)| {
            gap.max(long).min(LONGEST).saturating_sub(last.elapsed())
        }))
    }

    /// Whether to print now.
    pub fn due(&self) -> bool {
        self.pause().is_some_and(|pause| pause.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn the_first_news_is_due_at_once() {
        let mut pace = Pace::default();
        assert_eq!(pace.pause(), None);
        pace.news(false);
        assert!(pace.due());
        pace.printed(100);
        assert!(!pace.due() && pace.pause().is_none());
    }

    #[rstest]
    #[case::a_step(100, true, QUICK)]
    #[case::a_job(100, false, CALM)]
    #[case::long_lines(12 << 10, true, Duration::from_millis(750))]
    #[case::huge_lines(1 << 30, false, LONGEST)]
    fn long_lines_are_printed_less_often(
        #[case] bytes: usize,
        #[case] changed: bool,
        #[case] gap: Duration,
    ) {
        let mut pace = Pace::default();
        pace.printed(bytes);
        pace.news(changed);
        assert!(pace.pause().unwrap() <= gap);
        let (last, _) = pace.last.as_mut().unwrap();
        *last = last.checked_sub(gap).unwrap();
        assert!(pace.due());
    }
}

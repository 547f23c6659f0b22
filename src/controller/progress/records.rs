//! Pure: picks a runner's records out of its log. Whatever else stands there is the engine's and the
//! tools', of any length and of any bytes.

use jiff::Timestamp;

use crate::runner::record::{Line, MARK, PROGRESS_STEPS, Progress, notable_steps};

/// A line longer than this is no record.
const LONGEST_RECORD: usize = 256 << 10;
/// What is kept of the buffer between records.
const SPARE: usize = 16 << 10;

/// Takes a log piece by piece.
#[derive(Default)]
pub struct Records {
    /// The line so far, while it can be a record.
    line: Vec<u8>,
    /// Whether the rest of the line is of no interest.
    skipping: bool,
}

impl Records {
    /// Takes a piece of the log; gives back the last progress that ends in it.
    pub fn push(&mut self, mut piece: &[u8]) -> Option<Progress> {
        let mut last = None;
        while !piece.is_empty() {
            let end = piece.iter().position(|&byte| byte == b'\n');
            let (part, rest) = piece.split_at(end.unwrap_or(piece.len()));
            self.extend(part);
            if end.is_some() {
                last = self.end().or(last);
            }
            piece = rest.get(1..).unwrap_or_default();
        }
        last
    }

    fn extend(&mut self, part: &[u8]) {
        if self.skipping {
            return;
        }
        self.line.extend_from_slice(part);
        let mark = MARK.as_bytes();
        let common = mark.len().min(self.line.len());
        if self.line.get(..common) != mark.get(..common) || self.line.len() > LONGEST_RECORD {
            self.skipping = true;
            self.line.clear();
        }
    }

    fn end(&mut self) -> Option<Progress> {
        let skipped = std::mem::take(&mut self.skipping);
        let line = std::str::from_utf8(&self.line).ok().filter(|_| !skipped);
        let record = line.and_then(Line::parse);
        self.line.clear();
        self.line.shrink_to(SPARE);
        match record? {
            Line::Progress(progress) => Some(plain(progress)),
            Line::Final(_) => None,
        }
    }
}

/// Without what makes two records differ that say the same, and within its limits.
fn plain(progress: Progress) -> Progress {
    Progress {
        time: Timestamp::default(),
        steps: notable_steps(&progress.steps, PROGRESS_STEPS),
        ..progress
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::runner::record::StepRecord;

    fn line(completed: u64) -> String {
        format!("@dvre {{\"completed\":{completed},\"total\":9}}\n")
    }

    fn completed(log: &[u8]) -> Option<u64> {
        Records::default()
            .push(log)
            .map(|progress| progress.completed)
    }

    #[rstest]
    #[case::the_last_one(format!("INFO x\n{}y\n{}", line(1), line(2)), Some(2))]
    #[case::a_line_without_end(format!("{}@dvre {{\"completed\":3}}", line(1)), Some(1))]
    #[case::within_a_line(format!("x {}", line(1)), None)]
    #[case::indented(format!(" {}", line(1)), None)]
    #[case::the_mark_alone("@dvre \n".to_owned(), None)]
    #[case::half_a_mark(format!("@dv\nre {}{}", line(4), line(5)), Some(5))]
    #[case::nonsense(format!("{}@dvre nonsense\n@dvre [1]\n@dvre {{\"completed\":-1}}\n", line(1)), Some(1))]
    #[case::nested(format!("{}@dvre {}\n", line(1), "[".repeat(100_000)), Some(1))]
    #[case::the_end(format!("{}@dvre {{\"final\":{{\"phase\":\"Succeeded\"}}}}\n", line(1)), Some(1))]
    #[case::absurd(line(u64::MAX), Some(u64::MAX))]
    #[case::too_long(format!("{}@dvre {{\"completed\":2,\"x\":\"{}\"}}\n", line(1), "x".repeat(LONGEST_RECORD)), Some(1))]
    fn records_are_told_from_everything_else(#[case] log: String, #[case] seen: Option<u64>) {
        assert_eq!(completed(log.as_bytes()), seen);
    }

    #[test]
    fn bytes_that_are_no_text_are_skipped() {
        let log = [
            b"\xff\0\xfe\n@dvre {\"completed\":\"\xff\"}\n",
            line(1).as_bytes(),
        ]
        .concat();
        assert_eq!(completed(&log), Some(1));
    }

    #[test]
    fn an_endless_line_takes_no_memory() {
        let mut records = Records::default();
        for piece in ["@dvre {", "x"] {
            for _ in 0..100_000 {
                assert_eq!(records.push(piece.as_bytes()), None);
                assert!(records.line.capacity() <= 2 * LONGEST_RECORD + SPARE);
            }
        }
        assert_eq!(records.push(b"\n"), None);
        assert!(records.line.capacity() <= SPARE);
    }

    #[test]
    fn a_crowd_of_steps_is_cut() {
        let crowd = Progress {
            steps: vec![StepRecord::default(); 2000],
            ..Progress::default()
        };
        let steps = Records::default()
            .push((crowd.to_line() + "\n").as_bytes())
            .unwrap()
            .steps;
        assert_eq!(steps.len(), PROGRESS_STEPS);
    }

    proptest! {
        /// However the log is cut into pieces, the same is seen.
        #[test]
        fn pieces_do_not_matter(log in "(@dvre \\{\"completed\":[0-9]\\}\n|[@dvre \n]{0,9})*", cuts in prop::collection::vec(1_usize..20, 0..50)) {
            let mut records = Records::default();
            let (mut last, mut rest) = (None, log.as_bytes());
            for cut in cuts {
                let (piece, more) = rest.split_at(cut.min(rest.len()));
                last = records.push(piece).or(last);
                rest = more;
            }
            last = records.push(rest).or(last);
            prop_assert_eq!(last, Records::default().push(log.as_bytes()));
        }
    }
}

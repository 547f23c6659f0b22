//! What tools write: it stands in cwltool's log between the entries, without a name.

use std::collections::VecDeque;

/// The most bytes that are kept, with what a line costs beside its text.
const LIMIT: usize = 1 << 20;
const PIECE_COST: usize = size_of::<Piece>();

/// The last of what is no entry.
#[derive(Debug, Default)]
pub struct Output {
    pieces: VecDeque<Piece>,
    size: usize,
    /// How many pieces came before those.
    gone: usize,
    echo: Option<Echo>,
}

/// A line, or a part of one where an entry came in its midst.
#[derive(Debug)]
struct Piece {
    text: String,
    ends: bool,
}

impl Output {
    /// Takes a line that is no entry, or the rest of one.
    pub fn take(&mut self, line: &str) {
        self.take_piece(line, true);
    }

    /// Takes what stands before an entry in its line: the rest of it may come after the entry.
    pub fn take_cut(&mut self, text: &str) {
        self.take_piece(text, false);
    }

    fn take_piece(&mut self, text: &str, ends: bool) {
        if let Some(echo) = &mut self.echo {
            if !echo.take(text) {
                self.echo = None;
            }
            return;
        }
        self.size += text.len() + PIECE_COST;
        let text = text.to_owned();
        self.pieces.push_back(Piece { text, ends });
        while self.size > LIMIT
            && let Some(piece) = self.pieces.pop_front()
        {
            self.size -= piece.text.len() + PIECE_COST;
            self.gone += 1;
        }
    }

    /// An entry begins with a command, whose lines are no output; others end it.
    pub fn entry(&mut self, command: Option<&str>) {
        let mut echo = Echo::default();
        self.echo = command.and_then(|command| echo.take(command).then_some(echo));
    }

    /// Where what comes next will stand.
    pub fn mark(&self) -> usize {
        self.gone + self.pieces.len()
    }

    /// Where the line begins that goes on at `mark`; the same where none does.
    pub fn line(&self, mark: usize) -> usize {
        let before = self.pieces.iter().take(mark.saturating_sub(self.gone));
        let cut = before.rev().take_while(|piece| !piece.ends).count();
        mark - cut
    }

    /// What is still there from `mark` on; it ends with a line feed, unless it is empty.
    pub fn since(&self, mark: usize) -> String {
        let mut text = String::new();
        for piece in self.pieces.iter().skip(mark.saturating_sub(self.gone)) {
            text.push_str(&piece.text);
            if piece.ends {
                text.push('\n');
            }
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }

    /// The last line that says something, or its last part.
    pub fn last(&self) -> Option<&str> {
        let mut texts = self.pieces.iter().rev().map(|piece| piece.text.trim());
        texts.find(|text| !text.is_empty())
    }
}

/// A command as cwltool prints it: over several lines, each argument quoted for a shell.
#[derive(Debug, Default)]
struct Echo {
    quote: Option<char>,
    part: Part,
}

#[derive(Debug, Default)]
enum Part {
    #[default]
    Other,
    /// The line was `/bin/sh \`.
    Shell,
    /// And the next was `-c \`.
    Option,
}

impl Echo {
    /// Takes a line; true when the command goes on in the next.
    fn take(&mut self, line: &str) -> bool {
        let text = line.trim();
        // With ShellCommandRequirement nothing is quoted, and the end of the script cannot be told.
        if matches!(self.part, Part::Option) && !text.starts_with('\'') {
            return false;
        }
        self.part = match self.part {
            _ if self.quote.is_some() => Part::Other,
            _ if text == "/bin/sh \\" => Part::Shell,
            Part::Shell if text == "-c \\" => Part::Option,
            _ => Part::Other,
        };
        for character in line.chars() {
            match self.quote {
                None if matches!(character, '\'' | '"') => self.quote = Some(character),
                Some(quote) if quote == character => self.quote = None,
                _ => {}
            }
        }
        self.quote.is_some() || line.ends_with(" \\")
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::one_line("true", &["out"], "out\n")]
    #[case::arguments("sh \\", &["    -c \\", "    'echo x'", "out"], "out\n")]
    #[case::lines_in_quotes("sh \\", &["    -c \\", "    'it'\"'\"'s", "more \\", "end' > /x/out.txt", "out"], "out\n")]
    #[case::script("/bin/sh \\", &["    -c \\", "    don't", "out"], "out\n")]
    #[case::quoted_script("/bin/sh \\", &["    -c \\", "    'a", "b'", "out"], "out\n")]
    fn commands_are_no_output(#[case] command: &str, #[case] lines: &[&str], #[case] rest: &str) {
        let mut output = Output::default();
        output.entry(Some(command));
        for line in lines {
            output.take(line);
        }
        assert_eq!(output.since(0), rest);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut output = Output::default();
        for number in 0..100_000 {
            output.take(&format!("line {number}"));
        }
        assert_eq!(output.mark(), 100_000);
        assert_eq!(output.since(99_998), "line 99998\nline 99999\n");
        let kept = output.since(0);
        assert!(
            kept.len() < LIMIT && kept.len() > LIMIT / 4,
            "{}",
            kept.len()
        );
        assert_eq!(output.last(), Some("line 99999"));
    }
}

//! What tools write: it stands in cwltool's log between the entries, without a name.

use std::collections::VecDeque;

/// The most bytes that are kept, with what a line costs beside its text.
const LIMIT: usize = 1 << 20;
const LINE_COST: usize = 24;

/// The last lines that are no entry.
#[derive(Debug, Default)]
pub struct Output {
    lines: VecDeque<String>,
    size: usize,
    /// How many lines came before those.
    gone: usize,
    /// An entry came before the end of the last line.
    cut: bool,
    echo: Option<Echo>,
}

impl Output {
    /// Takes a line that is no entry.
    pub fn take(&mut self, line: &str) {
        if let Some(echo) = &mut self.echo {
            if !echo.take(line) {
                self.echo = None;
            }
            return;
        }
        self.size += line.len();
        match self.lines.back_mut() {
            Some(last) if std::mem::take(&mut self.cut) => last.push_str(line),
            _ => {
                self.size += LINE_COST;
                self.lines.push_back(line.to_owned());
            }
        }
        while self.size > LIMIT
            && let Some(line) = self.lines.pop_front()
        {
            self.size -= line.len() + LINE_COST;
            self.gone += 1;
        }
    }

    /// Takes what stands before an entry in its line: the rest of it may come after the entry.
    pub fn take_cut(&mut self, text: &str) {
        let is_output = self.echo.is_none();
        self.take(text);
        self.cut = is_output;
    }

    /// An entry begins with a command, whose lines are no output; others end it.
    pub fn entry(&mut self, command: Option<&str>) {
        let mut echo = Echo::default();
        self.echo = command.and_then(|command| echo.take(command).then_some(echo));
    }

    /// A job has begun or ended: where the next line will stand, which is none of an earlier one.
    pub fn mark(&mut self) -> usize {
        self.cut = false;
        self.gone + self.lines.len()
    }

    /// The lines from `mark` on that are still there.
    pub fn since(&self, mark: usize) -> String {
        let lines = self.lines.iter().skip(mark.saturating_sub(self.gone));
        lines.fold(String::new(), |text, line| text + line + "\n")
    }

    /// The last line that says something.
    pub fn last(&self) -> Option<&str> {
        let says = |line: &&String| !line.trim().is_empty();
        self.lines.iter().rev().find(says).map(|line| line.trim())
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

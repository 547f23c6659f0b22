//! Pieces of foreign text made fit for a message.

/// Longest piece that is shown, in characters.
const SHOWN_CHARS: usize = 80;
/// The most names that a list shows.
const SHOWN_NAMES: usize = 12;

/// Text without control characters, and short.
#[must_use]
pub fn show(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN_CHARS)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

/// A list of names: the first few, then how many more.
pub fn list<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let mut names = names.into_iter();
    let first: Vec<_> = names
        .by_ref()
        .take(SHOWN_NAMES)
        .map(|name| show(name.as_ref()))
        .collect();
    match (first.is_empty(), names.count()) {
        (true, _) => "none".to_owned(),
        (false, 0) => first.join(", "),
        (false, left) => format!("{} and {left} more", first.join(", ")),
    }
}

/// `text` within `limit` bytes, cut at a character with an ellipsis.
#[must_use]
pub fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(limit.saturating_sub('…'.len_utf8()));
    let mut cut = text.get(..end).unwrap_or_default().to_owned();
    cut.push('…');
    cut
}

/// `text` for people, within `limit` bytes: control characters would do things to a terminal.
#[must_use]
pub fn shorten(text: &str, limit: usize) -> String {
    let clean = |char: char| match char {
        '\n' | '\t' => char,
        char if char.is_control() => ' ',
        char => char,
    };
    let clean: String = text.chars().map(clean).collect();
    cut(&clean, limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_without_control_characters() {
        assert_eq!(show("a\nb\u{1b}c"), "a?b?c");
        assert_eq!(list(["a", "b"]), "a, b");
        assert_eq!(list::<&str>([]), "none");
        assert!(list((0..20).map(|n| n.to_string())).ends_with("11 and 8 more"));
    }

    #[test]
    fn a_message_holds_nothing_that_moves_a_cursor() {
        assert_eq!(shorten("a\u{1b}[2J\r\nb\tc\u{0}", 80), "a [2J \nb\tc ");
        assert!(shorten(&"ä".repeat(2000), 1024).ends_with("ä…"));
    }

    #[test]
    fn a_cut_falls_between_characters() {
        let text = cut(&"é".repeat(100), 21);
        assert!(text.len() <= 21 && text.ends_with('…'));
        assert_eq!(cut("short", 21), "short");
    }
}

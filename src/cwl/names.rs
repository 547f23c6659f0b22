//! CWL identifiers and references: fragments, prefixes and paths between files.

use super::problem::show;

/// Prefixes under which CWL and its known extensions write their own names in full.
const OWN_PREFIXES: [&str; 6] = [
    "https://w3id.org/cwl/cwl#",
    "https://w3id.org/cwl/salad#",
    "http://www.w3.org/2001/XMLSchema#",
    "cwl:",
    "sld:",
    "xsd:",
];

/// The fragment of an identifier: what follows its `#`, or all of it.
pub(super) fn fragment(id: &str) -> &str {
    id.rsplit_once('#').map_or(id, |(_, fragment)| fragment)
}

/// The last part of an identifier: `x` of `#main/x`, `main.cwl#main/x` and `x`.
pub(super) fn short(id: &str) -> &str {
    let fragment = fragment(id);
    fragment.rsplit_once('/').map_or(fragment, |(_, last)| last)
}

/// A CWL name without the prefix of the CWL vocabulary itself.
pub(super) fn plain(name: &str) -> &str {
    OWN_PREFIXES
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name)
}

/// Whether a field or input name belongs to an extension, which CWL lets through unchecked.
pub(super) fn is_extension(name: &str) -> bool {
    name.contains(':') || name.starts_with('$')
}

/// The file and fragment of a reference.
pub(super) fn split(reference: &str) -> (&str, Option<&str>) {
    match reference.split_once('#') {
        Some((file, fragment)) => (file, Some(fragment)),
        None => (reference, None),
    }
}

/// The path that `reference` means when it stands in the file `base`.
///
/// # Errors
/// Says why, when the reference is absolute or leaves the folder of the workflow.
pub(super) fn join(base: &str, reference: &str) -> Result<String, String> {
    if reference.starts_with('/') || has_scheme(reference) {
        return Err(format!(
            "`{}` is not a relative path; only files given with the workflow can be referred to, \
             nothing is fetched",
            show(reference)
        ));
    }
    let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(reference.split('/')) {
        match part {
            ".." if parts.pop().is_none() => {
                return Err(format!(
                    "`{}` leaves the folder of the workflow",
                    show(reference)
                ));
            }
            "" | "." | ".." => {}
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// Whether the text begins like `https:`; a file name with a colon is looked up before this.
fn has_scheme(reference: &str) -> bool {
    let Some((scheme, _)) = reference.split_once(':') else {
        return false;
    };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// A reference with its percent escapes read, when it has any and they make valid text.
pub(super) fn unescape(reference: &str) -> Option<String> {
    if !reference.contains('%') {
        return None;
    }
    let mut bytes = Vec::with_capacity(reference.len());
    let mut rest = reference.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("#main/x", "main/x", "x")]
    #[case("main.cwl#main/a/x", "main/a/x", "x")]
    #[case("x", "x", "x")]
    #[case("#", "", "")]
    fn identifiers(#[case] id: &str, #[case] whole: &str, #[case] last: &str) {
        assert_eq!((fragment(id), short(id)), (whole, last));
    }

    #[rstest]
    #[case("main.cwl", "tool.cwl", Ok("tool.cwl"))]
    #[case("main.cwl", "./sub//tool.cwl", Ok("sub/tool.cwl"))]
    #[case("sub/main.cwl", "../tool.cwl", Ok("tool.cwl"))]
    #[case("sub/main.cwl", "tool.cwl", Ok("sub/tool.cwl"))]
    #[case("main.cwl", "../tool.cwl", Err("leaves"))]
    #[case("sub/main.cwl", "a/../../../tool.cwl", Err("leaves"))]
    #[case("main.cwl", "/etc/passwd", Err("relative"))]
    #[case("main.cwl", "https://example.org/tool.cwl", Err("relative"))]
    #[case("main.cwl", "file:///etc/passwd", Err("relative"))]
    fn paths(#[case] base: &str, #[case] reference: &str, #[case] expected: Result<&str, &str>) {
        match (join(base, reference), expected) {
            (Ok(path), Ok(expected)) => assert_eq!(path, expected),
            (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
            (found, _) => panic!("{found:?}"),
        }
    }

    #[rstest]
    #[case("a%20b", Some("a b"))]
    #[case("a", None)]
    #[case("a%2", None)]
    #[case("a%zz", None)]
    #[case("a%ff", None)]
    fn escapes(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(unescape(text).as_deref(), expected);
    }
}

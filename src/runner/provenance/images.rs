//! Container images, each as an entity with its digest where that is known.

use serde::Deserialize;
use serde_json::json;

use super::graph::{Graph, escape};

/// An image that a step, or the runner itself, ran in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Image {
    /// Its reference, as it was asked for.
    #[serde(rename = "image")]
    pub reference: String,
    /// A text that ends in `sha256:` and the digest, as the runtime tells it.
    #[serde(default)]
    pub digest: Option<String>,
    /// Whether it is an image file of apptainer.
    #[serde(default)]
    pub sif: bool,
}

/// Adds an image; gives back its `@id`.
pub fn image(graph: &mut Graph, image: &Image) -> String {
    let Parts {
        registry,
        name,
        tag,
        pinned,
    } = parts(&image.reference);
    let told = image.digest.as_deref().and_then(digest);
    let sha256 = told.or(pinned);
    let mut id = format!("#image/{}", escape(&image.reference));
    if let Some(sha256) = sha256 {
        id = format!("{id}/{}", sha256.get(..12).unwrap_or(sha256));
    }
    let kind = if image.sif { "SIFImage" } else { "DockerImage" };
    let kind = format!("https://w3id.org/ro/terms/workflow-run#{kind}");
    graph.put(
        &id,
        &["ContainerImage"],
        json!({"name": name, "registry": registry, "tag": tag, "sha256": sha256,
            "identifier": image.reference, "additionalType": {"@id": kind}}),
    )
}

struct Parts<'a> {
    registry: &'a str,
    name: &'a str,
    tag: Option<&'a str>,
    pinned: Option<&'a str>,
}

/// The parts of a reference, by Docker's rules.
fn parts(reference: &str) -> Parts<'_> {
    let reference = reference.strip_prefix("docker://").unwrap_or(reference);
    let (rest, pinned) = match reference.split_once('@') {
        Some((rest, pinned)) => (rest, digest(pinned)),
        None => (reference, None),
    };
    let (registry, rest) = match rest.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => ("docker.io", rest),
    };
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    let tag = tag.or_else(|| pinned.is_none().then_some("latest"));
    Parts {
        registry,
        name,
        tag,
        pinned,
    }
}

fn digest(text: &str) -> Option<&str> {
    let (_, digest) = text.rsplit_once("sha256:")?;
    let whole = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole.then_some(digest)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[rstest]
    #[case("python:3.9-slim", ("docker.io", "python", Some("3.9-slim")))]
    #[case("busybox", ("docker.io", "busybox", Some("latest")))]
    #[case("quay.io/bio/samtools:1", ("quay.io", "bio/samtools", Some("1")))]
    #[case("localhost:5000/a/b", ("localhost:5000", "a/b", Some("latest")))]
    #[case("docker://alpine:3", ("docker.io", "alpine", Some("3")))]
    fn references(#[case] text: &str, #[case] expected: (&str, &str, Option<&str>)) {
        let parts = parts(text);
        assert_eq!((parts.registry, parts.name, parts.tag), expected);
    }

    #[test]
    fn digests_are_those_of_the_reference_or_of_the_runtime() {
        let pinned = format!("ghcr.io/x/y@sha256:{DIGEST}");
        assert_eq!(
            (parts(&pinned).pinned, parts(&pinned).tag),
            (Some(DIGEST), None)
        );
        assert_eq!(
            digest(&format!("docker-pullable://a/b@sha256:{DIGEST}")),
            Some(DIGEST)
        );
        assert_eq!(digest("sha256:abc"), None);
    }
}

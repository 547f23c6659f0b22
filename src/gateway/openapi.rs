//! The OpenAPI document. It is kept by hand; tests hold it against the routes and against answers.

#[cfg(test)]
mod fits;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use serde_json::{Value, json};

const TEXT: &str = include_str!("openapi.yaml");

/// The document.
#[must_use]
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
        // Tests read it, so it can be read here.
        let mut document: Value = serde_yaml::from_str(TEXT).unwrap_or_default();
        if let Some(version) = document.pointer_mut("/info/version") {
            *version = json!(env!("CARGO_PKG_VERSION"));
        }
        document
    });
    &DOCUMENT
}

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{overlaid, overlaid_on};
use crate::streamflow_file::{Document, Own, Schema, overlay};

/// Words that mean something in a file, so that what is made up gets anywhere.
const WORDS: &[&str] = &[
    "a",
    "b",
    "bindings",
    "cwl",
    "config",
    "deployment",
    "deployments",
    "docker",
    "dvre",
    "file",
    "filters",
    "inCluster",
    "local",
    "models",
    "port",
    "policies",
    "scheduler",
    "scheduling",
    "scheduling_policy",
    "step",
    "target",
    "type",
    "version",
    "workdir",
    "workflows",
    "wraps",
    "/",
    "//",
    "/a",
    "v1.0",
    "<<",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![4 => proptest::sample::select(WORDS).prop_map(str::to_owned), 1 => ".{0,8}"]
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(7, 80, 6, |inner| {
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            3 => proptest::collection::vec((word(), inner), 0..6)
                .prop_map(|all| Value::Object(all.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A file that has the right form in most places.
fn nearly() -> impl Strategy<Value = Value> {
    (anything(), anything(), anything(), anything(), anything()).prop_map(|(a, b, c, d, e)| {
        json!({"version": "v1.0", "deployments": {"a": {"type": "local", "config": a, "wraps": e}, "local": {"type": "docker"}, "b": b},
            "workflows": {"dvre": {"type": "cwl", "config": {"docker": c},
                "bindings": [{"step": "/", "target": {"deployment": "a"}}, d]}}})
    })
}

proptest! {
    #[test]
    fn no_value_is_too_odd(user in prop_oneof![anything(), nearly()]) {
        let own = Own {
            workflow_file: "w", settings_file: "s", scratch: "/s", database: &Value::Null, scheduler: &user,
            deployment: "a", fallback: Some(&user), steps: &["//".to_owned(), String::new(), "/é/b".to_owned()],
        };
        if let Ok(overlaid) = overlay(&user, &own) {
            prop_assert!(overlaid.text.contains("workflows:"));
        }
    }

    #[test]
    fn no_text_is_too_odd(text in prop_oneof![".{0,200}", "[-a-z:\\[\\]{}&*!|>\n ,#'\"%]{0,200}"]) {
        let _ = overlaid(&text);
    }

    #[test]
    fn no_schema_is_too_odd(schema in anything(), user in nearly()) {
        let schema = Schema::new(json!({"type": "object", "properties": {"deployments": schema}}).to_string()).unwrap();
        if let Ok(document) = Document::read(&user.to_string()) {
            let _ = schema.check(&document);
        }
    }
}

#[test]
fn what_is_large_takes_no_time() {
    let started = Instant::now();
    let many = |one: &dyn Fn(usize) -> String| (0..8000).map(one).collect::<String>();
    let wraps = many(&|n| format!("  d{n}: {{type: ssh, wraps: d{}}}\n", n + 1));
    assert!(overlaid_on("d0", None, &format!("version: v1.0\ndeployments:\n{wraps}")).is_err());
    let ports = many(&|n| format!("  - {{port: /{n}, target: {{deployment: a, workdir: /}}}}\n"));
    let text = format!(
        "version: v1.0\ndeployments: {{a: {{type: local}}}}\nworkflows:\n w:\n  type: cwl\n  bindings:\n{ports}"
    );
    assert!(
        overlaid_on(
            "a",
            None,
            text.get(..250_000)
                .unwrap_or(&text)
                .rsplit_once('\n')
                .unwrap()
                .0
        )
        .is_ok()
    );
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
}

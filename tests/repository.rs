//! What is committed agrees with what the code says.

// Clippy knows tests by their attribute, and not what they call.
#![allow(clippy::unwrap_used)]

use clap::Parser;
use dvre_operator::api::{Reason, schema};
use dvre_operator::offline;
use dvre_operator::settings::RunSettings;
use serde_json::Value;

#[derive(Parser)]
struct Defaults {
    #[command(flatten)]
    run: RunSettings,
}

fn committed(path: &str) -> std::io::Result<String> {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR")))
}

#[test]
fn the_crd_is_what_the_types_say() {
    let generated = serde_yaml::to_string(&schema::crd()).unwrap();
    assert!(
        committed("crds/dvreworkflows.dvre.io.yaml").unwrap() == generated,
        "run `make generate`"
    );
}

#[test]
fn the_openapi_document_is_what_the_program_prints() {
    let committed: Value = serde_json::from_str(&committed("docs/openapi.json").unwrap()).unwrap();
    assert!(
        &committed == dvre_operator::gateway::openapi::document(),
        "run `make generate`"
    );
}

#[test]
fn every_example_would_be_run() {
    let schema = schema_file();
    let flags = [
        "test",
        "--allow-privileged",
        "--steps-role=steps",
        "--streamflow-schema",
        &schema,
    ];
    let settings = Defaults::parse_from(flags).run;
    let folder = format!("{}/examples", env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let text = std::fs::read_to_string(&path).unwrap();
            if text.contains("streamflowFrom") && schema.is_empty() {
                eprintln!(
                    "{} is passed over: DVRE_STREAMFLOW names no StreamFlow",
                    path.display()
                );
                continue;
            }
            let rendered = offline::render(&text, &settings);
            assert!(
                rendered.is_ok(),
                "{}: {}",
                path.display(),
                rendered.unwrap_err()
            );
            count += 1;
        }
    }
    assert!(count >= 9, "only {count} examples");
}

/// A file with StreamFlow's schema, or nothing where the environment names no StreamFlow.
fn schema_file() -> String {
    let Some(program) = std::env::var_os("DVRE_STREAMFLOW") else {
        return String::new();
    };
    let schema = std::process::Command::new(program)
        .args(["schema", "v1.0"])
        .output();
    let file = std::env::temp_dir().join(format!("dvre-schema-{}.json", std::process::id()));
    std::fs::write(&file, schema.unwrap().stdout).unwrap();
    file.to_str().unwrap().to_owned()
}

/// The names of all reasons, as the schema lists them.
fn reasons() -> Vec<String> {
    fn collect(value: &Value, names: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                names.extend(map.get("const").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| collect(value, names));
            }
            Value::Array(list) => list.iter().for_each(|value| collect(value, names)),
            _ => {}
        }
    }
    let mut names = Vec::new();
    collect(schemars::schema_for!(Reason).as_value(), &mut names);
    names
}

#[test]
fn every_reason_is_explained() {
    let page = committed("docs/status.md").unwrap();
    let reasons = reasons();
    assert!(reasons.len() > 20, "the schema lists {reasons:?}");
    for reason in reasons {
        assert!(
            page.contains(&format!("`{reason}`")),
            "docs/status.md does not explain {reason}"
        );
    }
}

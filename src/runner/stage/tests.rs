use std::os::unix::fs::symlink;

use super::*;
use crate::runner::testing::{Folder, folder};

const CWL: &str = "\
cwlVersion: v1.2
class: CommandLineTool
baseCommand: echo
inputs: {a: int?, b: string?, f: File?}
outputs: {}
";

/// A run's folders, with the workflow files behind links as the kubelet makes them.
fn world(inputs: &[(&str, &str)], volumes: &[&str]) -> (Folder, Layout, RunFile) {
    let world = folder("stage");
    world.write("dvre/run/..2026_11_23/workflow/main.cwl", CWL);
    world.write("dvre/run/..2026_11_23/workflow/tools/t.cwl", "tool");
    world.write("dvre/run/streamflow.yml", "version: v1.0");
    symlink("..2026_11_23", world.path().join("dvre/run/..data")).unwrap();
    symlink("..data/workflow", world.path().join("dvre/run/workflow")).unwrap();
    for (path, text) in inputs {
        world.write(path.trim_start_matches('/'), text);
    }
    for volume in volumes {
        world.write(&format!("dvre/volumes/{volume}/..data_1/key"), "value");
        symlink(
            "..data_1/key",
            world.path().join(format!("dvre/volumes/{volume}/key")),
        )
        .unwrap();
    }
    let run = serde_json::from_value(serde_json::json!({
        "namespace": "default", "name": "hello", "deployment": "local",
        "entrypoint": "main.cwl", "secretInputs": true,
        "inputs": inputs.iter().map(|(path, _)| path).collect::<Vec<_>>(), "copyVolumes": volumes,
    }))
    .unwrap();
    let layout = Layout::new(world.path());
    (world, layout, run)
}

#[test]
fn puts_real_files_in_place() {
    let inputs = [
        ("/dvre/run/inputs-0.yaml", "a: 1\nb: 2"),
        ("/dvre/secrets/1/inputs", "b: hunter2"),
        (
            "/dvre/run/inputs.json",
            r#"{"f": {"class": "File", "path": "/data/refs/key"}}"#,
        ),
    ];
    let (world, layout, run) = world(&inputs, &["refs"]);
    let Staged {
        redactor, steps, ..
    } = stage(&layout, &run).unwrap();
    assert_eq!(steps, ["/"]);
    let read = |path: &str| fs::read_to_string(world.path().join(path)).unwrap();
    assert_eq!(read("work/workflow/main.cwl"), CWL);
    assert_eq!(read("work/workflow/tools/t.cwl"), "tool");
    assert_eq!(read("work/streamflow.yml"), "version: v1.0");
    assert_eq!(read("data/refs/key"), "value");
    assert!(!world.path().join("data/refs/key").is_symlink());
    assert!(!world.path().join("data/refs/..data_1").exists());
    let object: Value = serde_json::from_str(&read("work/inputs.json")).unwrap();
    assert_eq!((&object["a"], &object["b"]), (&1.into(), &"hunter2".into()));
    assert!(
        object["f"]["location"]
            .as_str()
            .unwrap()
            .ends_with("/data/refs/key")
    );
    assert_eq!(redactor.text("b is hunter2"), "b is [redacted]");
}

#[test]
fn a_failure_hides_what_comes_from_a_secret() {
    let inputs = [(
        "/dvre/secrets/0/inputs",
        r#"{"f": {"class": "File", "path": "private.txt"}}"#,
    )];
    let (_world, layout, run) = world(&inputs, &[]);
    let failure = stage(&layout, &run).unwrap_err();
    assert_eq!(
        failure.message,
        r#"inputs.f.path: there is no file "[redacted]" among the workflow files"#
    );
}

#[test]
fn a_volume_stays_in_its_folder() {
    let (_world, layout, mut run) = world(&[], &[]);
    run.copy_volumes = vec!["../x".to_owned()];
    assert_eq!(
        stage(&layout, &run).unwrap_err().message,
        r#""../x" is no name of a volume"#
    );
}

#[test]
fn a_run_file_that_is_missing_or_broken_is_said() {
    let (world, layout, _) = world(&[], &[]);
    assert!(
        read_run(&layout)
            .unwrap_err()
            .message
            .starts_with("cannot read run.json")
    );
    world.write("dvre/run/run.json", "{");
    assert!(
        read_run(&layout)
            .unwrap_err()
            .message
            .starts_with("run.json: ")
    );
}

#[test]
fn inputs_are_checked_against_the_workflow() {
    let inputs = [("/dvre/secrets/0/inputs", "a: hunter2")];
    let (_world, layout, run) = world(&inputs, &[]);
    let failure = stage(&layout, &run).unwrap_err();
    assert_eq!(failure.reason, crate::runner::record::Reason::InvalidInputs);
    assert!(failure.message.starts_with("inputs.a: "), "{failure}");
    assert!(!failure.message.contains("hunter2"), "{failure}");
}

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::runner::testing::{Folder, folder};

fn world(programs: &[&str], run: &Value) -> (Folder, Layout, RunFile) {
    let world = folder("engine");
    for program in programs {
        world.write(&format!("usr/local/bin/{program}"), "");
    }
    let mut whole = json!({"namespace": "default", "name": "hello", "deployment": "local", "entrypoint": "a/main.cwl#it"});
    let fields = run.as_object().cloned().unwrap_or_default();
    whole.as_object_mut().unwrap().extend(fields);
    let layout = Layout::new(world.path());
    (world, layout, serde_json::from_value(whole).unwrap())
}

const STREAMFLOW: &str = "dvre-streamflow";

#[rstest]
#[case::usual(&[STREAMFLOW, "cwltool"], json!({}), EngineName::Streamflow, None)]
#[case::only(&[STREAMFLOW], json!({"engine": "StreamFlow"}), EngineName::Streamflow, None)]
#[case::wanted(&[STREAMFLOW, "cwltool"], json!({"engine": "Cwltool"}), EngineName::Cwltool, None)]
#[case::instead(&["cwltool"], json!({}), EngineName::Cwltool, Some("this runner image has no StreamFlow"))]
fn chooses(
    #[case] programs: &[&str],
    #[case] run: Value,
    #[case] name: EngineName,
    #[case] fallback: Option<&str>,
) {
    let (_world, layout, run) = world(programs, &run);
    let (engine, why) = Engine::choose(&run, &layout).unwrap();
    assert_eq!((engine.name, why.as_deref()), (name, fallback));
}

#[rstest]
#[case::none(&[], json!({}),
    "StreamFlow is not available: this runner image has no StreamFlow; there is no fallback: this runner image has no cwltool")]
#[case::refused(&["cwltool"], json!({"cwltool": {"refused": "step pods"}}),
    "StreamFlow is not available: this runner image has no StreamFlow; there is no fallback: step pods")]
#[case::never(&["cwltool"], json!({"engine": "StreamFlow"}),
    "StreamFlow is not available: this runner image has no StreamFlow")]
#[case::no_cwltool(&[STREAMFLOW], json!({"engine": "Cwltool"}), "this runner image has no cwltool")]
#[case::cannot(&["cwltool"], json!({"engine": "Cwltool", "cwltool": {"refused": "step pods"}}),
    "cwltool cannot do this run: step pods")]
fn gives_up(#[case] programs: &[&str], #[case] run: Value, #[case] message: &str) {
    let (_world, layout, run) = world(programs, &run);
    let failure = Engine::choose(&run, &layout).unwrap_err();
    assert_eq!(failure.reason, Reason::DeploymentFailed);
    assert_eq!(failure.message, message);
}

#[rstest]
#[case::local(json!({"image": "x"}), &["--no-container"], &["--default-container", "--singularity", "--parallel-max"])]
#[case::docker(json!({"containers": "Docker", "image": "x:1"}), &["--default-container", "x:1"], &["--no-container"])]
#[case::docker_without(json!({"containers": "Docker"}), &[], &["--no-container", "--default-container"])]
#[case::singularity(json!({"containers": "Singularity", "image": "docker://x"}),
    &["--singularity", "--default-container", "docker://x"], &["--no-container"])]
fn cwltool_is_told_where_tools_run(
    #[case] cwltool: Value,
    #[case] with: &[&str],
    #[case] without: &[&str],
) {
    let run = json!({"engine": "Cwltool", "cwltool": cwltool});
    let (world, layout, run) = world(&["cwltool"], &run);
    let (engine, _) = Engine::choose(&run, &layout).unwrap();
    let command = engine.command(&layout);
    let arguments: Vec<String> = command
        .get_args()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    assert!(
        with.iter()
            .all(|option| arguments.iter().any(|other| other == option)),
        "{arguments:?}"
    );
    assert!(
        !without
            .iter()
            .any(|option| arguments.iter().any(|other| other == option)),
        "{arguments:?}"
    );
    let work = world.path().join("work");
    let last: Vec<String> = ["workflow/a/main.cwl#it", "inputs.json"]
        .iter()
        .map(|name| work.join(name).to_string_lossy().into_owned())
        .collect();
    assert!(arguments.ends_with(&last), "{arguments:?}");
    assert!(arguments.contains(&work.join("scratch/tmp/").to_string_lossy().into_owned()));
    assert!(!command.get_envs().any(|(name, _)| name == "DVRE_EVENTS"));
}

#[test]
fn cwltool_does_not_run_more_at_once_than_the_container_may() {
    let (world, layout, run) = world(&["cwltool"], &json!({"engine": "Cwltool"}));
    world.write("sys/fs/cgroup/cpu.max", "150000 100000\n");
    let (engine, _) = Engine::choose(&run, &layout).unwrap();
    let command = engine.command(&layout);
    let arguments: Vec<_> = command.get_args().collect();
    assert!(
        arguments
            .windows(2)
            .any(|pair| pair == ["--parallel-max", "2"]),
        "{arguments:?}"
    );
}

//! How runs end, and what of them is recorded.

use dvre_operator::runner::record::{Phase, Reason, Stage, StepPhase, StepRecord};
use serde_json::json;

use super::world::World;

#[test]
fn success_with_outputs_in_their_place() {
    let world = World::new()
        .engine(
            "mkdir -p ../work/outputs/d; echo hi > outputs/a.txt; echo deep > outputs/d/b.txt\n\
             emit '{\"event\":\"workflow\",\"steps\":[\"/\"]}' \\\n\
               '{\"event\":\"job\",\"job\":\"/0\",\"step\":\"/\",\"status\":\"RUNNING\",\"time\":1}'\n\
             sleep 0.3\n\
             emit '{\"event\":\"job\",\"job\":\"/0\",\"step\":\"/\",\"status\":\"COMPLETED\",\"time\":2}' \\\n\
               '{\"event\":\"step\",\"step\":\"/\",\"status\":\"COMPLETED\",\"time\":2}' nonsense\n\
             echo 'a log line' >&2\n\
             echo \"{\\\"f\\\":{\\\"class\\\":\\\"File\\\",\\\"path\\\":\\\"$PWD/outputs/a.txt\\\"},\\\"n\\\":1,\n\
               \\\"d\\\":{\\\"class\\\":\\\"Directory\\\",\\\"path\\\":\\\"$PWD/outputs/d\\\"}}\"",
        )
        .with("outputs", json!("/outputs"));
    std::fs::create_dir(world.root.join("outputs")).unwrap();
    let ended = world.run();
    assert_eq!(
        (ended.outcome.phase, ended.outcome.reason, ended.code),
        (Phase::Succeeded, Reason::Completed, Some(0))
    );
    assert!(
        ended.outcome.message.starts_with("1 step completed in "),
        "{}",
        ended.outcome.message
    );
    assert_eq!((ended.outcome.completed, ended.outcome.total), (1, 1));
    assert_eq!(ended.outcome.steps[0].phase, StepPhase::Succeeded);
    let outputs = serde_json::Value::Object(ended.outcome.outputs.clone().unwrap());
    // printf 'hi\n' | sha1sum
    let file = json!({"class": "File", "basename": "a.txt", "size": 3, "contents": "hi\n", "location": "a.txt",
        "checksum": "sha1$55ca6286e3e4f4fba5d0448333fa99fc5a404a73"});
    assert_eq!((&outputs["f"], &outputs["n"]), (&file, &json!(1)));
    assert_eq!(outputs["d"]["listing"][0]["location"], "d/b.txt");
    assert_eq!(world.read("outputs/a.txt"), "hi\n");
    assert_eq!(world.read("outputs/d/b.txt"), "deep\n");
    let stored: serde_json::Value =
        serde_json::from_str(&world.read("outputs/.dvre/outcome.json")).unwrap();
    assert_eq!(
        (&stored["outputs"], &stored["phase"]),
        (&outputs, &json!("Succeeded"))
    );
    assert_eq!(ended.whole, ended.outcome);
    assert!(ended.log.contains("a log line\n"));
    let stages: Vec<Stage> = ended
        .progress
        .iter()
        .map(|progress| progress.stage)
        .collect();
    assert_eq!(
        (stages[0], stages[1], stages[stages.len() - 1]),
        (Stage::Staging, Stage::Running, Stage::Collecting)
    );
    let running = |step: &StepRecord| (step.phase, step.total) == (StepPhase::Running, 1);
    assert!(
        ended
            .progress
            .iter()
            .any(|progress| progress.steps.iter().any(running))
    );
}

#[test]
fn a_failed_step_says_which_and_why() {
    let world = World::new().engine(
        "emit '{\"event\":\"workflow\",\"steps\":[\"/a\",\"/b\"]}' \\\n\
           '{\"event\":\"job\",\"job\":\"/a/0\",\"step\":\"/a\",\"status\":\"RUNNING\"}' \\\n\
           '{\"event\":\"command\",\"job\":\"/a/0\",\"step\":\"/a\",\"exitCode\":7,\"stderr\":\"no such sample\\n\"}' \\\n\
           '{\"event\":\"step\",\"step\":\"/a\",\"status\":\"FAILED\"}'\nexit 1",
    );
    let ended = world.run();
    assert_eq!(
        (ended.outcome.reason, ended.code),
        (Reason::StepFailed, Some(1))
    );
    assert_eq!(
        ended.outcome.message,
        "step /a failed with exit code 7: no such sample"
    );
    assert_eq!(
        (
            ended.outcome.failed_step.as_deref(),
            ended.outcome.exit_code
        ),
        (Some("/a"), Some(7))
    );
    let phases: Vec<StepPhase> = ended.outcome.steps.iter().map(|step| step.phase).collect();
    assert_eq!(phases, [StepPhase::Failed, StepPhase::Cancelled]);
}

#[test]
fn a_step_killed_for_want_of_memory() {
    let world = World::new().engine(
        "emit '{\"event\":\"command\",\"job\":\"/0\",\"step\":\"/\",\"exitCode\":137}'\n\
         echo 'oom_kill 3' > ../sys/fs/cgroup/memory.events; exit 1",
    );
    world.write("sys/fs/cgroup/memory.events", "low 0\noom_kill 2\n");
    world.write("sys/fs/cgroup/memory.max", "67108864\n");
    let ended = world.run();
    assert_eq!(ended.outcome.reason, Reason::OutOfMemory);
    assert!(
        ended.outcome.message.contains("memory of 64Mi"),
        "{}",
        ended.outcome.message
    );
}

#[test]
fn too_large_an_output_object_is_refused() {
    let world = World::new()
        .engine("python3 -c 'print(\"{\\\"x\\\": \\\"\" + \"y\" * (17 << 20) + \"\\\"}\")'");
    let ended = world.run();
    assert_eq!(ended.outcome.reason, Reason::OutputsFailed);
    assert_eq!(
        ended.outcome.message,
        "the output object is larger than 16 MiB"
    );
}

#[test]
fn a_large_output_object_is_whole_in_the_log_alone() {
    let world = World::new()
        .engine("python3 -c 'print(\"{\\\"x\\\": \\\"\" + \"y\" * 100000 + \"\\\"}\")'");
    let ended = world.run();
    assert_eq!(ended.outcome.phase, Phase::Succeeded);
    assert!(ended.outcome.outputs_truncated && ended.outcome.outputs.is_none());
    assert_eq!(
        ended.whole.outputs.unwrap()["x"].as_str().unwrap().len(),
        100_000
    );
    assert_eq!(ended.whole.outputs_digest, ended.outcome.outputs_digest);
}

#[test]
fn outputs_that_cannot_be_stored_fail_the_run() {
    let world = World::new()
        .engine("echo hi > outputs/a; echo \"{\\\"f\\\":{\\\"class\\\":\\\"File\\\",\\\"path\\\":\\\"$PWD/outputs/a\\\"}}\"")
        .with("outputs", json!("/outputs"));
    std::fs::create_dir_all(world.root.join("outputs/a")).unwrap();
    let ended = world.run();
    assert_eq!(
        (ended.outcome.phase, ended.outcome.reason),
        (Phase::Failed, Reason::OutputsFailed)
    );
    assert!(
        ended
            .outcome
            .message
            .starts_with("output f cannot be stored: "),
        "{}",
        ended.outcome.message
    );
}

#[test]
fn secrets_reach_neither_log_nor_records() {
    let cwl = "{cwlVersion: v1.2, class: CommandLineTool, baseCommand: \"true\", inputs: {key: string}, outputs: {}}";
    let world = World::new()
        .engine(
            "echo \"curl -H 'hunter2-key'\" >&2; printf hunter2-key > outputs/hunter2-key.txt\n\
             emit '{\"event\":\"command\",\"job\":\"/0\",\"step\":\"/\",\"exitCode\":0}'\n\
             echo \"{\\\"o\\\": \\\"hunter2-key\\\", \\\"f\\\":{\\\"class\\\":\\\"File\\\",\\\"path\\\":\\\"$PWD/outputs/hunter2-key.txt\\\"}}\"",
        )
        .workflow(cwl, &json!({}))
        .with("inputs", json!(["/dvre/run/inputs.json", "/dvre/secrets/1/inputs"]))
        .with("secretInputs", json!(true));
    world.write("dvre/secrets/1/inputs", "key: hunter2-key\n");
    let ended = world.run();
    assert_eq!(ended.outcome.phase, Phase::Succeeded);
    assert!(world.read("work/inputs.json").contains("hunter2-key"));
    assert!(!ended.log.contains("hunter2"), "{}", ended.log);
    assert!(!world.read("dev/termination-log").contains("hunter2"));
    assert_eq!(
        ended.outcome.outputs.unwrap()["f"]["contents"],
        "[redacted]"
    );
}

#[test]
fn a_secret_in_the_error_of_a_step_is_hidden() {
    let cwl = "{cwlVersion: v1.2, class: CommandLineTool, baseCommand: \"true\", inputs: {key: string}, outputs: {}}";
    let world = World::new()
        .engine(
            "emit '{\"event\":\"command\",\"job\":\"/0\",\"step\":\"/\",\"exitCode\":3,\"stderr\":\"bad key hunter2-key!\"}'; exit 1",
        )
        .workflow(cwl, &json!({}))
        .with("inputs", json!(["/dvre/secrets/0/inputs"]))
        .with("secretInputs", json!(true));
    world.write("dvre/secrets/0/inputs", "key: hunter2-key\n");
    let ended = world.run();
    assert_eq!(
        ended.outcome.message,
        "step / failed with exit code 3: bad key [redacted]!"
    );
}

#[test]
fn wrong_inputs_are_told_before_the_engine_starts() {
    let cwl = "{cwlVersion: v1.2, class: CommandLineTool, baseCommand: \"true\", inputs: {f: File}, outputs: {}}";
    let world = World::new()
        .engine("echo started")
        .workflow(cwl, &json!({"f": {"class": "File", "path": "gone.txt"}}));
    let ended = world.run();
    assert_eq!(ended.outcome.reason, Reason::InvalidInputs);
    assert_eq!(
        ended.outcome.message,
        "inputs.f.path: there is no file \"gone.txt\" among the workflow files"
    );
    assert!(!ended.log.contains("started"));
}

#[test]
fn step_pods_and_ssh_get_what_only_the_container_knows() {
    let world = World::new()
        .engine("cat pods/train.yaml home/.ssh/known_hosts >&2; echo '{}'")
        .with("sshHosts", json!(1))
        .env("HOME", "/work/home".as_ref())
        .env("DVRE_JOB_NAME", "hello-1".as_ref())
        .env("DVRE_JOB_UID", "0a1b".as_ref());
    world.write(
        "dvre/run/pods/train.yaml",
        "owner: $(DVRE_JOB_NAME) $(DVRE_JOB_UID)\n",
    );
    world.write("dvre/ssh/0/ssh-privatekey", "key");
    world.write("dvre/ssh/0/known_hosts", "login ssh-ed25519 AAAA\n");
    let ended = world.run();
    assert_eq!(ended.outcome.phase, Phase::Succeeded, "{}", ended.log);
    assert!(
        ended
            .log
            .contains("owner: hello-1 0a1b\nlogin ssh-ed25519 AAAA\n"),
        "{}",
        ended.log
    );
    world.write("dvre/run/pods/train.yaml", "namespace: $(DVRE_NAMESPACE)\n");
    let ended = world.run();
    assert_eq!(ended.outcome.reason, Reason::InternalError, "{}", ended.log);
    assert!(
        ended.outcome.message.contains("DVRE_NAMESPACE"),
        "{}",
        ended.outcome.message
    );
}

#[test]
fn there_is_a_record_even_without_a_readable_run() {
    let ended = World::new().with("graceSeconds", json!("long")).run();
    assert_eq!(
        (ended.outcome.reason, ended.code),
        (Reason::InternalError, Some(1))
    );
    assert!(
        ended.outcome.message.starts_with("run.json: "),
        "{}",
        ended.outcome.message
    );
}

#[test]
fn an_image_without_streamflow_says_so() {
    let ended = World::new().run();
    assert_eq!(ended.outcome.reason, Reason::DeploymentFailed);
    assert_eq!(
        ended.outcome.message,
        "StreamFlow is not available: this runner image has no StreamFlow; \
         there is no fallback: this runner image has no cwltool"
    );
}

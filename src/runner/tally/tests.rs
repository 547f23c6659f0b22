use super::*;
use crate::runner::record::{Phase, Stage};

fn tally(events: &[&str]) -> Tally {
    let mut tally = Tally::default();
    for event in events {
        tally.take(serde_json::from_str(event).unwrap());
    }
    tally
}

const STEPS: &str = r#"{"event":"workflow","steps":["/a","/b"]}"#;
const A_RUNS: &str =
    r#"{"event":"job","job":"/a/0","step":"/a","status":"RUNNING","time":10.0004}"#;
const A_DONE: &str = r#"{"event":"job","job":"/a/0","step":"/a","status":"COMPLETED","time":11}"#;
const A_STEP: &str = r#"{"event":"step","step":"/a","status":"COMPLETED","time":11.5}"#;
const B_RUNS: &str = r#"{"event":"job","job":"/b/0","step":"/b","status":"RUNNING","time":12}"#;
const B_EXIT: &str =
    r#"{"event":"command","job":"/b/0","step":"/b","exitCode":7,"stderr":"boom","time":13}"#;
const B_STEP: &str = r#"{"event":"step","step":"/b","status":"FAILED","time":13}"#;

#[test]
fn repeated_events_count_once() {
    let tally = tally(&[
        STEPS, A_RUNS, A_RUNS, A_DONE, STEPS, A_DONE, A_STEP, A_STEP, B_RUNS,
    ]);
    assert_eq!(tally.jobs(), (1, 2));
    let steps = tally.steps();
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[0].phase, StepPhase::Succeeded);
    assert_eq!(
        steps[0].start_time.unwrap().to_string(),
        "1970-01-01T00:00:10Z"
    );
    assert_eq!(
        steps[0].completion_time.unwrap().to_string(),
        "1970-01-01T00:00:11.5Z"
    );
    assert_eq!(steps[1].phase, StepPhase::Running);
}

#[test]
fn only_changes_of_a_step_are_changes() {
    let mut tally = Tally::default();
    let changes: Vec<bool> = [
        STEPS, A_RUNS, A_RUNS, A_DONE, A_STEP, A_STEP, B_EXIT, B_STEP,
    ]
    .iter()
    .map(|event| tally.take(serde_json::from_str(event).unwrap()))
    .collect();
    assert_eq!(
        changes,
        [true, true, false, false, true, false, false, true]
    );
}

#[test]
fn a_step_that_failed_has_the_last_words_of_its_command() {
    let words = |events: &[&str]| tally(events).steps()[1].message.clone();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(words(&[STEPS, B_RUNS, B_EXIT]), None);
    assert_eq!(words(&[STEPS, B_RUNS, B_EXIT, B_STEP]), some("boom"));
    let killed = r#"{"event":"command","job":"/b/0","step":"/b","exitCode":137,"kind":"OutOfMemory","message":"too much"}"#;
    assert_eq!(words(&[STEPS, B_RUNS, killed, B_STEP]), some("too much"));
    let error =
        r#"{"event":"error","kind":"StepFailed","message":"no File for output x","step":"/b"}"#;
    assert_eq!(
        words(&[STEPS, B_RUNS, error, B_STEP]),
        some("no File for output x")
    );
    assert_eq!(words(&[STEPS, B_RUNS, B_EXIT, error, B_STEP]), some("boom"));
    let long = "x".repeat(5000);
    let flood = B_EXIT.replace("boom", &long);
    assert_eq!(
        words(&[STEPS, B_RUNS, &flood, B_STEP]).unwrap().len(),
        MESSAGE_LIMIT
    );
}

#[test]
fn a_step_to_blame_has_failed_though_the_engine_does_not_say_so() {
    let end = |events: &[&str], phase| {
        let step = tally(events).final_steps(phase, now()).remove(1);
        (step.phase, step.message)
    };
    let error = r#"{"event":"error","kind":"StepFailed","message":"no output x","step":"/b"}"#;
    let failed = |words: &str| (StepPhase::Failed, Some(words.to_owned()));
    assert_eq!(end(&[STEPS, B_RUNS, B_EXIT], Phase::Failed), failed("boom"));
    assert_eq!(
        end(&[STEPS, B_RUNS, error], Phase::Failed),
        failed("no output x")
    );
    let other = (StepPhase::Cancelled, None);
    assert_eq!(end(&[STEPS, B_RUNS], Phase::Failed), other);
    assert_eq!(end(&[STEPS, B_RUNS, B_EXIT], Phase::Cancelled), other);
}

#[test]
fn progress_says_little_of_failed_steps() {
    let names: Vec<String> = (0..50).map(|n| format!("/s{n}")).collect();
    let mut tally = tally(&[&serde_json::json!({"event": "workflow", "steps": names}).to_string()]);
    for step in &names {
        for event in [
            serde_json::json!({"event": "command", "job": format!("{step}/0"), "step": step, "exitCode": 1,
                "stderr": "x".repeat(4000)}),
            serde_json::json!({"event": "step", "step": step, "status": "FAILED"}),
        ] {
            tally.take(serde_json::from_value(event).unwrap());
        }
    }
    let line = tally.progress(Stage::Running).to_line();
    assert!(line.len() < 12_000, "{} bytes", line.len());
    assert!(line.contains(&format!("\"{}\"", "x".repeat(256))), "{line}");
}

#[test]
fn a_failed_command_is_blamed() {
    let tally = tally(&[STEPS, A_RUNS, A_DONE, A_STEP, B_RUNS, B_EXIT, B_STEP]);
    let (step, command) = tally.failed_step().unwrap();
    assert_eq!((step, command.unwrap().exit_code), ("/b", 7));
    assert_eq!(tally.steps()[1].exit_code, Some(7));
    let steps = tally.final_steps(Phase::Failed, now());
    assert_eq!(steps[1].phase, StepPhase::Failed);
}

#[test]
fn a_recovered_job_is_no_failure() {
    let again = r#"{"event":"command","job":"/b/0","step":"/b","exitCode":0}"#;
    let done = r#"{"event":"job","job":"/b/0","step":"/b","status":"COMPLETED"}"#;
    let step = r#"{"event":"step","step":"/b","status":"COMPLETED"}"#;
    let tally = tally(&[
        STEPS, A_DONE, B_RUNS, B_EXIT, B_STEP, B_RUNS, again, done, step,
    ]);
    assert_eq!(tally.failed_step(), None);
    assert_eq!(tally.steps()[1].exit_code, Some(0));
    assert_eq!(tally.steps()[1].phase, StepPhase::Succeeded);
    assert_eq!(tally.jobs(), (2, 2));
}

#[test]
fn a_rollback_takes_back_a_completion() {
    let rollback = r#"{"event":"job","job":"/a/0","step":"/a","status":"ROLLBACK"}"#;
    assert_eq!(tally(&[A_DONE, rollback]).jobs(), (0, 1));
}

#[test]
fn a_step_that_ran_is_blamed_before_those_that_never_did() {
    let failed_a = r#"{"event":"step","step":"/a","status":"FAILED","time":13}"#;
    let tally = tally(&[STEPS, failed_a, B_RUNS, B_STEP]);
    assert_eq!(tally.failed_step(), Some(("/b", None)));
}

#[test]
fn signals_become_exit_codes() {
    let killed = r#"{"event":"command","job":"/b/0","step":"/b","exitCode":-9}"#;
    assert_eq!(tally(&[killed]).steps()[0].exit_code, Some(137));
}

#[test]
fn nothing_is_left_running_at_the_end() {
    let tally = tally(&[STEPS, A_RUNS]);
    let phases = |phase| {
        tally
            .final_steps(phase, now())
            .iter()
            .map(|s| s.phase)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        phases(Phase::Succeeded),
        [StepPhase::Succeeded, StepPhase::Skipped]
    );
    assert_eq!(
        phases(Phase::Cancelled),
        [StepPhase::Cancelled, StepPhase::Cancelled]
    );
}

#[test]
fn a_large_workflow_gives_bounded_lines() {
    let mut tally = Tally::default();
    for index in 0..20_000 {
        let (step, job) = (format!("/step-{index}"), format!("/step-{index}/0"));
        tally.take(Event::Job {
            job,
            step,
            status: Status::Running,
            time: Some(1.0),
            total: None,
        });
    }
    let progress = tally.progress(Stage::Running);
    assert_eq!((progress.step_count, progress.steps.len()), (10_000, 100));
    assert!(progress.to_line().len() < 16 << 10);
}

#[test]
fn jobs_that_are_still_to_come_count() {
    assert_eq!(tally(&[STEPS]).jobs(), (0, 2));
    let scatter = r#"{"event":"job","job":"/a/0.0","step":"/a","status":"COMPLETED","total":4}"#;
    assert_eq!(tally(&[STEPS, scatter]).jobs(), (1, 5));
    let skipped = r#"{"event":"step","step":"/b","status":"SKIPPED"}"#;
    assert_eq!(tally(&[STEPS, A_DONE, A_STEP, skipped]).jobs(), (1, 1));
}

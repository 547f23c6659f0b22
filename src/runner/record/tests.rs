use proptest::prelude::*;
use serde_json::json;

use super::*;

fn outcome(steps: usize, outputs: Option<Value>, message: &str) -> Outcome {
    Outcome {
        version: 1,
        phase: Phase::Failed,
        reason: Reason::StepFailed,
        message: message.to_owned(),
        failed_step: Some("/b".to_owned()),
        exit_code: Some(7),
        start_time: Some(Timestamp::UNIX_EPOCH),
        completion_time: Some(Timestamp::UNIX_EPOCH),
        step_count: steps,
        steps: (0..steps)
            .map(|index| StepRecord {
                name: format!("/step-{index}"),
                phase: if index == 500 {
                    StepPhase::Failed
                } else {
                    StepPhase::Succeeded
                },
                ..StepRecord::default()
            })
            .collect(),
        outputs: outputs.and_then(|value| value.as_object().cloned()),
        ..Outcome::default()
    }
}

#[test]
fn a_small_outcome_is_whole() {
    let whole = outcome(3, Some(json!({"n": 1})), "step /b failed");
    let read = Outcome::parse(&whole.to_termination()).unwrap();
    assert_eq!(read.steps, whole.steps);
    assert_eq!(read.outputs, whole.outputs);
    assert!(!read.steps_truncated && !read.outputs_truncated);
    // printf '{"n":1}' | sha256sum
    let digest = "sha256:2bfd14f43d17fc7cea24e0917a8879b4b2f880b8baeec1b9d90fbaad655e71bd";
    assert_eq!(read.outputs_digest.as_deref(), Some(digest));
}

#[test]
fn steps_are_cut_first_and_the_failed_one_stays() {
    let whole = outcome(1000, Some(json!({"text": "x".repeat(2000)})), "m");
    let read = Outcome::parse(&whole.to_termination()).unwrap();
    assert!(read.steps_truncated && !read.outputs_truncated);
    assert_eq!(read.step_count, 1000);
    assert!(read.steps.len() > 10, "{} steps", read.steps.len());
    assert!(read.steps.iter().any(|step| step.name == "/step-500"));
    assert!(read.outputs.is_some());
}

#[test]
fn messages_of_steps_are_shortened_before_any_step_is_left_out() {
    let with_messages = |count: usize| {
        let mut whole = outcome(count, None, &"m".repeat(1000));
        for step in &mut whole.steps {
            step.message = Some("é".repeat(500));
        }
        let read = Outcome::parse(&whole.to_termination()).unwrap();
        let lengths: Vec<usize> = read
            .steps
            .iter()
            .map(|step| step.message.as_ref().map_or(0, String::len))
            .collect();
        (read.steps_truncated, lengths)
    };
    assert_eq!(with_messages(2), (false, vec![1000; 2]));
    assert_eq!(with_messages(5), (true, vec![200; 5]));
    assert_eq!(with_messages(30), (true, vec![0; 30]));
    let (truncated, lengths) = with_messages(200);
    assert!(truncated && lengths.len() < 200 && lengths.iter().all(|&length| length == 0));
}

#[test]
fn messages_have_limits_each_and_together() {
    let mut steps = outcome(4, None, "").steps;
    for (step, message) in steps.iter_mut().zip(["one", "three", "", "four"]) {
        step.message = Some(message.to_owned()).filter(|message| !message.is_empty());
    }
    let told = |each, all| {
        let mut steps = steps.clone();
        let shortened = shorten_messages(&mut steps, each, all);
        let told: Vec<_> = steps.into_iter().map(|step| step.message).collect();
        (shortened, told)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        told(9, 99),
        (false, vec![some("one"), some("three"), None, some("four")])
    );
    assert_eq!(
        told(4, 99),
        (true, vec![some("one"), some("thre"), None, some("four")])
    );
    assert_eq!(
        told(9, 9),
        (true, vec![some("one"), some("three"), None, None])
    );
}

#[test]
fn outputs_are_cut_next() {
    let whole = outcome(5, Some(json!({"text": "x".repeat(5000)})), "m");
    let read = Outcome::parse(&whole.to_termination()).unwrap();
    assert!(read.outputs_truncated && read.outputs.is_none());
    assert!(read.outputs_digest.unwrap().starts_with("sha256:"));
    assert_eq!(read.steps.len(), 5);
}

#[test]
fn a_message_of_escapes_is_cut_last() {
    let whole = outcome(0, None, &"\u{1}".repeat(5000));
    let text = whole.to_termination();
    assert!(text.len() <= TERMINATION_LIMIT);
    assert!(!Outcome::parse(&text).unwrap().message.is_empty());
}

#[test]
fn the_last_final_line_of_a_log_wins() {
    let (mut first, mut last) = (outcome(0, None, "first"), outcome(1000, None, "last"));
    first.outputs_truncated = true;
    last.seal();
    let log = format!(
        "INFO  x\n@dvre {{\"completed\":1}}\n{}\n@dvre {{\"final\":nonsense}}\n{}\nbye @dvre\n",
        first.to_final_line(),
        last.to_final_line()
    );
    assert_eq!(Outcome::from_log(&log), Some(last));
    assert_eq!(Outcome::from_log("nothing\n@dvre {}\n"), None);
}

#[test]
fn unknown_values_and_fields_are_read() {
    let read = Outcome::parse(
        r#"{"version":9,"phase":"Paused","reason":"Bored","engine":"toil","new":1}"#,
    )
    .unwrap();
    assert_eq!(
        (read.phase, read.reason, read.engine),
        (Phase::Unknown, Reason::Unknown, EngineName::Unknown)
    );
    assert_eq!(Outcome::parse("Traceback (most recent call last):"), None);
}

#[test]
fn praise_tells_of_another_engine() {
    let mut whole = outcome(1, None, "");
    assert_eq!(whole.praise(), "1 step completed in 0.0 s");
    whole.fallback = Some("No module named 'x'".to_owned());
    assert_eq!(
        whole.praise(),
        "1 step completed in 0.0 s with cwltool, as StreamFlow is not available: No module named 'x'"
    );
}

#[test]
fn progress_goes_through_a_line() {
    let progress = Progress {
        completed: 1,
        total: 2,
        ..Progress::default()
    };
    assert_eq!(
        Line::parse(&progress.to_line()),
        Some(Line::Progress(progress))
    );
    assert_eq!(Line::parse("2026-01-01 INFO @dvre {}"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn always_fits(
        message in ".{0,3000}",
        failed in proptest::option::of("\\PC{0,5000}"),
        names in proptest::collection::vec(".{0,80}", 0..100),
        output in ".{0,6000}",
        // As `clean` leaves it.
        fallback in proptest::option::of("[^\\pC]{0,64}"),
    ) {
        let mut whole = outcome(0, Some(json!({"o": output})), &message);
        whole.failed_step = failed;
        whole.fallback = fallback;
        whole.steps = names.into_iter().map(|name| StepRecord { name, ..StepRecord::default() }).collect();
        let text = whole.to_termination();
        prop_assert!(text.len() <= TERMINATION_LIMIT);
        let read = Outcome::parse(&text).unwrap();
        prop_assert_eq!(read.steps_truncated, read.steps.len() < whole.steps.len());
        prop_assert_eq!(read.outputs_truncated, read.outputs.is_none());
        prop_assert!(read.outputs_digest.is_some());
    }
}

//! Whose the lines are, and which step a job belongs to.

use rstest::rstest;

use super::*;
use crate::runner::engine_log::EngineLog;
use crate::runner::engine_log::cwltool::tests::{judge, read, read_text, steps};
use crate::runner::tally::Tally;

#[test]
fn a_tool_that_ends_without_a_line_feed_hides_nothing() {
    let log = "[2026-11-24 18:28:52] INFO [job x.cwl] /work/scratch/out/1$ sh\n\
               [not an entry] last words[2026-11-24 18:28:52] WARNING [job x.cwl] exited with status: 7\n\
               [2026-11-24 18:28:52] WARNING [job x.cwl] completed permanentFail\n";
    assert_eq!(
        judge(&read_text(log.as_bytes(), "/")).message,
        "step / failed with exit code 7: [not an entry] last words"
    );
}

/// What is kept of job b, and what is told of it.
fn words_of_b(log: &str) -> (String, String) {
    let steps = ["/a".to_owned(), "/b".to_owned()];
    let mut read = CwltoolLog::new(&steps, Containers::None);
    let start = "[2026-11-24 18:28:51] INFO [workflow ] starting step a\n\
                 [2026-11-24 18:28:51] INFO [step a] start\n\
                 [2026-11-24 18:28:51] INFO [workflow ] starting step b\n\
                 [2026-11-24 18:28:51] INFO [step b] start\n\
                 [2026-11-24 18:28:52] INFO [job a] /work/scratch/out/1$ sh\n\
                 [2026-11-24 18:28:52] INFO [job b] /work/scratch/out/2$ sh\n";
    let end = "[2026-11-24 18:28:52] WARNING [job b] exited with status: 7\n";
    let text = format!("{start}{log}{end}");
    let events: Vec<Event> = text
        .split_inclusive('\n')
        .flat_map(|line| read.take(line.as_bytes()))
        .collect();
    let kept = events.iter().rev().find_map(|event| match event {
        Event::Command { stderr, .. } => Some(stderr.clone()),
        _ => None,
    });
    let mut tally = Tally::default();
    let steps = steps.to_vec();
    for event in [Event::Workflow { steps }].into_iter().chain(events) {
        tally.take(event);
    }
    let (_, command) = tally.failed_step().unwrap();
    (kept.unwrap(), command.unwrap().stderr.clone())
}

#[rstest]
#[case::between_a_word_and_its_line_feed("1", "\n2\n")]
#[case::in_a_word("so", "me\nwords\n")]
#[case::in_a_line_that_never_ends("1\n", "2")]
fn what_another_step_did_stands_in_no_error_output(
    #[case] first: &str,
    #[case] rest: &str,
    #[values("[step a] completed success", "[job a] completed success")] entry: &str,
) {
    let log = format!("{first}[2026-11-24 18:28:52] INFO {entry}\n{rest}");
    let words = format!("{first}{rest}").trim_end().to_owned();
    let (kept, told) = words_of_b(&log);
    assert_eq!(kept, format!("{words}\n"));
    assert_eq!(told.lines().last(), words.lines().last());
}

#[test]
fn what_is_likely_from_another_job_is_kept_but_not_told() {
    let end = "[2026-11-24 18:28:52] INFO [job a] completed success";
    let (kept, told) = words_of_b(&format!("from a\n{end}\nfrom b\n"));
    assert_eq!(
        (kept.as_str(), told.as_str()),
        ("from a\nfrom b\n", "from b\n")
    );
    // Nothing came after.
    let (kept, told) = words_of_b(&format!("from b\n{end}\n"));
    assert_eq!((kept.as_str(), told.as_str()), ("from b\n", "from b\n"));
    let (kept, told) = words_of_b(&format!("from b\nfrom a{end}\n"));
    assert_eq!((kept.clone(), kept.as_str()), (told, "from b\nfrom a\n"));
}

#[test]
fn jobs_of_equal_names_belong_to_their_own_steps() {
    // The threads that run jobs write in any order; the one that makes them does not.
    let log = "[2026-11-24 18:29:34] INFO [workflow ] starting step p\n\
               [2026-11-24 18:29:34] INFO [step p] start\n\
               [2026-11-24 18:29:34] INFO [workflow p] starting step x\n\
               [2026-11-24 18:29:34] INFO [step x] start\n\
               [2026-11-24 18:29:34] INFO [workflow ] starting step q\n\
               [2026-11-24 18:29:34] INFO [step q] start\n\
               [2026-11-24 18:29:34] INFO [workflow q] starting step x_2\n\
               [2026-11-24 18:29:34] INFO [step x_2] start\n\
               [2026-11-24 18:29:34] INFO [job x_2] /work/scratch/out/2$ true\n\
               [2026-11-24 18:29:34] INFO [job x] /work/scratch/out/1$ false\n\
               [2026-11-24 18:29:34] WARNING [job x] exited with status: 1\n\
               [2026-11-24 18:29:34] INFO [job x_2] completed success\n";
    let read = read_text(log.as_bytes(), "/p/x /q/x");
    assert_eq!(steps(&read), "/p/x Running 0/1 1\n/q/x Running 1/1 0\n");
}

#[test]
fn only_jobs_in_docker_run_elsewhere() {
    assert!(read("dkfail", "/").log.elsewhere("/0"));
    assert!(!read("fails", "/").log.elsewhere("/0"));
}

#[test]
fn error_output_that_a_tool_sends_to_a_file_is_found_there() {
    let folder = crate::runner::testing::folder("cwltool");
    let place = folder.path().join("out/1");
    folder.write("out/1/err.txt", "telling\n");
    let log = format!(
        "[2026-11-24 18:28:52] INFO [job x.cwl] {0}$ sh \\\n    -c \\\n    'exit 7' > {0}/out.txt 2> {0}/err.txt\n\
         noise\n\
         [2026-11-24 18:28:52] WARNING [job x.cwl] exited with status: 7\n",
        place.display()
    );
    assert_eq!(
        judge(&read_text(log.as_bytes(), "/")).message,
        "step / failed with exit code 7: telling"
    );
}

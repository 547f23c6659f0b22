use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::runner::testing;

const PATIENCE: Duration = Duration::from_mins(1);

fn attempt(place: &testing::Folder, number: i32) -> Attempt {
    Attempt {
        outputs: place.path().to_owned(),
        run: "hello".to_owned(),
        number,
    }
}

fn keep(attempt: Attempt, lines: &str) -> (Kept, String) {
    let sink = testing::Sink::default();
    let keeper = Keeper::start(attempt, Log::new(Box::new(sink.clone())));
    keeper.lines(lines.as_bytes());
    keeper.failed(FailedJob {
        job: "/a/0".to_owned(),
        step: "/a".to_owned(),
        stderr: lines.to_owned(),
        stdout: String::new(),
    });
    let kept = keeper.finish(PATIENCE).unwrap();
    let said = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    (kept, said)
}

#[test]
fn each_attempt_has_a_folder_and_an_earlier_run_none() {
    let place = testing::folder("keeper");
    let read = |path: &str| fs::read_to_string(place.path().join(".dvre").join(path)).ok();
    for number in 1..=3 {
        let (kept, said) = keep(attempt(&place, number), &format!("attempt {number}\n"));
        attempt(&place, number)
            .store_outcome(&number.to_string())
            .unwrap();
        assert_eq!(said, "");
        assert_eq!(
            kept.engine,
            Some(format!(".dvre/hello-{number}/engine.log"))
        );
        let path = format!(".dvre/hello-{number}/steps/a/stderr-0.log");
        assert_eq!(kept.jobs["/a/0"], path);
    }
    assert_eq!(read("hello-1/engine.log").unwrap(), "attempt 1\n");
    assert_eq!(read("hello-1/outcome.json").unwrap(), "1");
    assert_eq!(read("hello-3/steps/a/stderr-0.log").unwrap(), "attempt 3\n");
    assert_eq!(read("outcome.json").unwrap(), "3");

    let other = Attempt {
        run: "hello-2".to_owned(),
        ..attempt(&place, 1)
    };
    keep(other, "of another run\n");
    keep(attempt(&place, 2), "attempt 2 of a later run\n");
    assert_eq!(read("hello-1/engine.log").unwrap(), "attempt 1\n");
    assert_eq!(
        read("hello-2/engine.log").unwrap(),
        "attempt 2 of a later run\n"
    );
    assert_eq!(read("hello-2/outcome.json"), None);
    assert_eq!(read("hello-3/engine.log"), None);
    assert_eq!(read("hello-2-1/engine.log").unwrap(), "of another run\n");
}

#[test]
fn a_link_is_no_place_for_it() {
    let (place, elsewhere) = (testing::folder("keeper"), testing::folder("elsewhere"));
    symlink(elsewhere.path(), place.path().join(".dvre")).unwrap();
    let (kept, said) = keep(attempt(&place, 1), "a line\n");
    assert_eq!(kept, Kept::default());
    let expected = "dvre-runner: from here on, the log is not kept beside the outputs: \
                    .dvre: Not a directory (os error 20)\n";
    assert_eq!(said, expected);
    let error = attempt(&place, 1).store_outcome("{}").unwrap_err();
    assert_eq!(error.to_string(), ".dvre: Not a directory (os error 20)");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[test]
fn what_waits_for_the_volume_is_limited() {
    let queue = Queue::default();
    assert!(queue.admit(QUEUE / 2) && queue.admit(QUEUE / 2) && !queue.admit(1));
    assert_eq!(queue.left_out.load(Ordering::SeqCst), 1);
    queue.waiting.fetch_sub(QUEUE / 2, Ordering::SeqCst);
    assert!(queue.admit(1));
}

#[test]
fn what_was_left_out_is_told() {
    let place = testing::folder("keeper");
    let mut writer = Writer::begin(&attempt(&place, 1)).unwrap();
    writer
        .take(&Ok(Work::Lines(b"next\n".to_vec())), 7)
        .unwrap();
    let log = fs::read_to_string(place.path().join(".dvre/hello-1/engine.log")).unwrap();
    let told = "dvre-runner: 7 bytes are left out here, as the volume was too slow\nnext\n";
    assert_eq!(log, told);
}

//! Pure: the attempts that status tells of.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::ending::Ending;
use crate::api::status::MAX_ATTEMPTS;
use crate::api::{AttemptStatus, Reason};
use crate::words::shorten;

/// Longest message of an attempt in bytes.
const MESSAGE_BYTES: usize = 256;

/// Notes that the engine of an attempt runs.
pub fn begun(attempts: &mut Vec<AttemptStatus>, number: i32, job_name: &str, since: &Time) {
    change(attempts, number, job_name, |attempt| {
        attempt.start_time = Some(since.clone());
    });
}

/// Notes how an attempt ended. What stands in the status itself is not said twice.
pub fn ended(
    attempts: &mut Vec<AttemptStatus>,
    number: i32,
    job_name: &str,
    ending: &Ending,
    now: Timestamp,
) {
    let (started, ended) = &ending.times;
    change(attempts, number, job_name, |attempt| {
        if started.is_some() {
            attempt.start_time.clone_from(started);
        }
        attempt.completion_time = Some(ended.clone().unwrap_or_else(|| Time(second(now))));
        attempt.reason = Some(ending.reason);
    });
}

/// Notes why, in words, an attempt ended that another one follows.
pub fn explained(attempts: &mut [AttemptStatus], message: &str) {
    if let Some(attempt) = attempts.last_mut() {
        attempt.message = Some(shorten(message, MESSAGE_BYTES));
    }
}

/// How long the engines of all attempts have run, the current one since the time given.
#[must_use]
pub fn active(
    attempts: &[AttemptStatus],
    number: i32,
    running: Option<&Time>,
    now: Timestamp,
) -> SignedDuration {
    let before = attempts.iter().filter(|attempt| attempt.number < number);
    let before = before.filter_map(|attempt| {
        let (start, end) = (
            attempt.start_time.as_ref()?,
            attempt.completion_time.as_ref()?,
        );
        Some(end.0.duration_since(start.0))
    });
    let current = running.map(|since| now.duration_since(since.0));
    before.chain(current).sum()
}

/// A moment as status holds it, in whole seconds.
#[must_use]
pub fn second(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

fn change(
    attempts: &mut Vec<AttemptStatus>,
    number: i32,
    job_name: &str,
    change: impl FnOnce(&mut AttemptStatus),
) {
    let known = attempts.iter().position(|attempt| attempt.number == number);
    let mut attempt = known.map_or_else(
        || AttemptStatus {
            number,
            job_name: job_name.to_owned(),
            ..AttemptStatus::default()
        },
        |index| attempts.remove(index),
    );
    change(&mut attempt);
    if attempts.len() >= MAX_ATTEMPTS {
        // Failures are counted, and so are kept longer than interruptions that somebody asked for.
        let suspended = |attempt: &AttemptStatus| attempt.reason == Some(Reason::Suspended);
        attempts.remove(attempts.iter().position(suspended).unwrap_or(0));
    }
    attempts.push(attempt);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Phase;
    use crate::controller::pod::Trouble;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ending(reason: Reason, start: i64, end: i64) -> Ending {
        let mut ending = Ending::failed(Trouble {
            reason,
            message: "why".to_owned(),
        });
        ending.phase = Phase::Failed;
        ending.times = (Some(Time(at(start))), Some(Time(at(end))));
        ending
    }

    #[test]
    fn an_attempt_is_listed_once() {
        let mut attempts = Vec::new();
        begun(&mut attempts, 1, "hello-1", &Time(at(10)));
        ended(
            &mut attempts,
            1,
            "hello-1",
            &ending(Reason::Evicted, 10, 15),
            at(16),
        );
        explained(&mut attempts, "why");
        begun(&mut attempts, 2, "hello-2", &Time(at(20)));
        assert_eq!(attempts.len(), 2);
        assert_eq!(attempts[0].message.as_deref(), Some("why"));
        assert_eq!(attempts[1].completion_time, None);
    }

    #[test]
    fn only_time_in_which_an_engine_ran_counts() {
        let mut attempts = Vec::new();
        ended(
            &mut attempts,
            1,
            "hello-1",
            &ending(Reason::Evicted, 10, 15),
            at(16),
        );
        begun(&mut attempts, 2, "hello-2", &Time(at(100)));
        let active = |running: Option<&Time>| active(&attempts, 2, running, at(107)).as_secs();
        assert_eq!(active(Some(&Time(at(100)))), 12);
        assert_eq!(active(None), 5);
    }

    #[test]
    fn failures_are_kept_longer_than_suspensions() {
        let mut attempts = Vec::new();
        ended(
            &mut attempts,
            1,
            "hello-1",
            &ending(Reason::Evicted, 1, 2),
            at(2),
        );
        for number in 2..200 {
            let end = ending(Reason::Suspended, number, number + 1);
            ended(
                &mut attempts,
                i32::try_from(number).unwrap(),
                "j",
                &end,
                at(number),
            );
        }
        assert_eq!(attempts.len(), MAX_ATTEMPTS);
        assert_eq!((attempts[0].number, attempts[1].number), (1, 199 - 62));
    }
}

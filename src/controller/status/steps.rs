//! Pure: a runner's records of steps as status lists them.

use std::collections::HashSet;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::StepStatus;
use crate::api::status::{MAX_MESSAGE_BYTES, MAX_STEPS};
use crate::runner::record::{StepPhase, StepRecord, notable_steps, shorten_messages};
use crate::words::shorten;

/// Name of the entry that sums up the steps that are not listed.
const REST: &str = "...";
/// Size of the messages of all steps, in bytes.
const MESSAGES_LIMIT: usize = 16 * 1024;
/// The most characters of a name.
const NAME_LIMIT: usize = 512;

/// At most [`MAX_STEPS`] of the steps, and one that sums up the rest. `known` is how many steps there
/// are, `jobs` how many of their jobs have ended well and are known.
pub fn listed(records: &[StepRecord], known: usize, jobs: (u64, u64)) -> Vec<StepStatus> {
    let known = known.max(records.len());
    let mut names = HashSet::from([REST.to_owned()]);
    let mut shown = notable_steps(records, MAX_STEPS);
    shorten_messages(&mut shown, MAX_MESSAGE_BYTES, MESSAGES_LIMIT);
    let mut steps: Vec<StepStatus> = shown
        .iter()
        .map(step)
        // The API server wants names, each once: what user code may write could lack both.
        .filter(|step| !step.name.is_empty() && names.insert(step.name.clone()))
        .collect();
    let more = known - steps.len();
    if more > 0 {
        let sum =
            |count: fn(&StepStatus) -> i64| steps.iter().map(count).fold(0, i64::saturating_add);
        let rest = StepStatus {
            completed: (signed(jobs.0) - sum(|step| step.completed)).max(0),
            total: (signed(jobs.1) - sum(|step| step.total)).max(0),
            ..rest(more)
        };
        steps.push(rest);
    }
    steps
}

/// Drops steps, the least notable first, until the others and one that sums up the rest take at most
/// `room` bytes of JSON. Whether any was dropped.
pub fn cut(steps: &mut Vec<StepStatus>, room: usize) -> bool {
    if json(steps) <= room {
        return false;
    }
    let mut rest = match steps.pop_if(|step| step.name == REST) {
        Some(rest) => rest,
        None => rest(0),
    };
    let mut order: Vec<usize> = (0..steps.len()).collect();
    order.sort_by_key(|&index| steps.get(index).map(rank));
    let mut left = room.saturating_sub(json(&rest) + REST_GROWTH);
    let kept: HashSet<usize> = order
        .into_iter()
        .map_while(|index| {
            left = left.checked_sub(json(steps.get(index)?) + 1)?;
            Some(index)
        })
        .collect();
    let mut more = hidden(&rest);
    let mut index = 0..;
    steps.retain(|step| {
        let keep = index.next().is_some_and(|index| kept.contains(&index));
        if !keep {
            more = more.saturating_add(1);
            rest.completed = rest.completed.saturating_add(step.completed);
            rest.total = rest.total.saturating_add(step.total);
        }
        keep
    });
    rest.phase = more_steps(more);
    steps.push(rest);
    true
}

/// Brackets of the list, and what the numbers of the entry for the rest may grow by.
const REST_GROWTH: usize = 64;

/// Marks steps of a run that ended without a record: nothing of it waits or runs any more.
pub fn end(steps: &mut [StepStatus]) {
    for step in steps {
        if matches!(step.phase.as_str(), "Pending" | "Running") {
            "Cancelled".clone_into(&mut step.phase);
        }
    }
}

fn step(record: &StepRecord) -> StepStatus {
    StepStatus {
        name: record.name.chars().take(NAME_LIMIT).collect(),
        phase: word(record.phase).to_owned(),
        completed: signed(record.completed),
        total: signed(record.total),
        start_time: record.start_time.and_then(time),
        completion_time: record.completion_time.and_then(time),
        exit_code: record.exit_code,
        message: record
            .message
            .as_deref()
            .map(|text| shorten(text, MAX_MESSAGE_BYTES)),
    }
}

fn rest(more: usize) -> StepStatus {
    StepStatus {
        name: REST.to_owned(),
        phase: more_steps(more),
        ..StepStatus::default()
    }
}

fn more_steps(more: usize) -> String {
    format!("{more}MoreSteps")
}

/// How many steps an entry for the rest stands for.
fn hidden(rest: &StepStatus) -> usize {
    let number = rest.phase.strip_suffix("MoreSteps");
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn word(phase: StepPhase) -> &'static str {
    match phase {
        StepPhase::Pending => "Pending",
        StepPhase::Running => "Running",
        StepPhase::Succeeded => "Succeeded",
        StepPhase::Failed => "Failed",
        StepPhase::Skipped => "Skipped",
        StepPhase::Cancelled => "Cancelled",
        StepPhase::Unknown => "Unknown",
    }
}

/// The order in which steps are kept.
fn rank(step: &StepStatus) -> u8 {
    match step.phase.as_str() {
        "Failed" => 0,
        "Running" => 1,
        "Pending" | "Unknown" => 3,
        _ => 2,
    }
}

/// A time that the API server takes: one of the common era.
fn time(time: Timestamp) -> Option<Time> {
    (time.as_second() >= FIRST_SECOND).then_some(Time(time))
}

/// 0001-01-01T00:00:00Z.
const FIRST_SECOND: i64 = -62_135_596_800;

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn json<T: serde::Serialize>(value: &T) -> usize {
    super::size::json(value)
}

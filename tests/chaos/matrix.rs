//! The matrix: every fault at every request of every scenario, enumerated from clean runs.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Instant;

use futures::{StreamExt, stream};

use crate::case::{self, Played};
use crate::faults::{Fault, Planned};
use crate::journal::{Entry, tally};
use crate::oracle::End;
use crate::report::{Count, MatrixReport};
use crate::request::Occurrence;
use crate::scenario::Scenario;
use crate::world::World;

/// How many requests more than a clean run a case may make of each kind: those that the client and the
/// operator try again. A loop without a pause makes thousands.
const REPEATS: usize = 25;

/// How many scenarios are recorded at one time: what is asked only on a busy machine shall not be there.
const RECORDED: usize = 3;

/// A scenario as it goes without faults.
struct Clean<'a> {
    scenario: &'a Scenario,
    entries: Vec<Entry>,
    /// How many of these the operator makes before there is any resource.
    idle: usize,
    end: End,
    counts: Vec<String>,
    /// Paths of the status that differ between two clean runs.
    noise: BTreeSet<String>,
}

impl Clean<'_> {
    /// What differs from this, and is not bound to.
    fn differences(&self, end: &End) -> Vec<String> {
        let mut found = end.differences(&self.end, &self.noise);
        self.scenario.retain_bound(&mut found);
        found
    }
}

/// How a case ended.
enum Verdict {
    Passed,
    /// Its request never came.
    Missed,
    Failed(String),
}

/// Plays every scenario with every fault, so many cases at one time, and says how they went.
pub async fn run(
    world: &World,
    scenarios: &[&Scenario],
    faults: &[Fault],
    at_one_time: usize,
) -> MatrixReport {
    let began = Instant::now();
    let clean: Vec<_> = stream::iter(scenarios)
        .map(|scenario| record(world, scenario))
        .buffered(RECORDED)
        .collect()
        .await;
    let mut report = MatrixReport::default();
    let mut cases = Vec::new();
    let mut known = HashSet::new();
    for (clean, failures) in &clean {
        let name = clean.scenario.name;
        report.requests.insert(name.to_owned(), clean.entries.len());
        report.failures.extend(failures.iter().cloned());
        for planned in planned(&clean.entries, faults) {
            if known.insert(situation(clean, &planned)) {
                cases.push((clean, planned));
            } else {
                let alike = Count {
                    alike: 1,
                    ..Count::default()
                };
                report.add(name, planned.fault, alike);
            }
        }
    }
    eprintln!(
        "{} cases of {} scenarios, {at_one_time} at one time",
        cases.len(),
        scenarios.len()
    );
    // Cases that wait stand between those that compute.
    fastrand::Rng::with_seed(0).shuffle(&mut cases);
    let mut verdicts = stream::iter(cases)
        .map(async |(clean, planned)| {
            let verdict = judge(world, clean, &planned).await;
            (clean.scenario.name, planned, verdict)
        })
        .buffer_unordered(at_one_time);
    let mut counts: BTreeMap<(String, Fault), Count> = BTreeMap::new();
    let mut done = 0;
    while let Some((scenario, planned, verdict)) = verdicts.next().await {
        let count = counts
            .entry((scenario.to_owned(), planned.fault))
            .or_default();
        count.cases += 1;
        done += 1;
        if done % 100 == 0 {
            eprintln!("{done} cases after {} s", began.elapsed().as_secs());
        }
        match verdict {
            Verdict::Passed => count.passed += 1,
            Verdict::Missed => {
                count.missed += 1;
                eprintln!("not reached: {scenario}: {planned}");
            }
            Verdict::Failed(why) => {
                eprintln!("FAILED: {scenario}: {planned}\n{why}");
                let first = why.lines().next().unwrap_or_default();
                report
                    .failures
                    .push(format!("{scenario}: {planned}: {first}"));
            }
        }
    }
    drop(verdicts);
    for ((scenario, fault), count) in counts {
        report.add(&scenario, fault, count);
    }
    report.seconds = began.elapsed().as_secs();
    report.print();
    report
}

/// Every fault at every request that it applies to.
fn planned(entries: &[Entry], faults: &[Fault]) -> Vec<Planned> {
    let all = entries.iter().flat_map(|entry| {
        let apply = |fault: &&Fault| fault.applies_to(&entry.at.request, entry.events);
        let at = entry.at.clone();
        let planned = move |fault: &Fault| Planned {
            at: at.clone(),
            fault: *fault,
        };
        faults.iter().filter(apply).map(planned)
    });
    all.collect()
}

/// What tells a case from all others. A wrong answer strikes the same operator wherever the same was
/// written before, and what is over before there is any resource strikes it in the same way everywhere; any
/// other fault has its own sequel in each scenario. A read leaves nothing at the server, so that a crash
/// after it is one before it.
fn situation(clean: &Clean<'_>, planned: &Planned) -> (&'static str, Vec<Occurrence>, Planned) {
    let (at, mut planned) = (&planned.at, planned.clone());
    if planned.fault == Fault::CrashAfter && !at.request.writes() {
        planned.fault = Fault::CrashBefore;
    }
    let idle = clean.entries.iter().take(clean.idle);
    let idle = idle.map(|entry| &entry.at).any(|idle| idle == at);
    // The resources of a scenario come when the operator watches, so a list that is late delays them.
    let over =
        planned.fault.is_sudden() || planned.fault == Fault::Stall && at.request.verb == "list";
    if !(planned.fault.is_answer() || over && idle) {
        return (clean.scenario.name, Vec::new(), planned);
    }
    let before = clean.entries.iter().map(|entry| &entry.at);
    let before = before.take_while(|before| *before != at);
    let written = before.filter(|at| at.request.decides());
    let mut written: Vec<Occurrence> = written.cloned().collect();
    written.sort();
    ("", written, planned)
}

/// Plays a scenario twice without faults.
async fn record<'a>(world: &World, scenario: &'a Scenario) -> (Clean<'a>, Vec<String>) {
    let mut failures = Vec::new();
    let mut played = Vec::new();
    for _ in 0..2 {
        match case::play(world, scenario, None, |_| true).await {
            Ok(clean) => {
                failures.extend(clean.broken.clone());
                played.push(clean);
            }
            Err(why) => {
                eprintln!("FAILED: {} without faults\n{why}", scenario.name);
                failures.push(why.lines().next().unwrap_or_default().to_owned());
            }
        }
    }
    let ends: Vec<&End> = played.iter().map(|played| &played.end).collect();
    let (end, noise) = match ends[..] {
        [first, second] => {
            let noise = first.noise(second);
            let mut found = first.differences(second, &noise);
            scenario.retain_bound(&mut found);
            failures.extend(found);
            (first.clone(), noise)
        }
        _ => (End::default(), BTreeSet::new()),
    };
    let second: BTreeSet<_> = played
        .iter()
        .skip(1)
        .flat_map(|it| &it.entries)
        .map(|it| it.at.clone())
        .collect();
    let first = played.into_iter().next().unwrap_or_default();
    let idle: HashSet<_> = first
        .entries
        .iter()
        .take(first.idle)
        .map(|it| it.at.clone())
        .collect();
    let (mut entries, counts) = (first.entries, first.counts);
    // What only one of them asked depends on how busy the machine is.
    entries.retain(|entry| second.contains(&entry.at));
    let idle = entries
        .iter()
        .take_while(|entry| idle.contains(&entry.at))
        .count();
    let failures = failures
        .into_iter()
        .map(|why| format!("{} without faults: {why}", scenario.name))
        .collect();
    let clean = Clean {
        scenario,
        entries,
        idle,
        end,
        counts,
        noise,
    };
    (clean, failures)
}

async fn judge(world: &World, clean: &Clean<'_>, planned: &Planned) -> Verdict {
    let wanted = |end: &End| clean.differences(end).is_empty();
    // What the operator asks depends a little on the order of events.
    for _ in 0..2 {
        match case::play(world, clean.scenario, Some(planned.clone()), wanted).await {
            Ok(played) if played.struck => {
                let found = compare(clean, planned, &played);
                if found.is_empty() {
                    return Verdict::Passed;
                }
                return Verdict::Failed(format!("{}\n{}", found.join("\n"), played.story));
            }
            Ok(_) => {}
            Err(why) => return Verdict::Failed(why),
        }
    }
    Verdict::Missed
}

fn compare(clean: &Clean<'_>, planned: &Planned, played: &Played) -> Vec<String> {
    let mut found = played.broken.clone();
    if !planned.fault.refuses(&planned.at.request) {
        found.extend(clean.differences(&played.end));
        if played.counts != clean.counts {
            let (created, usual) = (&played.counts, &clean.counts);
            found.push(format!("created {created:?} instead of {usual:?}"));
        }
    }
    let usual = tally(&clean.entries);
    for (request, count) in tally(&played.entries) {
        let most = usual.get(&request).copied().unwrap_or_default() + REPEATS;
        if count > most {
            found.push(format!("{request} came {count} times"));
        }
    }
    found
}

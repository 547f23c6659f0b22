//! Pure: progress in words.

use crate::runner::record::{Progress, Stage, StepPhase, StepRecord};

/// The most characters of a step's name in a sentence.
const NAME_LIMIT: usize = 64;
/// Steps that are named; of more only the number is told.
const NAMED: usize = 2;

/// Progress for people: `7 of 12 jobs done, step /align runs`.
#[must_use]
pub fn words(progress: &Progress) -> String {
    let jobs = format!("{} of {} jobs done", progress.completed, progress.total);
    match progress.stage {
        Stage::Staging => "files and inputs are being put in place".to_owned(),
        Stage::Collecting => format!("{jobs}, outputs are being collected"),
        Stage::Running | Stage::Unknown if progress.total == 0 => "the engine starts".to_owned(),
        Stage::Running | Stage::Unknown => {
            let failed = steps(progress, StepPhase::Failed, "failed", "failed");
            let running = steps(progress, StepPhase::Running, "runs", "run");
            [Some(jobs), failed, running]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(", ")
        }
    }
}

/// Which steps are in a phase, and what they do: `steps /a, /b and 3 more run`.
fn steps(progress: &Progress, phase: StepPhase, one: &str, many: &str) -> Option<String> {
    let steps: Vec<&StepRecord> = progress
        .steps
        .iter()
        .filter(|step| step.phase == phase)
        .collect();
    let names: Vec<String> = steps
        .iter()
        .take(NAMED)
        .map(|step| short(&step.name))
        .collect();
    match (names.as_slice(), steps.len()) {
        ([], _) => None,
        ([name], _) => Some(format!("step {name} {one}")),
        (names, count) if count > NAMED => Some(format!(
            "steps {} and {} more {many}",
            names.join(", "),
            count - NAMED
        )),
        (names, _) => Some(format!("steps {} {many}", names.join(" and "))),
    }
}

fn short(name: &str) -> String {
    let mut short: String = name.chars().take(NAME_LIMIT).collect();
    if short.len() < name.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn progress(stage: Stage, steps: &[(&str, StepPhase)]) -> Progress {
        let steps = steps.iter().map(|(name, phase)| StepRecord {
            name: (*name).to_owned(),
            phase: *phase,
            ..StepRecord::default()
        });
        Progress {
            stage,
            completed: 7,
            total: 12,
            steps: steps.collect(),
            ..Progress::default()
        }
    }

    #[rstest]
    #[case::between(&[("/a", StepPhase::Succeeded)], "7 of 12 jobs done")]
    #[case::one(&[("/align", StepPhase::Running)], "7 of 12 jobs done, step /align runs")]
    #[case::two(&[("/a", StepPhase::Running), ("/b", StepPhase::Running)], "7 of 12 jobs done, steps /a and /b run")]
    #[case::many(&[("/a", StepPhase::Running); 5], "7 of 12 jobs done, steps /a, /a and 3 more run")]
    #[case::failed(&[("/a", StepPhase::Running), ("/b", StepPhase::Failed)], "7 of 12 jobs done, step /b failed, step /a runs")]
    fn running_steps_are_named(#[case] steps: &[(&str, StepPhase)], #[case] text: &str) {
        assert_eq!(words(&progress(Stage::Running, steps)), text);
    }

    #[test]
    fn each_stage_has_its_words() {
        let of = |stage| words(&progress(stage, &[]));
        assert!(of(Stage::Staging).contains("put in place"));
        assert!(of(Stage::Collecting).contains("outputs"));
        assert_eq!(
            words(&Progress {
                stage: Stage::Running,
                ..Progress::default()
            }),
            "the engine starts"
        );
    }

    #[test]
    fn a_long_name_is_cut() {
        let name = "ä".repeat(512);
        let text = words(&progress(Stage::Running, &[(&name, StepPhase::Running)]));
        assert!(text.contains("ä… runs") && text.len() < 200);
    }
}

//! The order of steps, and the paths under which the engine knows them.

use super::needs::{self, Declared};
use super::problem::{Problem, list};
use super::process::Node;
use super::workflow::Step;
use std::collections::BTreeSet;

/// Most steps of a whole workflow, nested ones counted as often as they are used.
const STEPS: usize = 10_000;
/// Most bytes of all step paths together.
const PATH_BYTES: usize = 4 << 20;

/// Brings steps into an order in which each comes after those that it needs.
///
/// # Errors
/// Steps that wait for each other.
pub(super) fn in_order<'a>(
    steps: Vec<Step<'a>>,
    needs: &[BTreeSet<usize>],
) -> Result<Vec<Step<'a>>, Problem> {
    let mut waiting: Vec<usize> = needs.iter().map(BTreeSet::len).collect();
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    for (user, needs) in needs.iter().enumerate() {
        for need in needs {
            if let Some(users) = users.get_mut(*need) {
                users.push(user);
            }
        }
    }
    let mut ready: BTreeSet<usize> = (0..steps.len())
        .filter(|n| waiting.get(*n) == Some(&0))
        .collect();
    let mut order = Vec::with_capacity(steps.len());
    while let Some(next) = ready.pop_first() {
        order.push(next);
        for user in users.get(next).into_iter().flatten() {
            if let Some(left) = waiting.get_mut(*user) {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    ready.insert(*user);
                }
            }
        }
    }
    if order.len() < steps.len() {
        let stuck = |step: &&Step<'a>, n: usize| {
            waiting
                .get(n)
                .is_some_and(|left| *left > 0)
                .then_some(step.name)
        };
        let names: Vec<&str> = steps
            .iter()
            .enumerate()
            .filter_map(|(n, step)| stuck(&step, n))
            .collect();
        let first = steps.iter().zip(&waiting).find(|(_, left)| **left > 0);
        let place = first.map_or("", |(step, _)| step.at.place());
        return Err(Problem::workflow(
            place,
            &format!("steps wait for each other in a circle: {}", list(names)),
        ));
    }
    let mut steps: Vec<Option<Step<'a>>> = steps.into_iter().map(Some).collect();
    Ok(order
        .into_iter()
        .filter_map(|n| steps.get_mut(n)?.take())
        .collect())
}

/// All steps that run something, with what holds for each, and the paths of all workflows.
///
/// # Errors
/// There are too many.
pub(super) fn paths(
    nodes: &[Node<'_>],
    root: usize,
) -> Result<(Vec<needs::Step>, Vec<String>), Problem> {
    let (mut found, mut workflows) = (Vec::new(), Vec::new());
    // A stack rather than recursion; steps are pushed in reverse so that they come in order.
    let mut waiting = vec![(root, "/".to_owned(), Declared::default())];
    let mut visits = 0_usize;
    let mut bytes = 0_usize;
    while let Some((node, path, outer)) = waiting.pop() {
        let Some(node) = nodes.get(node) else {
            continue;
        };
        let declared = outer.with(&node.declared);
        let Some(steps) = &node.steps else {
            found.push(needs::Step {
                path,
                command: node.command,
                needs: declared.effective(),
            });
            continue;
        };
        for step in steps.iter().rev() {
            visits += 1;
            let path = format!("{}/{}", path.trim_end_matches('/'), step.name);
            bytes += path.len();
            if visits > STEPS || bytes > PATH_BYTES {
                return Err(step.at.problem(&format!("more than {STEPS} steps in all")));
            }
            waiting.push((step.node, path, declared.with(&step.declared)));
        }
        workflows.push(path);
    }
    Ok((found, workflows))
}

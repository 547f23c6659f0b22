//! Which process a file, or an identifier in it, means.

use super::cursor::Cursor;
use super::names::{fragment, plain};
use super::problem::{Problem, list, show};
use super::resolve::{Index, PROCESSES};
use serde_json::Value;
use std::collections::HashMap;

/// The entries of every `$graph` met, by file.
#[derive(Default)]
pub(super) struct Graphs<'a>(HashMap<&'a str, Vec<(&'a str, Cursor<'a>)>>);

impl<'a> Graphs<'a> {
    /// The process that a file, or an identifier in it, means. `place` is where that is asked for.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn entry(
        &mut self,
        index: &'a Index<'a>,
        file: &'a str,
        id: Option<&str>,
        place: &str,
    ) -> Result<Cursor<'a>, Problem> {
        let root = index.root(file)?;
        let root = match root.value.get("$import") {
            Some(_) => root.follow()?,
            None => root,
        };
        if root.value.get("$graph").is_none() && !root.value.is_array() {
            let own = root.value.get("id").and_then(Value::as_str).map(fragment);
            return match id {
                None => Ok(root),
                Some(id) if own == Some(id) => Ok(root),
                Some(id) => by_id(&root, file, id).ok_or_else(|| {
                    Problem::workflow(place, &format!("`{}` has no `#{}`", show(file), show(id)))
                }),
            };
        }
        if !self.0.contains_key(file) {
            let entries = match root.get("$graph")? {
                Some(graph) => graph.named("id")?,
                None => root.named("id")?,
            };
            self.0.insert(file, entries);
        }
        let entries = self.0.get(file).map(Vec::as_slice).unwrap_or_default();
        let find = |id: &str| entries.iter().find(|(name, _)| fragment(name) == id);
        let mut runnable = entries.iter().filter(|(_, entry)| is_process(entry));
        let found = match id {
            Some(id) => find(id)
                .map(|(_, entry)| entry.clone())
                .or_else(|| by_id(&root, file, id)),
            None => find("main")
                .or_else(|| runnable.next().filter(|_| runnable.next().is_none()))
                .map(|(_, entry)| entry.clone()),
        };
        found.ok_or_else(|| {
            let wanted = id.map_or_else(
                || "several processes and no `#main`; say which".to_owned(),
                |id| format!("no `#{}`", show(id)),
            );
            let ids = list(
                entries
                    .iter()
                    .map(|(name, _)| format!("#{}", fragment(name))),
            );
            Problem::workflow(
                place,
                &format!("`{}` has {wanted}; there are {ids}", show(file)),
            )
        })
    }
}

fn is_process(at: &Cursor<'_>) -> bool {
    let class = at.value.get("class").and_then(Value::as_str);
    class.is_some_and(|class| PROCESSES.contains(&plain(class)))
}

fn by_id<'a>(root: &Cursor<'a>, file: &'a str, id: &str) -> Option<Cursor<'a>> {
    let found = root.index().process(file, id)?;
    Some(root.at(found.file, found.id, found.value))
}

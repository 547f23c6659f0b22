//! All files that a workflow refers to, read once, and what their identifiers mean.

use super::cursor::Cursor;
use super::document::{Budget, TEXT_BYTES, parse};
use super::names::{fragment, join, plain, short, split, unescape};
use super::problem::{Problem, list, show};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Classes of things that can be run.
pub(super) const PROCESSES: [&str; 4] =
    ["CommandLineTool", "ExpressionTool", "Operation", "Workflow"];

/// Most values looked at in one workflow, each as often as it is imported.
const VISITS: usize = 400_000;

/// The files reached from the entry file, as trees.
pub(super) struct Library {
    /// Every reached file; one that is not YAML keeps its problem until somebody needs it.
    pub(super) trees: BTreeMap<String, Result<Value, Problem>>,
    /// Every given file.
    names: BTreeSet<String>,
}

impl Library {
    /// Reads what the process `entrypoint`, a path and perhaps an id, needs.
    ///
    /// # Errors
    /// As [`Library::read`].
    pub(super) fn read_entry(
        files: &BTreeMap<String, String>,
        entrypoint: &str,
    ) -> Result<Self, Problem> {
        let (file, _) = split(entrypoint);
        let file = join("", file).map_err(|why| Problem::workflow(entrypoint, &why))?;
        Self::read(files, &file)
    }

    /// Reads the entry file and all files that it refers to, directly or through others.
    ///
    /// # Errors
    /// No such entry file, too much text, or an `$import`, `$include` or `$mixin` that cannot be
    /// resolved.
    pub(super) fn read(files: &BTreeMap<String, String>, entry: &str) -> Result<Self, Problem> {
        let texts: BTreeMap<String, &String> = files
            .iter()
            .filter_map(|(name, text)| Some((join("", name).ok()?, text)))
            .collect();
        let mut library = Self {
            trees: BTreeMap::new(),
            names: texts.keys().cloned().collect(),
        };
        let budget = Budget::new();
        let mut text_left = TEXT_BYTES;
        let mut waiting = vec![entry.to_owned()];
        while let Some(name) = waiting.pop() {
            let Some(text) = texts.get(&name) else {
                return Err(Problem::workflow(
                    &name,
                    &format!("no such file; there are {}", list(&library.names)),
                ));
            };
            if library.trees.contains_key(&name) {
                continue;
            }
            text_left = text_left.checked_sub(text.len()).ok_or_else(|| {
                Problem::workflow(
                    &name,
                    &format!("more than {TEXT_BYTES} bytes of CWL in all"),
                )
            })?;
            let tree = parse(text, &budget).map_err(|message| {
                Problem::workflow(&name, &format!("not CWL: neither YAML nor JSON: {message}"))
            });
            if let Ok(tree) = &tree {
                let trail = Trail {
                    file: &name,
                    up: None,
                    key: "",
                };
                library.references(tree, &trail, &mut waiting)?;
            }
            library.trees.insert(name, tree);
        }
        Ok(library)
    }

    /// The file that a reference standing in `base` means; the empty reference is `base` itself.
    ///
    /// # Errors
    /// Says why there is none.
    pub(super) fn file(&self, base: &str, reference: &str) -> Result<&str, String> {
        if reference.is_empty() {
            return self.name(base).ok_or_else(|| "no such file".to_owned());
        }
        let literal = |reference: &str| {
            // A file name may look like `scheme:rest`; the given files decide.
            join(base, &format!("./{reference}"))
                .ok()
                .filter(|_| !reference.starts_with('/'))
                .and_then(|path| self.name(&path))
        };
        if let Some(name) = literal(reference).or_else(|| literal(&unescape(reference)?)) {
            return Ok(name);
        }
        let path = join(base, reference)?;
        Err(format!(
            "there is no file `{}`; there are {}",
            show(&path),
            list(&self.names)
        ))
    }

    fn name(&self, path: &str) -> Option<&str> {
        self.names.get(path).map(String::as_str)
    }

    /// Finds every file that this tree refers to.
    fn references(
        &self,
        value: &Value,
        trail: &Trail<'_>,
        waiting: &mut Vec<String>,
    ) -> Result<(), Problem> {
        match value {
            Value::Array(items) => {
                for (n, item) in items.iter().enumerate() {
                    let key = n.to_string();
                    self.references(item, &trail.down(&key), waiting)?;
                }
            }
            Value::Object(map) => {
                for (key, item) in map {
                    let trail = trail.down(key);
                    match (key.as_str(), item) {
                        ("$import" | "$include", Value::String(reference)) => {
                            let (path, _) = split(reference);
                            let file = self
                                .file(trail.file, path)
                                .map_err(|why| Problem::workflow(&trail.render(), &why))?;
                            if key == "$import" {
                                waiting.push(file.to_owned());
                            }
                        }
                        ("$import" | "$include" | "$mixin", _) => {
                            let message = if key == "$mixin" {
                                "`$mixin` is not supported; write the fields out"
                            } else {
                                "expected the relative path of a file"
                            };
                            return Err(Problem::workflow(&trail.render(), message));
                        }
                        // A reference that leads nowhere is refused where it is used: the same key
                        // can also stand in plain data.
                        ("run", Value::String(reference)) => {
                            let found = self.file(trail.file, split(reference).0);
                            waiting.extend(found.map(str::to_owned));
                        }
                        (_, item) => self.references(item, &trail, waiting)?,
                    }
                }
            }
            Value::String(text) => {
                // Types of other files are named like `types.yml#name`.
                if let (file, Some(_)) = split(text)
                    && let Ok(name) = self.file(trail.file, file)
                {
                    waiting.push(name.to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The way from the root of a file to a value, rendered only when something is wrong there.
struct Trail<'t> {
    file: &'t str,
    up: Option<&'t Trail<'t>>,
    key: &'t str,
}

impl<'t> Trail<'t> {
    fn down(&'t self, key: &'t str) -> Trail<'t> {
        Trail {
            file: self.file,
            up: Some(self),
            key,
        }
    }

    fn render(&self) -> String {
        let mut keys = Vec::new();
        let mut at = self;
        while let Some(up) = at.up {
            keys.push(show(at.key));
            at = up;
        }
        keys.reverse();
        format!("{}#/{}", self.file, keys.join("/"))
    }
}

/// What the identifiers in all trees mean.
pub(super) struct Index<'a> {
    pub(super) library: &'a Library,
    /// Processes by file and fragment.
    processes: HashMap<(&'a str, &'a str), Found<'a>>,
    /// Named types by file and fragment, and by the last part of their name in any file.
    types: HashMap<(&'a str, &'a str), Found<'a>>,
    types_by_name: HashMap<&'a str, Found<'a>>,
    visits: Cell<usize>,
}

/// A value and the file that it stands in.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) file: &'a str,
    pub(super) id: &'a str,
    pub(super) value: &'a Value,
}

impl<'a> Index<'a> {
    /// Indexes every identifier.
    pub(super) fn new(library: &'a Library) -> Self {
        let mut index = Self {
            library,
            processes: HashMap::new(),
            types: HashMap::new(),
            types_by_name: HashMap::new(),
            visits: Cell::new(VISITS),
        };
        for (file, tree) in &library.trees {
            if let Ok(tree) = tree {
                index.add(file, tree);
            }
        }
        index
    }

    fn add(&mut self, file: &'a str, value: &'a Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.add(file, item)),
            Value::Object(map) => {
                self.add_object(file, value, map);
                map.values().for_each(|item| self.add(file, item));
            }
            _ => {}
        }
    }

    fn add_object(&mut self, file: &'a str, value: &'a Value, map: &'a Map<String, Value>) {
        let text = |key: &str| map.get(key).and_then(Value::as_str);
        if let (Some(id), Some(class)) = (text("id"), text("class"))
            && PROCESSES.contains(&plain(class))
        {
            let id = fragment(id);
            self.processes
                .entry((file, id))
                .or_insert(Found { file, id, value });
        }
        if let (Some(name), Some(kind)) = (text("name"), text("type"))
            && matches!(plain(kind), "record" | "array" | "enum")
        {
            let id = fragment(name);
            let found = Found { file, id, value };
            self.types.entry((file, id)).or_insert(found);
            self.types_by_name.entry(short(name)).or_insert(found);
        }
    }

    /// The tree of a file that was reached.
    ///
    /// # Errors
    /// The file is not YAML.
    pub(super) fn root(&'a self, file: &'a str) -> Result<Cursor<'a>, Problem> {
        match self.library.trees.get(file) {
            Some(Ok(tree)) => Ok(Cursor::root(self, file, tree)),
            Some(Err(problem)) => Err(problem.clone()),
            None => Err(Problem::workflow(file, "no such file")),
        }
    }

    /// The process of this identifier, wherever it stands in the file.
    pub(super) fn process(&self, file: &str, fragment: &str) -> Option<Found<'a>> {
        self.processes.get(&(file, fragment)).copied()
    }

    /// The named type that a reference standing in `file` means. Names are scoped in CWL; packed
    /// documents rewrite them, so the last part of a name finds it too.
    pub(super) fn named_type(&self, file: &str, reference: &str) -> Option<Found<'a>> {
        let (path, _) = split(reference);
        let target = if reference.contains('#') {
            self.library.file(file, path).unwrap_or(file)
        } else {
            file
        };
        let name = fragment(reference);
        self.types
            .get(&(target, name))
            .or_else(|| self.types.get(&(target, short(name))))
            .or_else(|| self.types_by_name.get(short(name)))
            .copied()
    }

    /// Counts one more value looked at; `false` when there were too many.
    pub(super) fn count_visit(&self) -> bool {
        let left = self.visits.get().checked_sub(1);
        self.visits.set(left.unwrap_or(0));
        left.is_some()
    }
}

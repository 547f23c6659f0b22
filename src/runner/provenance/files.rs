//! The files of a crate: what the runner itself puts beside the outputs, and where its metadata goes.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::graph::{Graph, escape, media_type};
use crate::runner::outputs::{METADATA_FILE, OWN_FOLDER, Store};
use crate::runner::record::hex;

/// A file of metadata larger than this is not one of ours.
const METADATA_LIMIT: u64 = 64 << 20;
/// The most files of the run's logs that are named.
const MOST_LOGS: usize = 1000;

/// What of one run lies beside its outputs.
pub struct Files<'a> {
    store: &'a mut Store,
    /// A folder of this resource alone, so that several of them may share a folder for outputs.
    folder: String,
    /// Digests of what is written, by `@id`.
    digests: HashMap<String, String>,
}

impl<'a> Files<'a> {
    /// The files of the resource with this uid.
    pub fn new(store: &'a mut Store, uid: &str) -> Self {
        Self {
            store,
            folder: folder(uid),
            digests: HashMap::new(),
        }
    }

    /// The `@id` of a file of the workflow.
    pub fn workflow(&self, path: &str) -> String {
        escape(&format!("{}/workflow/{path}", self.folder))
    }

    /// What identifies the content of a file that was written.
    pub fn version(&self, id: &str) -> Option<String> {
        Some(format!("sha256:{}", self.digests.get(id)?))
    }

    /// Copies the workflow's files.
    pub fn copy_workflow(
        &mut self,
        graph: &mut Graph,
        files: &BTreeMap<String, Vec<u8>>,
    ) -> io::Result<()> {
        for (path, bytes) in files {
            let target = format!("{}/workflow/{path}", self.folder);
            self.write(graph, &target, bytes, json!({"name": path}))?;
        }
        Ok(())
    }

    /// Writes the resource.
    pub fn write_resource(&mut self, graph: &mut Graph, text: &str) -> io::Result<String> {
        let target = format!("{}/resource.yaml", self.folder);
        let fields = json!({"name": "The DvreWorkflow resource", "about": {"@id": super::RUN}});
        self.write(graph, &target, text.as_bytes(), fields)
    }

    fn write(
        &mut self,
        graph: &mut Graph,
        target: &str,
        bytes: &[u8],
        fields: Value,
    ) -> io::Result<String> {
        self.store.bytes(Path::new(target), bytes)?;
        let (id, digest) = (escape(target), hex(&Sha256::digest(bytes)));
        graph.put(&id, &["File"], fields);
        graph.set(&id, "encodingFormat", json!(media_type(target)));
        graph.set(&id, "contentSize", json!(bytes.len().to_string()));
        graph.set(&id, "sha256", json!(digest));
        graph.link(super::ROOT, "hasPart", &id);
        self.digests.insert(id.clone(), digest);
        Ok(id)
    }

    /// Names what else the runner has left: its record, and the logs of an attempt.
    pub fn name_records(&self, graph: &mut Graph, attempt: i32, logs: &str) {
        let outcome = format!("{OWN_FOLDER}/outcome.json");
        if self.store.path(&outcome).is_file() {
            self.name(graph, &outcome, "The outcome as the runner recorded it");
            graph.link(super::RUN, "result", &outcome);
        }
        for path in listing(&self.store.path(logs), MOST_LOGS) {
            self.name(graph, &format!("{logs}/{path}"), &format!("Log {path}"));
        }
        for earlier in 1..attempt {
            let path = kept(&self.folder, earlier);
            if self.store.path(&path).is_file() {
                self.name(graph, &path, &format!("Provenance of attempt {earlier}"));
            }
        }
    }

    fn name(&self, graph: &mut Graph, path: &str, name: &str) {
        let size = fs::metadata(self.store.path(path)).map(|meta| meta.len().to_string());
        let id = escape(path);
        graph.put(
            &id,
            &["File"],
            json!({"name": name, "encodingFormat": media_type(path), "contentSize": size.ok(),
                "about": {"@id": super::RUN}}),
        );
        graph.link(super::ROOT, "hasPart", &id);
    }

    /// Where the metadata goes, below the folder for outputs.
    ///
    /// What another run or attempt has written there is kept in that one's folder. What somebody else
    /// has written stays, and this goes to a folder of its own.
    pub fn make_way(&mut self) -> io::Result<String> {
        let root = self.store.path(METADATA_FILE);
        Ok(match fs::symlink_metadata(&root) {
            Err(_) => METADATA_FILE.to_owned(),
            Ok(there) => match owner(&root, &there) {
                Some((uid, attempt)) => {
                    let keep = kept(&folder(&uid), attempt);
                    self.store
                        .rename(Path::new(METADATA_FILE), Path::new(&keep))?;
                    METADATA_FILE.to_owned()
                }
                None => format!("{}/{METADATA_FILE}", self.folder),
            },
        })
    }

    /// Writes the metadata.
    pub fn write_metadata(&mut self, target: &str, metadata: &Value) -> io::Result<()> {
        self.store
            .bytes(Path::new(target), &serde_json::to_vec_pretty(metadata)?)
    }
}

fn folder(uid: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    let uid: String = uid.chars().filter(plain).take(64).collect();
    format!("{OWN_FOLDER}/run-{uid}")
}

fn kept(folder: &str, attempt: i32) -> String {
    format!("{folder}/ro-crate-metadata-attempt-{attempt}.json")
}

/// Which run, by its uid and attempt, has written the metadata that is there; `None` when no runner did.
fn owner(path: &Path, there: &fs::Metadata) -> Option<(String, i32)> {
    if !there.is_file() || there.len() > METADATA_LIMIT {
        return None;
    }
    let metadata: Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let entities = metadata.get("@graph")?.as_array()?;
    let named = |id: &str| {
        entities
            .iter()
            .find(|entity| entity.get("@id").is_some_and(|own| own == id))
    };
    named(super::OPERATOR)?;
    let identifier = named(super::RUN)?.get("identifier")?.as_str()?;
    let (uid, attempt) = identifier.rsplit_once('/')?;
    Some((uid.to_owned(), attempt.parse().ok()?))
}

/// The digest of a file of at most `limit` bytes.
pub fn digest(path: &Path, limit: u64) -> Option<String> {
    let mut file = fs::File::open(path).ok()?;
    if file.metadata().ok()?.len() > limit {
        return None;
    }
    let (mut sum, mut chunk) = (Sha256::new(), vec![0; 256 << 10]);
    loop {
        match file.read(&mut chunk).ok()? {
            0 => return Some(format!("sha256:{}", hex(&sum.finalize()))),
            read => sum.update(chunk.get(..read)?),
        }
    }
}

/// The files below a folder, links left out.
fn listing(top: &Path, most: usize) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), vec![top.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file()
                && let Ok(path) = entry.path().strip_prefix(top)
                && found.len() < most
            {
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

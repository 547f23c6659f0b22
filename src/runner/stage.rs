//! Puts everything in place for the engine: workflow files, volumes, and resolved inputs.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::{env, fs, io};

use serde_json::Value;

use super::failure::Failure;
use super::layout::Layout;
use super::provenance::Inputs;
use super::redact::Redactor;
use super::run_file::{DATA_FOLDER, RUN_FOLDER, RunFile, VOLUMES_FOLDER};
use crate::cwl;

mod fetch;
mod layers;
mod pods;
mod resolve;
mod ssh;

use fetch::Fetcher;
pub use fetch::without_query;
use layers::Layers;
use resolve::Resolver;
pub use resolve::decode;

/// Reads the operator's request.
pub fn read_run(layout: &Layout) -> Result<RunFile, Failure> {
    let file = layout.run_file();
    let text = fs::read(&file).map_err(|error| cannot("read run.json", &error))?;
    serde_json::from_slice(&text).map_err(|error| Failure::internal(format!("run.json: {error}")))
}

/// What is known once everything is in place.
#[derive(Debug)]
pub struct Staged {
    /// What knows the values to keep out of the log.
    pub redactor: Redactor,
    /// The paths of the steps that run something, as StreamFlow names them.
    pub steps: Vec<String>,
    /// The images that the document names for them.
    pub images: Vec<(String, String)>,
    /// The inputs.
    pub inputs: Inputs,
}

/// Prepares the run.
pub fn stage(layout: &Layout, run: &RunFile) -> Result<Staged, Failure> {
    for folder in ["workflow", "inputs", "scratch", "outputs", "home"] {
        fs::create_dir_all(layout.work().join(folder))
            .map_err(|error| cannot(&format!("make the folder {folder}"), &error))?;
    }
    copy_tree(&layout.workflow_source(), &layout.workflow())
        .map_err(|error| cannot("copy the workflow files", &error))?;
    let configuration = layout.at(RUN_FOLDER).join("streamflow.yml");
    copy_file(&configuration, &layout.streamflow_file())
        .map_err(|error| cannot("copy streamflow.yml", &error))?;
    for volume in &run.copy_volumes {
        copy_volume(layout, volume)?;
    }
    pods::copy(layout, |name| env::var(name).ok())?;
    let home = env::var_os("HOME").map(PathBuf::from);
    ssh::collect(layout, run, home.as_deref())?;
    let layers = Layers::read(layout, &run.inputs)?;
    let redactor = if run.secret_inputs {
        layers.redactor()
    } else {
        Redactor::default()
    };
    let prepared = prepare_inputs(layout, run, layers).map_err(|failure| Failure {
        message: redactor.text(&failure.message),
        ..failure
    })?;
    let (process, inputs) = prepared;
    let steps = process.steps().iter();
    let image = |step: &cwl::needs::Step| {
        let image = step.needs.container.as_ref()?.image.clone()?;
        Some((step.path.clone(), image))
    };
    Ok(Staged {
        redactor,
        images: steps.clone().filter_map(image).collect(),
        steps: steps.map(|step| step.path.clone()).collect(),
        inputs,
    })
}

/// Writes the input object; gives back the workflow that it fits.
fn prepare_inputs(
    layout: &Layout,
    run: &RunFile,
    layers: Layers,
) -> Result<(cwl::Process, Inputs), Failure> {
    let secret = layers.secret();
    let given = layers.merge();
    let mut inputs = given.clone();
    // Only now are all values known; and what is wrong is better known before anything is fetched.
    let files = workflow_files(&layout.workflow())
        .map_err(|error| cannot("read the workflow files", &error))?
        .into_iter()
        .filter_map(|(path, bytes)| Some((path, String::from_utf8(bytes).ok()?)))
        .collect();
    let process = cwl::load(&files, &run.entrypoint)?;
    process.check_inputs(&inputs, cwl::Known::All)?;
    let mut fetcher = Fetcher::new(layout.fetched(), run.fetch_limit_bytes);
    let mut resolver = Resolver::new(layout, |request| fetcher.fetch(request));
    resolver.resolve(&mut inputs)?;
    let text = Value::Object(inputs.clone()).to_string();
    fs::write(layout.inputs_object(), text).map_err(|error| cannot("write the inputs", &error))?;
    let inputs = Inputs {
        given,
        resolved: inputs,
        secret,
    };
    Ok((process, inputs))
}

/// Every workflow file by its path; as mounted or copied.
pub fn workflow_files(top: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let (mut files, mut open) = (BTreeMap::new(), vec![top.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.strip_prefix(top).unwrap_or(&path).to_string_lossy();
            if name.starts_with("..") {
                // The kubelet keeps versions of the content there.
            } else if path.is_dir() {
                open.push(path);
            } else {
                files.insert(name.into_owned(), fs::read(&path)?);
            }
        }
    }
    Ok(files)
}

fn copy_volume(layout: &Layout, name: &str) -> Result<(), Failure> {
    let mut parts = Path::new(name).components();
    if !matches!(
        (parts.next(), parts.next()),
        (Some(Component::Normal(_)), None)
    ) {
        return Err(Failure::internal(format!(
            "{name:?} is no name of a volume"
        )));
    }
    let to = layout.at(DATA_FOLDER).join(name);
    copy_tree(&layout.at(VOLUMES_FOLDER).join(name), &to)
        .map_err(|error| cannot(&format!("copy the volume {name}"), &error))
}

/// Copies a mounted ConfigMap or Secret: what its links point at becomes real files.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        // The kubelet keeps versions of the content beside the links to it, as `..data`.
        if entry.file_name().as_encoded_bytes().starts_with(b"..") {
            continue;
        }
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if fs::metadata(&source)?.is_dir() {
            copy_tree(&source, &target)?;
        } else {
            copy_file(&source, &target)?;
        }
    }
    Ok(())
}

/// Copies content alone, so that the copy is writable whatever the mode of the source.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    io::copy(&mut fs::File::open(from)?, &mut fs::File::create(to)?).map(|_| ())
}

fn cannot(what: &str, error: &io::Error) -> Failure {
    Failure::internal(format!("cannot {what}: {error}"))
}

#[cfg(test)]
mod tests;

//! Manifests of step pods: what only the runner's own container knows is put into them.

use std::path::Path;
use std::{fs, io};

use super::cannot;
use crate::runner::failure::Failure;
use crate::runner::layout::Layout;
use crate::runner::run_file::{JOB_NAME, JOB_UID, NAMESPACE};

/// Copies every manifest, with the values of `variable` in it as Kubernetes would put them there.
pub fn copy(layout: &Layout, variable: impl Fn(&str) -> Option<String>) -> Result<(), Failure> {
    let entries = match fs::read_dir(layout.pods_source()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(cannot("read the manifests of step pods", &error)),
    };
    let target = layout.pods();
    fs::create_dir_all(&target).map_err(|error| cannot("make the folder pods", &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| cannot("read the manifests of step pods", &error))?;
        // The kubelet keeps versions of the content beside the links to it, as `..data`.
        if entry.file_name().as_encoded_bytes().starts_with(b"..") {
            continue;
        }
        let text = filled(&entry.path(), &variable)?;
        fs::write(target.join(entry.file_name()), text)
            .map_err(|error| cannot("write a step pod's manifest", &error))?;
    }
    Ok(())
}

fn filled(file: &Path, variable: impl Fn(&str) -> Option<String>) -> Result<String, Failure> {
    let mut text =
        fs::read_to_string(file).map_err(|error| cannot("read a step pod's manifest", &error))?;
    for name in [JOB_NAME, JOB_UID, NAMESPACE] {
        let reference = format!("$({name})");
        if text.contains(&reference) {
            let value = variable(name).ok_or_else(|| {
                Failure::internal(format!(
                    "the manifest of a step pod needs the variable {name}, which the runner's \
                     container does not have"
                ))
            })?;
            text = text.replace(&reference, &value);
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::record::Reason;
    use crate::runner::testing::folder;

    const MANIFEST: &str = "{metadata: {name: $(DVRE_JOB_NAME)-train, namespace: $(DVRE_NAMESPACE), ownerReferences: \
         [{kind: Job, name: $(DVRE_JOB_NAME), uid: $(DVRE_JOB_UID)}]}, args: [$(OTHER)]}";

    #[test]
    fn manifests_get_what_the_container_knows() {
        let world = folder("pods");
        world.write("dvre/run/pods/train.yaml", MANIFEST);
        world.write("dvre/run/pods/..data/train.yaml", "not this one");
        let value = |name: &str| Some(name.to_lowercase());
        copy(&Layout::new(world.path()), value).unwrap();
        assert_eq!(
            fs::read_to_string(world.path().join("work/pods/train.yaml")).unwrap(),
            "{metadata: {name: dvre_job_name-train, namespace: dvre_namespace, ownerReferences: \
             [{kind: Job, name: dvre_job_name, uid: dvre_job_uid}]}, args: [$(OTHER)]}"
        );
        assert!(!world.path().join("work/pods/..data").exists());
    }

    #[test]
    fn a_missing_variable_is_named() {
        let world = folder("pods");
        world.write("dvre/run/pods/train.yaml", MANIFEST);
        let value = |name: &str| (name != JOB_UID).then(|| "x".to_owned());
        let failure = copy(&Layout::new(world.path()), value).unwrap_err();
        assert_eq!(failure.reason, Reason::InternalError);
        assert!(failure.message.contains("DVRE_JOB_UID"), "{failure}");
    }

    #[test]
    fn without_step_pods_nothing_is_needed() {
        let world = folder("pods");
        copy(&Layout::new(world.path()), |_| None).unwrap();
        assert!(!world.path().join("work/pods").exists());
    }
}

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::controller::fixtures::{SETTINGS, echo, observed, workflow};
use crate::controller::validate;
use crate::render::placement::Pods;
use crate::runner::run_file::Containers;

/// Two tools, an expression, and a nested workflow.
fn hybrid() -> Value {
    let tool = |extra: Value| {
        let mut tool = echo();
        for (key, value) in extra.as_object().unwrap() {
            tool[key] = value.clone();
        }
        tool
    };
    let step =
        |run: Value, out: Value| json!({"run": run, "in": {"message": "message"}, "out": out});
    json!({
        "cwlVersion": "v1.2", "class": "Workflow",
        "requirements": {"SubworkflowFeatureRequirement": {}, "InlineJavascriptRequirement": {}},
        "inputs": {"message": "string"}, "outputs": {},
        "steps": {
            "first": step(tool(json!({"hints": {"DockerRequirement": {"dockerPull": "debian:trixie-slim"}}})), json!([])),
            "think": step(json!({"class": "ExpressionTool", "inputs": {"message": "string"}, "outputs": {}, "expression": "$({})"}), json!([])),
            "inner": step(json!({
                "class": "Workflow", "inputs": {"message": "string"}, "outputs": {},
                "steps": {"a": step(tool(json!({})), json!([])), "b": step(tool(json!({})), json!([]))}
            }), json!([])),
        }
    })
}

fn settings() -> RunSettings {
    let mut settings = SETTINGS.clone();
    settings.deployments.allow_privileged = true;
    settings.deployments.steps_role = Some("ClusterRole/steps".to_owned());
    settings
}

fn placed(cwl: Value, mut spec: Value) -> Result<Placement, Trouble> {
    spec["cwl"] = cwl;
    spec["inputs"] = json!({"message": "x"});
    let workflow = workflow(spec);
    let settings = settings();
    let mut observed = observed(&workflow, 0);
    observed.settings = &settings;
    validate::run(&observed).map(|run| run.placement)
}

fn bound(placement: &Placement) -> Vec<(&str, &str)> {
    let bindings = placement.bindings.iter();
    bindings
        .map(|binding| {
            let target = &placement.targets[binding.bound.target];
            (binding.step.as_str(), target.name.as_str())
        })
        .collect()
}

#[test]
fn the_longest_path_decides_and_few_bindings_say_it() {
    let placement = placed(
        hybrid(),
        json!({
            "deployment": "local",
            "bindings": [
                {"step": "/inner", "deployment": "docker"},
                {"step": "/inner/b/", "deployment": "local"}
            ]
        }),
    )
    .unwrap();
    assert_eq!(bound(&placement), [("/", "local"), ("/inner/a", "docker")]);
    let refused = placement.cwltool.refused.unwrap();
    assert!(refused.contains("all steps in one place"), "{refused}");
}

#[test]
fn expressions_bring_no_place_up() {
    let placement = placed(hybrid(), json!({"deployment": "docker"})).unwrap();
    assert_eq!(
        bound(&placement),
        [
            ("/", "docker"),
            ("/first", "docker"),
            ("/think", "expressions")
        ]
    );
    let own: Vec<bool> = placement
        .bindings
        .iter()
        .map(|binding| binding.bound.own_container)
        .collect();
    assert_eq!(own, [false, true, false]);
    assert_eq!(placement.cwltool.containers, Containers::Docker);
    assert_eq!(placement.cwltool.image.as_deref(), Some("python:3.9-slim"));
}

#[test]
fn steps_that_need_the_same_share_a_sort_of_pods() {
    let placement = placed(hybrid(), json!({"deployment": "kubernetes"})).unwrap();
    let pods: Vec<&Pods> = placement.pods().collect();
    assert_eq!(
        pods.iter()
            .map(|pods| pods.image.as_str())
            .collect::<Vec<_>>(),
        ["debian:trixie-slim", "python:3.9-slim"]
    );
    assert_eq!(
        bound(&placement),
        [
            ("/", "kubernetes-1"),
            ("/first", "kubernetes-0"),
            ("/think", "expressions")
        ]
    );
    assert!(placement.cwltool.refused.unwrap().contains("kubernetes"));
}

#[rstest]
#[case::least(json!({"coresMin": 0.5, "ramMin": 2048}), json!({"cpu": "500m", "memory": "2048Mi"}), json!({"memory": "2048Mi"}))]
#[case::within(json!({"ramMin": 64}), json!({"cpu": "100m", "memory": "64Mi"}), json!({"memory": "1Gi"}))]
#[case::most(json!({"coresMax": 2, "ramMin": 64, "ramMax": 96}), json!({"cpu": "2000m", "memory": "64Mi"}), json!({"cpu": "2000m", "memory": "96Mi"}))]
#[case::disk(json!({"tmpdirMin": 10, "outdirMin": 5.5}), json!({"cpu": "100m", "memory": "128Mi", "ephemeral-storage": "16Mi"}), json!({"memory": "1Gi"}))]
fn resources(#[case] wanted: Value, #[case] requests: Value, #[case] limits: Value) {
    let mut tool = echo();
    tool["requirements"] = json!({"ResourceRequirement": wanted});
    let placement = placed(tool, json!({"deployment": "kubernetes"})).unwrap();
    let pods = placement.pods().next().unwrap();
    assert_eq!(
        serde_json::to_value(&pods.resources).unwrap(),
        json!({"requests": requests, "limits": limits})
    );
}

#[test]
fn accelerators_are_limits() {
    let mut tool = echo();
    tool["$namespaces"] = json!({"cwltool": "http://commonwl.org/cwltool#"});
    tool["hints"] =
        json!({"cwltool:CUDARequirement": {"cudaVersionMin": "11.4", "cudaDeviceCountMin": 2}});
    let placement = placed(tool, json!({"deployment": "kubernetes"})).unwrap();
    let resources = &placement.pods().next().unwrap().resources;
    let limits = resources.limits.as_ref().unwrap();
    assert_eq!(limits.get("nvidia.com/gpu").unwrap().0, "2");
}

#[rstest]
#[case::unknown(json!({"deployment": "moon"}), Reason::InvalidDeployment, "docker, kubernetes, local, singularity")]
#[case::unknown_step(json!({"bindings": [{"step": "/fist", "deployment": "local"}]}), Reason::InvalidDeployment, "/first, /inner")]
#[case::unknown_target(json!({"bindings": [{"step": "/first", "deployment": "moon"}]}), Reason::InvalidDeployment, "no deployment moon")]
#[case::slurm(json!({"deployment": "slurm"}), Reason::InvalidDeployment, "slurm.ssh")]
#[case::no_folder(json!({"deployment": "hpc", "deployments": [{"name": "hpc", "slurm": {"ssh": {"host": "h", "user": "u", "secretRef": {"name": "s"}}}}]}), Reason::InvalidDeployment, "slurm.workdir")]
#[case::no_commands(json!({"deployment": "hpc", "deployments": [{"name": "hpc", "slurm": {"workdir": "/scratch"}}]}), Reason::InvalidDeployment, "no Slurm commands")]
#[case::tls_alone(json!({"deployment": "docker", "deployments": [{"name": "docker", "docker": {"tlsSecretRef": {"name": "s"}}}]}), Reason::InvalidDeployment, "external daemon")]
#[case::two_daemons(json!({"deployment": "docker", "deployments": [{"name": "far", "docker": {"host": "tcp://h:1"}}], "bindings": [{"step": "/inner", "deployment": "far"}]}), Reason::InvalidDeployment, "same daemon")]
#[case::taken(json!({"deployment": "docker", "deployments": [{"name": "docker", "docker": {"env": [{"name": "PATH", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}}]}), Reason::InvalidDeployment, "PATH")]
#[case::reserved(json!({"deployments": [{"name": "expressions", "local": {}}]}), Reason::InvalidDeployment, "expressions")]
#[case::cwltool(json!({"engine": "Cwltool", "deployment": "kubernetes"}), Reason::InvalidDeployment, "spec.engine is Cwltool, but")]
fn refusals(#[case] spec: Value, #[case] reason: Reason, #[case] part: &str) {
    let trouble = placed(hybrid(), spec).unwrap_err();
    assert_eq!(trouble.reason, reason, "{trouble:?}");
    assert!(trouble.message.contains(part), "{trouble:?}");
}

#[rstest]
#[case("docker", "deployments.allowPrivileged")]
#[case("singularity", "deployments.allowPrivileged")]
#[case("kubernetes", "spec.runner.serviceAccountName")]
fn what_the_operator_does_not_allow_names_the_setting(
    #[case] deployment: &str,
    #[case] setting: &str,
) {
    let spec = json!({"cwl": echo(), "inputs": {"message": "x"}, "deployment": deployment});
    let workflow = workflow(spec);
    let trouble = validate::run(&observed(&workflow, 0)).unwrap_err();
    assert_eq!(trouble.reason, Reason::InvalidDeployment);
    assert!(trouble.message.contains(setting), "{trouble:?}");
}

#[test]
fn an_external_daemon_needs_no_privilege() {
    let docker = json!({"host": "tcp://docker.example.org:2376", "tlsSecretRef": {"name": "tls"}});
    let spec = json!({
        "cwl": echo(), "inputs": {"message": "x"}, "deployment": "docker",
        "deployments": [{"name": "docker", "docker": docker}],
    });
    let workflow = workflow(spec);
    let run = validate::run(&observed(&workflow, 0)).unwrap();
    let label = run.placement.leftovers[0].docker_label.clone().unwrap();
    assert!(label.starts_with("dvre.io/run=dvre-"), "{label}");
    assert!(
        run.placement
            .cwltool
            .refused
            .unwrap()
            .contains("shares files")
    );
}

#[rstest]
#[case::computed(json!({"requirements": {"ResourceRequirement": {"ramMin": "$(1 + 1)"}, "InlineJavascriptRequirement": {}}}), "before the run")]
#[case::directory(json!({"hints": {"DockerRequirement": {"dockerPull": "a", "dockerOutputDirectory": "/out"}}}), "dockerOutputDirectory")]
fn pods_are_sized_before_the_run(#[case] extra: Value, #[case] part: &str) {
    let mut tool = echo();
    for (key, value) in extra.as_object().unwrap() {
        tool[key] = value.clone();
    }
    let trouble = placed(tool, json!({"deployment": "kubernetes"})).unwrap_err();
    assert_eq!(trouble.reason, Reason::UnsupportedRequirement);
    assert!(trouble.message.contains(part), "{trouble:?}");
}

#[test]
fn only_a_retry_of_every_failure_is_the_engines() {
    let attempts = |retry: Value| {
        let workflow = workflow(json!({"cwl": echo(), "retry": retry}));
        step_attempts(&workflow.spec)
    };
    assert_eq!(attempts(json!({"policy": "OnAnyFailure"})), Some(3));
    assert_eq!(
        attempts(json!({"policy": "OnAnyFailure", "limit": 0})),
        None
    );
    assert_eq!(attempts(json!({"policy": "Never", "limit": 5})), None);
    assert_eq!(attempts(json!({"limit": 5})), None);
}

/// Settings with StreamFlow's schema, and its file, which has to outlive them; none where there is no
/// StreamFlow to ask.
fn with_schema() -> Option<(RunSettings, crate::runner::testing::Folder)> {
    let Some(program) = std::env::var_os("DVRE_STREAMFLOW") else {
        eprintln!("passed over: DVRE_STREAMFLOW names no StreamFlow");
        return None;
    };
    let mut command = std::process::Command::new(program);
    let printed = command.args(["schema", "v1.0"]).output().unwrap();
    let folder = crate::runner::testing::folder("schema");
    let file = folder.write("schema.json", printed.stdout);
    let mut settings = settings();
    settings.deployments.streamflow_schema = file.to_str().unwrap().parse().unwrap();
    Some((settings, folder))
}

fn under(settings: &RunSettings, mut spec: Value, file: &str) -> Result<Placement, Trouble> {
    spec["cwl"] = hybrid();
    spec["inputs"] = json!({"message": "x"});
    let workflow = workflow(spec);
    let mut observed = observed(&workflow, 0);
    observed.settings = settings;
    let map = json!({"metadata": {"name": "mine"}, "data": {"file": file}});
    observed.config_maps = [(
        "mine".to_owned(),
        Some(serde_json::from_value(map).unwrap()),
    )]
    .into();
    validate::run(&observed).map(|run| run.placement)
}

fn mine() -> Value {
    json!({"configMapKeyRef": {"name": "mine", "key": "file"}})
}

#[test]
fn a_file_of_ones_own_brings_what_its_deployments_need() {
    let Some((settings, _folder)) = with_schema() else {
        return;
    };
    let file = "
version: v1.0
workflows: {mine: {type: cwl, config: {file: x.cwl}, bindings: [{step: /, target: {deployment: here}}, {step: /inner, target: {deployment: box}}]}}
deployments:
  here: {type: local, config: {}}
  box: {type: docker, config: {image: 'debian:trixie-slim'}}
  pods: {type: kubernetes, config: {files: [p.yaml], inCluster: true}}
failureManager: {type: rollback, config: {max_retries: 2}}
";
    let spec = json!({"deployment": "here", "streamflowFrom": mine()});
    let placement = under(&settings, spec, file).unwrap();
    let text = placement.custom.as_ref().unwrap();
    for part in ["max_retries: 2", "/work/workflow/main.cwl", "type: dvre"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    assert!(placement.docker().is_some());
    assert!(!placement.token);
    assert!(placement.cwltool.refused.is_some());
}

#[test]
fn a_file_that_cannot_be_is_refused() {
    let Some((settings, _folder)) = with_schema() else {
        return;
    };
    let file = "{version: v1.0, deployments: {local: {type: local, config: {workdir: /tmp/x}}}}";
    let spec = json!({ "streamflowFrom": mine() });
    let trouble = under(&settings, spec, file).unwrap_err();
    assert_eq!(trouble.reason, Reason::InvalidDeployment);
    let part = "Additional properties are not allowed ('workdir' was unexpected)";
    assert!(trouble.message.contains(part), "{trouble:?}");
}

#[test]
fn a_file_of_ones_own_says_itself_how_often_a_step_is_tried() {
    let Some((settings, _folder)) = with_schema() else {
        return;
    };
    let spec = json!({"streamflowFrom": mine(), "retry": {"policy": "OnAnyFailure"}});
    let placement = under(&settings, spec, "{version: v1.0}").unwrap();
    assert_eq!(placement.step_attempts, None);
}

#[test]
fn the_operators_file_is_for_all_that_bring_none() {
    let Some((mut settings, folder)) = with_schema() else {
        return;
    };
    let file = folder.write(
        "streamflow.yml",
        "
version: v1.0
workflows: {other: {type: cwl, config: {file: x.cwl}, bindings: [{step: /unknown, target: {deployment: lab}}]}}
deployments: {lab: {type: local, workdir: /tmp/lab, config: {}}}
failureManager: {type: rollback, config: {max_retries: 7}}
",
    );
    settings.deployments.streamflow_config = Some(file.to_str().unwrap().parse().unwrap());
    let lab = under(&settings, json!({"deployment": "lab"}), "").unwrap();
    let text = lab.custom.unwrap();
    assert!(
        text.contains("/tmp/lab") && text.contains("max_retries: 7"),
        "{text}"
    );
    let built_in = under(&settings, json!({"deployment": "docker"}), "").unwrap();
    assert_eq!(built_in.custom, None);
    assert_eq!(
        built_in.shared["failureManager"]["config"]["max_retries"],
        7
    );
    let never = json!({"deployment": "docker", "retry": {"policy": "Never"}});
    assert!(under(&settings, never, "").unwrap().shared.is_empty());
    let own = json!({"bindings": [{"step": "/inner", "deployment": "docker"}]});
    assert!(under(&settings, own, "").unwrap().shared.is_empty());
    let unknown = under(&settings, json!({"deployment": "moon"}), "").unwrap_err();
    assert!(
        unknown.message.contains("no deployment moon"),
        "{unknown:?}"
    );
}

use rstest::rstest;

use super::overlaid;

const HEAD: &str = "version: v1.0\nbindingFilters: {mixed: {type: shuffle, config: {}}}\n\
    deployments: {here: {type: local, config: {}}, hpc: {type: slurm, wraps: front, config: {}}, front: {type: ssh, config: {}}}\n";

/// A file with one workflow of one binding.
fn bound(binding: &str) -> String {
    format!(
        "{HEAD}workflows: {{x: {{type: cwl, config: {{file: a}}, bindings: [{{step: /, target: {{deployment: here}}}}, {binding}]}}}}"
    )
}

#[track_caller]
fn refused(text: &str, place: &str, message: &str) {
    let problem = overlaid(text).unwrap_err();
    assert_eq!(
        (problem.place.as_str(), problem.message.as_str()),
        (place, message)
    );
}

#[rstest]
#[case::deployment(
    "{step: /report, target: {deployment: hcp}}",
    "workflows.x.bindings[1].target",
    "there is no deployment hcp; there are: front, here, hpc"
)]
#[case::one_of_several(
    "{step: /report, target: [{deployment: here}, {model: nowhere}]}",
    "workflows.x.bindings[1].target",
    "there is no deployment nowhere; there are: front, here, hpc"
)]
#[case::deployment_of_a_port(
    "{port: /data, target: {deployment: hcp, workdir: /d}}",
    "workflows.x.bindings[1].target",
    "there is no deployment hcp; there are: front, here, hpc"
)]
#[case::port_without_workdir(
    "{port: /data, target: {deployment: here}}",
    "workflows.x.bindings[1]",
    "The `workdir` option is mandatory when specifying a `port` target."
)]
#[case::step(
    "{step: /trian, target: {deployment: here}}",
    "workflows.x.bindings[1]",
    "the workflow has no step /trian; it has: /, /prepare, /report, /train, /train/fit, /train/score"
)]
#[case::two_slashes(
    "{step: //report, target: {deployment: here}}",
    "workflows.x.bindings[1]",
    "the workflow has no step //report; it has: /, /prepare, /report, /train, /train/fit, /train/score"
)]
#[case::relative_step(
    "{step: report, target: {deployment: here}}",
    "workflows.x.bindings[1]",
    "Binding report is not well-defined in the StreamFlow file. It must be an absolute POSIX path"
)]
#[case::filter(
    "{step: /report, target: {deployment: here}, filters: [mixed, mxied]}",
    "workflows.x.bindings[1]",
    "Binding filter mxied is not defined; bindingFilters has: mixed"
)]
#[case::nothing(
    "{}",
    "workflows.x.bindings[1]",
    "expected a mapping with `step` or `port`"
)]
#[case::no_target(
    "{step: /report}",
    "workflows.x.bindings[1].target",
    "expected a mapping with `deployment`"
)]
fn a_binding_that_means_nothing(#[case] binding: &str, #[case] place: &str, #[case] message: &str) {
    refused(&bound(binding), place, message);
}

#[rstest]
#[case::unknown_wraps(
    "{a: {type: slurm, wraps: fornt, config: {}}}",
    "deployments.a.wraps",
    "there is no deployment fornt; there are: a"
)]
#[case::inline(
    "{a: {type: slurm, wraps: {deployment: b}, config: {}}, b: {type: docker, wraps: {deployment: c}}}",
    "deployments.b.wraps",
    "there is no deployment c; there are: a, b"
)]
#[case::circle(
    "{a: {type: slurm, wraps: b, config: {}}, b: {type: docker, wraps: a}}",
    "deployments.b.wraps",
    "The deployment `a` leads to a circular reference: Recursive deployment definitions are not allowed."
)]
#[case::itself(
    "{a: {type: slurm, wraps: a}}",
    "deployments.a.wraps",
    "The deployment `a` leads to a circular reference: Recursive deployment definitions are not allowed."
)]
#[case::policy(
    "{a: {type: local, scheduling_policy: data_locality}}",
    "deployments.a",
    "Policy data_locality is not defined; scheduling.policies has: none"
)]
#[case::no_type(
    "{a: {config: {}}}",
    "deployments.a",
    "expected a mapping with a `type`"
)]
#[case::no_mapping("[a]", "deployments", "expected a mapping of deployments")]
#[case::no_default(
    "{b: {type: local}, a: {type: local}}",
    "deployments",
    "nothing is bound to `/`, and there is no deployment local, which spec.deployment names; there are: a, b"
)]
fn deployments_that_do_not_hang_together(
    #[case] deployments: &str,
    #[case] place: &str,
    #[case] message: &str,
) {
    let bound = if message.starts_with("nothing") {
        ""
    } else {
        ", bindings: [{step: /, target: {deployment: a}}]"
    };
    refused(
        &format!(
            "version: v1.0\ndeployments: {deployments}\nworkflows: {{x: {{type: cwl, config: {{file: a}}{bound}}}}}"
        ),
        place,
        message,
    );
}

#[rstest]
#[case::mapping(
    "workflows: {x: {type: cwl, config: {file: a, docker: [{step: /trian, deployment: {type: none, config: {}}}]}, bindings: [{step: /, target: {deployment: here}}]}}",
    "workflows.x.config.docker[0]",
    "the workflow has no step /trian; it has: /, /prepare, /report, /train, /train/fit, /train/score"
)]
#[case::several(
    "workflows: {x: {type: cwl, config: {file: a}}, y: {type: cwl, config: {file: b}}}",
    "workflows",
    "there are several workflows, and none is named dvre: x, y; keep one"
)]
fn workflows_that_cannot_be_run(
    #[case] workflows: &str,
    #[case] place: &str,
    #[case] message: &str,
) {
    refused(&format!("{HEAD}{workflows}"), place, message);
}

#[test]
fn names_in_messages_are_short_and_no_value_is_told() {
    let text = format!(
        "version: v1.0\ndeployments: {{a: {{type: ssh, wraps: {}, config: {{password: hunter2}}}}}}",
        "x".repeat(5000)
    );
    let problem = super::overlaid_on("a", None, &text).unwrap_err();
    assert!(problem.to_string().len() < 400, "{problem}");
    assert!(!problem.to_string().contains("hunter2"));
}

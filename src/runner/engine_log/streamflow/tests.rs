use rstest::rstest;

use super::*;

fn read(log: &str) -> StreamFlowLog {
    let mut facts = StreamFlowLog::default();
    for line in log.split_inclusive('\n') {
        facts.take(line.as_bytes());
    }
    facts
}

#[rstest]
#[case::multi_line(
    "2026-11-23 19:13:10.388 INFO     EXECUTING workflow dvre\n\
     2026-11-23 19:13:10.424 INFO     EXECUTING step /a (job /a/0) locally into directory /x:\n\
     cat \\\n\t'/x/y'\n\
     2026-11-23 19:13:10.482 ERROR    No suitable token processors in d:\n\
     Tried CWLCommandOutputProcessor, but received error Expected d token\n\
     Traceback (most recent call last):\n  File \"x.py\", line 1, in f\n\
     streamflow.core.exception.ProcessorTypeError: No suitable\n\
     2026-11-23 19:13:10.501 ERROR    FAILED Workflow execution\n",
    "No suitable token processors in d:\nTried CWLCommandOutputProcessor, but received error Expected d token",
    Reached::Step,
    false
)]
#[case::empty_message(
    "2026-11-23 19:13:12.985 ERROR    \nTraceback (most recent call last):\n  File \"x.py\"\n\
     schema_salad.exceptions.ValidationException: outputSource not found: main.cwl#a/zz\n\n\
     The above exception was the direct cause of the following exception:\n\n\
     Traceback (most recent call last):\nstreamflow.core.exception.WorkflowDefinitionException\n",
    "outputSource not found: main.cwl#a/zz",
    Reached::Entry,
    true
)]
#[case::before_steps(
    "2026-11-23 19:13:00.610 INFO     EXECUTING workflow dvre\n\
     2026-11-23 19:13:00.665 ERROR    Token code is not optional.\nTraceback (most recent call last):\n\
     2026-11-23 19:13:00.737 INFO     EXECUTING step /a (job /a/0) locally into directory /x:\n\
     2026-11-23 19:13:00.797 ERROR    Cannot operate on a closed database.\n",
    "Token code is not optional.",
    Reached::Step,
    true
)]
fn first_error(
    #[case] log: &str,
    #[case] error: &str,
    #[case] reached: Reached,
    #[case] before: bool,
) {
    let facts = read(log);
    assert_eq!(facts.error().as_deref(), Some(error));
    assert_eq!((facts.reached, facts.error_before_steps), (reached, before));
}

#[test]
fn an_engine_that_dies_at_once_leaves_its_last_words() {
    let log = "Traceback (most recent call last):\n  File \"/usr/bin/streamflow\", line 3, in <module>\n\
               ModuleNotFoundError: No module named 'streamflow'\n";
    assert_eq!(
        read(log).last_words().as_deref(),
        Some("No module named 'streamflow'")
    );
}

#[test]
fn a_deployment_that_does_not_stand_is_known() {
    let facts = read("2026-11-23 19:11:33.254 INFO     DEPLOYING here\n");
    assert_eq!(facts.deploying.as_deref(), Some("here"));
    let facts = read(
        "2026-11-23 19:11:33.254 INFO     DEPLOYING here\n\
                      2026-11-23 19:11:33.260 INFO     COMPLETED deployment of here\n",
    );
    assert_eq!(facts.deploying, None);
}
#[test]
fn the_launcher_says_why_there_is_no_streamflow() {
    let facts = read("dvre-streamflow: StreamFlow is not available: No module named 'x'\n");
    assert_eq!(facts.unavailable(), Some("No module named 'x'"));
    assert!(!facts.spoke());
    assert!(read("2026-11-23 19:11:33.254 INFO     DEPLOYING here\n").spoke());
}

#[test]
fn the_last_slurm_job_of_each_job_counts() {
    let facts = read(
        "2026-11-23 19:11:33.2 INFO     EXECUTING step /a (job /a/0) locally into directory /x:\n\
         2026-11-23 19:11:33.2 INFO     EXECUTING step /b (job /b/0.1) on location hpc/small/login into directory /x:\n\
         true\n\
         2026-11-23 19:11:34.2 INFO     Scheduled job /b/0.1 with job id 4\n\
         2026-11-23 19:11:35.2 INFO     Scheduled job /b/0.1 with job id 5;main\n\
         2026-11-23 19:11:35.2 INFO     Scheduled job /0 with job id 6\n",
    );
    let job = |step: &str, deployment: Option<&str>, id: &str| SlurmJob {
        step: step.to_owned(),
        deployment: deployment.map(str::to_owned),
        id: id.to_owned(),
    };
    assert_eq!(
        facts.slurm_jobs(),
        [job("/", None, "6"), job("/b", Some("hpc"), "5;main")]
    );
    assert!(facts.elsewhere("/b/0.1") && !facts.elsewhere("/a/0"));
}

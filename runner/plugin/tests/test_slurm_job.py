import pytest

from dvre_streamflow import slurm_job
from dvre_streamflow.slurm_job import SlurmJob, Verdict

# As Slurm 22.05 and 24.11 print it, shortened.
SCONTROL = (
    "JobId=2 JobName=dvre-1 UserId=root(0) GroupId=root(0) MCS_label=N/A Priority=4294901758 "
    "Nice=0 Account=(null) QOS=(null) JobState={state} Reason={reason} Dependency=(null) "
    "Requeue=0 Restarts=0 BatchFlag=1 Reboot=0 ExitCode={code} RunTime=00:00:05 "
    "TimeLimit={limit} TimeMin=N/A SubmitTime=2026-11-24T18:24:44 StdOut=/scratch/a.txt Power="
)


def shown(state: str, code: str, reason: str = "None", limit: str = "UNLIMITED") -> SlurmJob:
    job = slurm_job.from_scontrol(
        SCONTROL.format(state=state, code=code, reason=reason, limit=limit)
    )
    assert job is not None
    return job


def test_a_job_is_read_from_scontrol() -> None:
    assert shown("TIMEOUT", "0:15", "TimeLimit", "1-00:30:00") == SlurmJob(
        "TIMEOUT", reason="TimeLimit", code=0, signal=15, time_limit="1-00:30:00"
    )
    assert shown("COMPLETED", "0:0").reason == ""
    assert slurm_job.from_scontrol("slurm_load_jobs error: Invalid job id specified") is None


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "COMPLETING", "REQUEUED", "SPECIAL_EXIT"])
def test_what_is_not_over_is_active(state: str) -> None:
    assert shown(state, "0:0").active


@pytest.mark.parametrize(
    "state", ["COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "SOMETHING_NEW"]
)
def test_what_is_over_is_not(state: str) -> None:
    assert not shown(state, "0:0").active


OOM_LOG = (
    "slurmstepd-vm: error: StepId=3.batch exceeded memory limit (329605120 > 52428800), being "
    "killed\nslurmstepd-vm: error: Exceeded job memory limit"
)
CGROUP_LOG = (
    "slurmstepd: error: Detected 1 oom_kill event in StepId=5.batch. Some of the step tasks have "
    "been OOM Killed."
)


@pytest.mark.parametrize(
    ("job", "log", "kind", "words", "exit_code"),
    [
        (shown("CANCELLED", "0:15"), "", "StepFailed", "was cancelled outside of this run", 143),
        (shown("CANCELLED", "0:0"), "", "StepFailed", "was cancelled outside of this run", 143),
        (
            shown("TIMEOUT", "0:15", "TimeLimit", "01:00:00"),
            *("", "StepFailed", "ran into its time limit (60 min)", 143),
        ),
        (
            shown("TIMEOUT", "0:15", "TimeLimit", "1-00:00:30"),
            *("", "StepFailed", "ran into its time limit (1440.5 min)", 143),
        ),
        (
            shown("OUT_OF_MEMORY", "0:125", "OutOfMemory"),
            *("", "OutOfMemory", "used more memory than it asked for", 137),
        ),
        (
            shown("FAILED", "0:9", "JobLaunchFailure"),
            *(OOM_LOG, "OutOfMemory", "used more memory than it asked for", 137),
        ),
        (
            shown("FAILED", "137:0", "NonZeroExitCode"),
            *(CGROUP_LOG, "OutOfMemory", "used more memory than it asked for", 137),
        ),
        (
            shown("FAILED", "0:9", "JobLaunchFailure"),
            *("", "OutOfMemory", "was killed by signal 9, most likely because it used more"),
            137,
        ),
        (
            shown("NODE_FAIL", "0:1", "NodeDown"),
            *("", "Evicted", "was lost because its node failed", 143),
        ),
        (shown("PREEMPTED", "0:15"), "", "Evicted", "had to make room", 143),
        (shown("BOOT_FAIL", "0:0"), "", "Evicted", "did not boot", 143),
        (shown("FAILED", "0:11"), "", "StepFailed", "was killed by signal 11", 139),
        (shown("FAILED", "0:53"), "", "DeploymentFailed", "workdir", 181),
        (
            shown("FAILED", "0:0", "JobHoldMaxRequeue"),
            *("", "StepFailed", "ended as FAILED (JobHoldMaxRequeue)", 1),
        ),
        (shown("SOMETHING_NEW", "0:0"), "", "StepFailed", "ended as SOMETHING_NEW", 1),
    ],
)
def test_an_abnormal_end_is_explained(
    job: SlurmJob, log: str, kind: str, words: str, exit_code: int
) -> None:
    verdict = slurm_job.verdict(job, "12", "/a", log)
    assert verdict is not None
    assert verdict.message.startswith("Slurm job 12 of step /a ")
    assert words in verdict.message
    assert (verdict.kind, verdict.exit_code) == (kind, exit_code)


@pytest.mark.parametrize(
    "job",
    [shown("COMPLETED", "0:0"), shown("FAILED", "7:0"), shown("FAILED", "137:0")],
)
def test_the_tools_own_exit_code_needs_no_explanation(job: SlurmJob) -> None:
    assert slurm_job.verdict(job, "12", "/a", "no such gene") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("COMPLETED|0:0\n", SlurmJob("COMPLETED")),
        ("CANCELLED by 1000|0:15\n", SlurmJob("CANCELLED", reason="by 1000", signal=15)),
        ("REQUEUED|0:0\nFAILED|7:0\n", SlurmJob("FAILED", code=7)),
        ("", None),
        ("Slurm accounting storage is disabled", None),
    ],
)
def test_a_forgotten_job_is_read_from_sacct(text: str, expected: SlurmJob | None) -> None:
    assert slurm_job.from_sacct(text) == expected


def test_the_queue_is_read_from_squeue() -> None:
    text = "welcome to hpc!\n7|PENDING|PartitionConfig\n8|RUNNING|None\n"
    queue = slurm_job.from_squeue(text)
    assert queue == {"7": ("PENDING", "PartitionConfig"), "8": ("RUNNING", "")}
    assert slurm_job.hopeless(*queue["7"])
    assert not slurm_job.hopeless(*queue["8"])
    assert not slurm_job.hopeless("PENDING", "Priority")
    assert slurm_job.hopeless("PENDING", "QOSMaxCpuPerJobLimit")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12\n", "12"),
        ("12;hpc2\n", "12"),
        ("sbatch: Using account x\n12\n", "12"),
        ("sbatch: error: no", None),
    ],
)
def test_the_id_of_a_job_is_found(text: str, expected: str | None) -> None:
    assert slurm_job.job_id(text) == expected


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        ("", 0, True),
        ("slurm_load_jobs error: Invalid job id specified", 1, True),
        ("slurm_load_jobs error: Unable to contact slurm controller (connect failure)", 1, False),
        ("slurm_load_jobs error: Socket timed out on send/recv operation", 1, False),
        ("slurm_load_jobs error: Protocol authentication error", 1, False),
        ("sh: 1: squeue: not found", 127, False),
    ],
)
def test_only_an_answer_is_an_answer(text: str, code: int, expected: bool) -> None:
    assert slurm_job.answered(text, code) is expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Batch job submission failed: Invalid partition name specified", "DeploymentFailed"),
        ("Batch job submission failed: Invalid account", "DeploymentFailed"),
        (
            "Batch job submission failed: Requested node configuration is not available",
            "Unschedulable",
        ),
        (
            "Batch job submission failed: Job violates accounting/QOS policy (job submit limit, "
            "user's size and/or time limits)",
            "QuotaExceeded",
        ),
    ],
)
def test_a_refusal_says_why(text: str, kind: str) -> None:
    said = f"Error submitting job /a/0 to Slurm: sbatch: error: {text}"
    assert slurm_job.refusal(said, "/a") == (kind, f"Slurm refused the job of step /a: {text}")


def test_a_silent_controller_refuses_nothing() -> None:
    text = "sbatch: error: Batch job submission failed: Unable to contact slurm controller"
    assert slurm_job.refusal(text, "/a") is None


def test_a_verdict_has_no_step_of_its_own() -> None:
    job = shown("CANCELLED", "0:15")
    assert slurm_job.verdict(job, "1", "/", "") == Verdict(
        "StepFailed", "Slurm job 1 of step / was cancelled outside of this run", 143
    )

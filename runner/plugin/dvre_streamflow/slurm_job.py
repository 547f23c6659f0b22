"""What Slurm says of a job, and what that means to a researcher; nothing here asks Slurm."""

import re
from dataclasses import dataclass

# Not over yet. Any other state is an end.
_ACTIVE = re.compile(
    r"COMPLETING|CONFIGURING|PENDING|REQUEUED|REQUEUE_FED|REQUEUE_HOLD|RESIZING|RESV_DEL_HOLD"
    r"|RUNNING|SIGNALING|SPECIAL_EXIT|STAGE_OUT|STOPPED|SUSPENDED"
)

# Why a job waits that can never start as it is: its request would have to change.
_HOPELESS = re.compile(
    r"AccountNotAllowed|BadConstraints|DependencyNeverSatisfied|InvalidAccount|InvalidQOS"
    r"|PartitionConfig|PartitionNodeLimit|PartitionTimeLimit|QOSNotAllowed|\w+PerJob(Limit)?"
)

# slurmstepd writes it where the job's output goes.
_MEMORY = re.compile(
    r"slurmstepd.*(exceeded (job |step )?memory limit|oom[-_ ]?kill|out[- ]of[- ]memory)", re.I
)

# What Slurm's commands print when they reached nobody, so that it is no answer.
_SILENCE = re.compile(
    r"Unable to contact|timed out|temporarily|try again|Connection (refused|reset)|Zero Bytes",
    re.I,
)
_UNKNOWN_JOB = "Invalid job id"

# Why sbatch refuses a job, by what it says; anything else is the configuration's fault.
_REFUSALS = (
    ("QuotaExceeded", re.compile(r"QOS policy|AssocMax|QOSMax|MaxSubmit", re.I)),
    ("Unschedulable", re.compile(r"node configuration|can ?not be satisfied|processors", re.I)),
)

_KILLED = 9
_SIGNAL_BASE = 128
# Not a signal: slurmd could not open the file for the job's output.
_NO_OUTPUT_FILE = 53
_TERMINATED = 143

# Class and words of the ends that no tool is to blame for.
_ENDS = {
    "CANCELLED": ("StepFailed", "was cancelled outside of this run"),
    "TIMEOUT": ("StepFailed", "ran into its time limit"),
    "DEADLINE": ("StepFailed", "missed its deadline"),
    "OUT_OF_MEMORY": ("OutOfMemory", "used more memory than it asked for"),
    "NODE_FAIL": ("Evicted", "was lost because its node failed"),
    "BOOT_FAIL": ("Evicted", "was lost because its node did not boot"),
    "PREEMPTED": ("Evicted", "had to make room for a job of higher priority"),
    "REVOKED": ("Evicted", "was taken over by another cluster of the federation"),
}


@dataclass(frozen=True)
class SlurmJob:
    """A job as `scontrol` or `sacct` shows it."""

    state: str
    reason: str = ""
    code: int = 0
    signal: int = 0
    time_limit: str = ""

    @property
    def active(self) -> bool:
        """Return whether it is not over yet."""
        return _ACTIVE.fullmatch(self.state) is not None

    @property
    def succeeded(self) -> bool:
        """Return whether it ran to a good end."""
        return self.state == "COMPLETED" and not self.code and not self.signal


@dataclass(frozen=True)
class Verdict:
    """How a job ended, where its exit code does not say it all."""

    kind: str
    message: str
    exit_code: int


def from_scontrol(text: str) -> SlurmJob | None:
    """Read the line that `scontrol show -o job ID` prints."""
    state = re.search(r"\bJobState=([A-Z_]+)", text)
    code = re.search(r"\bExitCode=(\d+):(\d+)", text)
    if state is None or code is None:
        return None
    return SlurmJob(
        state[1],
        reason=_field(text, "Reason"),
        code=int(code[1]),
        signal=int(code[2]),
        time_limit=_field(text, "TimeLimit"),
    )


def _field(text: str, name: str) -> str:
    found = re.search(rf"\b{name}=(\S+)", text)
    return found[1] if found and found[1] not in ("None", "N/A", "(null)") else ""


def from_sacct(text: str) -> SlurmJob | None:
    """Read the last line that `sacct -X -n -P -o State,ExitCode` prints."""
    found = re.findall(r"^([A-Z_]+)( by \d+)?\|(\d+):(\d+)", text, re.M)
    if not found:
        return None
    state, by, code, signal = found[-1]
    return SlurmJob(state, reason=by.strip(), code=int(code), signal=int(signal))


def from_squeue(text: str) -> dict[str, tuple[str, str]]:
    """Read what `squeue -h -o '%i|%T|%r'` prints: state and reason of each job."""
    found = re.findall(r"^\s*(\d+)\|([A-Z_]+)\|(.*?)\s*$", text, re.M)
    return {job: (state, "" if reason == "None" else reason) for job, state, reason in found}


def job_id(text: str) -> str | None:
    """Find the id in what `sbatch --parsable` prints, beside what a site has it say."""
    found = re.findall(r"^\s*(\d+)(?:;\S+)?\s*$", text, re.M)
    return found[-1] if found else None


def answered(text: str, code: int) -> bool:
    """Return whether `squeue` or `scontrol` said anything of a job, if only that there is none."""
    return code == 0 or _UNKNOWN_JOB in text


def accounted(text: str, code: int) -> bool:
    """Return whether `sacct` said anything, if only that there is no accounting."""
    return code == 0 or _SILENCE.search(text) is None


def refusal(text: str, step: str) -> tuple[str, str] | None:
    """Return class and words when `sbatch` has refused a job, and not just reached nobody."""
    if _SILENCE.search(text):
        return None
    kind = next((kind for kind, words in _REFUSALS if words.search(text)), "DeploymentFailed")
    errors = re.findall(r"^.*?sbatch: (?:error|fatal): *(.*?)\s*$", text, re.M)
    words = "; ".join(errors) or " ".join(text.split())
    return kind, f"Slurm refused the job of step {step}: {words}"


def hopeless(state: str, reason: str) -> bool:
    """Return whether a job in the queue can never start."""
    return state == "PENDING" and _HOPELESS.fullmatch(reason) is not None


def verdict(job: SlurmJob, job_id: str, step: str, log: str) -> Verdict | None:
    """Explain an end that is not just the exit code of the tool; `log` is the job's output."""
    this = f"Slurm job {job_id} of step {step}"
    by_signal = _SIGNAL_BASE + job.signal if job.signal else 0
    exit_code = job.code or by_signal or 1
    if job.state in _ENDS:
        kind, words = _ENDS[job.state]
        if job.state == "TIMEOUT":
            words += _minutes(job.time_limit)
        by_slurm = _SIGNAL_BASE + _KILLED if kind == "OutOfMemory" else _TERMINATED
        return Verdict(kind, f"{this} {words}{_because(job.reason)}", job.code or by_slurm)
    if job.state == "COMPLETED" and not job.signal:
        return None
    killed = job.signal == _KILLED or job.code == _SIGNAL_BASE + _KILLED
    if killed and _MEMORY.search(log):
        return Verdict("OutOfMemory", f"{this} used more memory than it asked for", exit_code)
    if job.signal == _NO_OUTPUT_FILE:
        words = "could not open its output file: its node does not see the deployment's workdir"
        return Verdict("DeploymentFailed", f"{this} {words}", exit_code)
    if job.signal == _KILLED:
        words = "was killed by signal 9, most likely because it used more memory than it asked for"
        return Verdict("OutOfMemory", f"{this} {words}", exit_code)
    if job.signal:
        return Verdict("StepFailed", f"{this} was killed by signal {job.signal}", exit_code)
    if not job.code:
        return Verdict(
            "StepFailed", f"{this} ended as {job.state}{_because(job.reason)}", exit_code
        )
    return None


def _because(reason: str) -> str:
    # "TimeLimit" and the like repeat the state.
    said = ("", "NonZeroExitCode", "TimeLimit", "OutOfMemory", "NodeDown")
    return "" if reason in said else f" ({reason})"


def _minutes(limit: str) -> str:
    """Spell `1-02:03:04` in minutes."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", limit)
    if found is None:
        return ""
    days, hours, minutes, seconds = (int(number or 0) for number in found.groups())
    total = days * 1440 + hours * 60 + minutes + seconds / 60
    return f" ({total:g} min)"

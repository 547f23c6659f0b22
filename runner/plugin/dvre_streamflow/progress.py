"""What the run has told so far: the user's steps, their jobs, and what failed."""

from collections.abc import Iterable, Mapping

from streamflow.core.utils import get_job_step_name
from streamflow.core.workflow import Port, Status, Step
from streamflow.version import VERSION
from streamflow.workflow.token import TerminationToken

from dvre_streamflow.events import Events, from_environment
from dvre_streamflow.failure import FAILED_OUTPUT, Failure

# StreamFlow has more; a job that waits or recovers is SCHEDULED or in ROLLBACK to a reader.
_JOB_STATUSES = frozenset(
    {Status.RUNNING, Status.SKIPPED, Status.COMPLETED, Status.FAILED, Status.CANCELLED}
    | {Status.ROLLBACK}
)
_STEP_ENDS = frozenset({Status.COMPLETED, Status.FAILED, Status.SKIPPED, Status.CANCELLED})


class Progress:
    """Turns what happens inside StreamFlow into events about the user's steps."""

    def __init__(self, events: Events) -> None:
        """Report to `events`."""
        self._events = events
        self._inputs: dict[str, list[Port]] = {}
        self._jobs: dict[str, set[str]] = {}
        self._failed: set[str] = set()
        self._ended: dict[str, Status] = {}
        self._images: set[tuple[str | None, str, str | None]] = set()
        self._explained = False
        self._closed = False

    def workflow(self, steps: Mapping[str, Iterable[Port]]) -> None:
        """Take the user's steps, each with the ports that its jobs are made from."""
        self._inputs = {name: list(ports) for name, ports in steps.items()}
        self._events.emit("workflow", steps=list(self._inputs))
        self._events.emit("engine", version=VERSION)

    def image(
        self, step: str | None, image: str, digest: str | None = None, sif: bool = False
    ) -> None:
        """Report, once, the image that a step runs in; without a step, that of this container.

        `digest` ends in `sha256:` and the digest; `sif` is an image file of apptainer.
        """
        told = (step, image, digest)
        if told in self._images:
            return
        self._images.add(told)
        fields = {"step": step, "digest": digest}
        known = {name: value for name, value in fields.items() if value}
        self._events.emit("image", image=image, sif=sif, **known)

    def scheduled(self, job: str) -> None:
        """Report that a job exists, and how many of its step are known by now."""
        self._job(job, "SCHEDULED")

    def job(self, job: str, status: Status) -> None:
        """Report the new status of a job."""
        if status not in _JOB_STATUSES:
            return
        step = get_job_step_name(job)
        if status == Status.FAILED:
            self._failed.add(step)
        elif status == Status.ROLLBACK:
            self._failed.discard(step)
        self._job(job, status.name)
        if status == Status.COMPLETED and step in self._ended:
            # Its results were lost, and another step that failed needed them once more.
            self._events.emit("step", step=step, status=self._ended[step].name)

    def command(
        self,
        job: str,
        exit_code: int,
        stderr: bytes = b"",
        stdout: bytes = b"",
        failure: Failure | None = None,
    ) -> None:
        """Report how a tool ended; `stderr` is the end of its error output.

        `stdout` is that of what it printed, where that is apart and none of its outputs. Where
        the exit code is not the tool's own doing, `failure` says what was.
        """
        fields: dict[str, object] = {"exitCode": exit_code}
        for name, text in (("stderr", stderr), ("stdout", stdout)):
            if text:
                fields[name] = text[-FAILED_OUTPUT:].decode(errors="replace")
        if failure is not None:
            fields |= {"kind": failure.kind, "message": failure.message}
        self._events.emit("command", job=job, step=get_job_step_name(job), **fields)

    def step(self, step: str, status: Status) -> None:
        """Report that a step ended.

        StreamFlow passes a failure on to every step that waits for the failed one, or calls
        those steps skipped. They never did anything wrong, so they count as cancelled. A step
        that failed and was recovered completes like any other.
        """
        if status not in _STEP_ENDS or step in self._ended:
            return
        if status == Status.COMPLETED:
            self._failed.discard(step)
        elif step in self._failed:
            status = Status.FAILED
        elif status == Status.FAILED or self._failed:
            status = Status.CANCELLED
        self._ended[step] = status
        self._events.emit("step", step=step, status=status.name)

    def error(self, kind: str, message: str, engine_step: str | None) -> None:
        """Report an error, and the user's step it came from if one of the engine's is known.

        After the end only a run that could not say why it failed reports more of them:
        StreamFlow closes what its last tasks still use.
        """
        if self._closed and self._explained:
            return
        self._explained = True
        fields = {"kind": kind, "message": message}
        if step := self._user_step(engine_step):
            self._failed.add(step)
            fields["step"] = step
        self._events.emit("error", **fields)

    def close(self) -> None:
        """Take the end of the workflow: steps that are not over never will be."""
        self._closed = True
        for step in self._inputs.keys() - self._ended:
            self.step(step, Status.CANCELLED)

    def _user_step(self, engine_step: str | None) -> str | None:
        """Find the step that `/a/__schedule__` and the like belong to."""
        if engine_step is None:
            return None
        found = (
            step
            for step in self._inputs
            if engine_step == step or engine_step.startswith(step.rstrip("/") + "/__")
        )
        return max(found, key=len, default=None)

    def _job(self, job: str, status: str) -> None:
        step = get_job_step_name(job)
        if step in self._inputs:
            self._jobs.setdefault(step, set()).add(job)
            self._events.emit("job", job=job, step=step, status=status, total=self._total(step))

    def _total(self, step: str) -> int:
        """Count the jobs of a step: those seen, and those whose inputs have all arrived."""
        arrived = min((_arrived(port) for port in self._inputs[step]), default=0)
        return max(arrived, len(self._jobs[step]))


def _arrived(port: Port) -> int:
    tokens = port.token_list
    return len(tokens) - (bool(tokens) and isinstance(tokens[-1], TerminationToken))


def job_inputs(schedule_step: Step) -> list[Port]:
    """Return the ports that one token each of makes a job."""
    ports = schedule_step.get_input_ports()
    return [port for name, port in ports.items() if not name.startswith("__connector__")]


PROGRESS = Progress(from_environment())

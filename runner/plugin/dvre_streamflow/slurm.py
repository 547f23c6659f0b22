"""The Slurm connector, which knows how a job ended and tolerates that Slurm is silent.

StreamFlow takes a job that `squeue` does not show for finished, and reads its exit code only:
a cancelled job is then a success, and a `squeue` that fails ends the run while its jobs go on.
"""

import asyncio
import contextlib
import logging
import posixpath
import shlex
import time
from collections.abc import Callable, MutableMapping, MutableSequence
from typing import Any

from streamflow.core import utils
from streamflow.core.deployment import ExecutionLocation
from streamflow.core.exception import WorkflowExecutionException
from streamflow.core.utils import get_job_step_name
from streamflow.deployment.connector.queue_manager import QueueManagerConnector, SlurmConnector
from streamflow.deployment.wrapper import get_inner_location
from streamflow.log_handler import logger

from dvre_streamflow import slurm_job
from dvre_streamflow.failure import FAILED_OUTPUT, Failure
from dvre_streamflow.slurm_job import SlurmJob

# How long a command of Slurm may take, and how long Slurm may fail to answer at all.
_ANSWER_TIMEOUT = 60.0
_PATIENCE = 600.0
# How long a job may stand in the queue for a reason that only its owner can remove.
_HOPE = 120.0
# Accounting may learn of the end of a job later than the controller forgets it.
_ACCOUNTING_TRIES = 5
_CANCEL_TIMEOUT = 15.0
_LOG_TAIL = 65536


class _Asking(QueueManagerConnector):
    """Runs the commands of Slurm, each exactly once."""

    async def run(
        self,
        location: ExecutionLocation,
        command: MutableSequence[str],
        *args: Any,
        **kwargs: Any,
    ) -> tuple[str, int] | None:
        if "sbatch" in command:
            return await self._ask(location, *command)
        return await super().run(location, command, *args, **kwargs)

    async def _ask(self, location: ExecutionLocation, *command: str) -> tuple[str, int]:
        """Return what a command prints, errors too, and its exit code.

        Any standard input keeps StreamFlow from its shell, which runs a command once more when
        the first answer got lost.
        """
        result = await asyncio.wait_for(
            self.connector.run(
                get_inner_location(location),
                list(command),
                stdin=asyncio.subprocess.DEVNULL,
                capture_output=True,
            ),
            _ANSWER_TIMEOUT,
        )
        if result is None or result[1] is None:
            raise ConnectionError("the connection was lost")
        return result


class DvreSlurmConnector(SlurmConnector, _Asking):
    """Submits a job for each command, and waits until Slurm says how it ended."""

    def __init__(self, deployment_name: str, config_dir: str, **config: Any) -> None:
        """Take the connector's configuration."""
        super().__init__(deployment_name, config_dir, **config)
        self._silent_since: float | None = None
        self._queue: dict[str, tuple[str, str]] = {}
        self._queue_time = float("-inf")
        self._queue_lock = asyncio.Lock()

    async def run(
        self,
        location: ExecutionLocation,
        command: MutableSequence[str],
        environment: MutableMapping[str, str] | None = None,
        workdir: str | None = None,
        stdin: int | str | None = None,
        stdout: int | str = asyncio.subprocess.STDOUT,
        stderr: int | str = asyncio.subprocess.STDOUT,
        capture_output: bool = False,
        timeout: int | None = None,
        job_name: str | None = None,
    ) -> tuple[str, int] | None:
        """Run a command on the login host, or the command of a job in the queue."""
        if job_name is None:
            return await super().run(
                location, command, environment, workdir, stdin, stdout, stderr,
                capture_output=capture_output, timeout=timeout,
            )  # fmt: skip
        name = type(self).__name__
        line = utils.create_command(name, command, environment, workdir, stdin, stdout, stderr)
        script = self.template_map.get_command(
            line, template=location.service, environment=environment, workdir=workdir
        )
        step = get_job_step_name(job_name)
        # Beside the folder of the job's output, where no glob finds it.
        log = f"{posixpath.normpath(workdir or 'dvre')}.slurm"
        job_id = await self._submit(script, log, job_name, location, workdir, timeout)
        if logger.isEnabledFor(logging.INFO):
            logger.info(f"Scheduled job {job_name} with job id {job_id}")
        self._scheduled_jobs[job_id] = location
        job = await self._wait(job_id, step, location)
        del self._scheduled_jobs[job_id]
        captured = stdout == asyncio.subprocess.STDOUT
        output = ""
        if captured or not job.succeeded:
            output = await self._tail(log, location, _LOG_TAIL if job.succeeded else FAILED_OUTPUT)
        if verdict := slurm_job.verdict(job, job_id, step, output):
            raise Failure(verdict.kind, verdict.message, verdict.exit_code, output)
        return output if captured else "", job.code

    def _format_stream(self, stream: int | str) -> str:
        # It will stand in quotes; a percent sign would begin a pattern.
        return str(stream).replace("%", "%%")

    async def _submit(
        self,
        script: str,
        log: str,
        job_name: str,
        location: ExecutionLocation,
        workdir: str | None,
        timeout: int | None,
    ) -> str:
        while True:
            trouble: object
            try:
                text = await self._run_batch_command(
                    script,
                    environment=location.environment,
                    job_name=job_name,
                    location=location,
                    workdir=workdir,
                    stdout=log,
                    timeout=timeout,
                )
                if job_id := slurm_job.job_id(text):
                    return job_id
                trouble = text
            except (OSError, Failure) as error:
                trouble = error
            except WorkflowExecutionException as error:
                if refusal := slurm_job.refusal(str(error), get_job_step_name(job_name)):
                    raise Failure(*refusal) from error
                trouble = error
            # Whether there is a job is not known: a second one would spoil the work of the first.
            await self._pause(trouble)
            if job_id := await self._find(workdir, location):
                return job_id

    async def _find(self, workdir: str | None, location: ExecutionLocation) -> str | None:
        text, _ = await self._patiently(
            location, "squeue", "-h", "-t", "all", "-u", '"$(id -un)"', "-o", "'%i|%Z'"
        )
        found = (line.strip().partition("|") for line in text.splitlines())
        return next((job_id for job_id, _, folder in found if folder == workdir), None)

    async def _wait(self, job_id: str, step: str, location: ExecutionLocation) -> SlurmJob:
        submitted = time.monotonic()
        reason_before, since = "", submitted
        while True:
            await asyncio.sleep(self.pollingInterval)
            state, reason = (await self._look(location, submitted)).get(job_id, ("", ""))
            if not state:
                if (job := await self._ended(job_id, step, location)) is not None:
                    return job
                continue
            if reason != reason_before:
                reason_before, since = reason, time.monotonic()
                if reason and logger.isEnabledFor(logging.INFO):
                    logger.info(f"Slurm job {job_id} of step {step} waits: {reason}")
            if slurm_job.hopeless(state, reason) and time.monotonic() - since > _HOPE:
                await self._remove_jobs(get_inner_location(location), [job_id])
                message = f"Slurm job {job_id} of step {step} could never start: {reason}"
                raise Failure("Unschedulable", message)

    async def _look(self, location: ExecutionLocation, since: float) -> dict[str, tuple[str, str]]:
        """Return the queue as it was at `since` or later; an answer serves all jobs for a while."""
        async with self._queue_lock:
            now = time.monotonic()
            if self._queue_time < max(since, now - self.pollingInterval):
                jobs = ",".join(self._scheduled_jobs)
                text, _ = await self._patiently(
                    location, "squeue", "-h", "-j", jobs, "-o", "'%i|%T|%r'"
                )
                self._queue, self._queue_time = slurm_job.from_squeue(text), now
            return self._queue

    async def _ended(self, job_id: str, step: str, location: ExecutionLocation) -> SlurmJob | None:
        """Return how a job ended; `None` when it has not."""
        text, code = await self._patiently(location, "scontrol", "show", "-o", "job", job_id)
        if code == 0:
            job = slurm_job.from_scontrol(text)
            return None if job is None or job.active else job
        for _ in range(_ACCOUNTING_TRIES):
            text, code = await self._patiently(
                location,
                *("sacct", "-X", "-n", "-P", "-j", job_id, "-o", "State,ExitCode"),
                answered=slurm_job.accounted,
            )
            job = slurm_job.from_sacct(text)
            if job is not None and not job.active:
                return job
            if code != 0:
                break
            await asyncio.sleep(self.pollingInterval)
        raise Failure(
            "DeploymentFailed",
            f"nobody knows how Slurm job {job_id} of step {step} ended: the controller has "
            f"forgotten it, as MinJobAge is short, and sacct says: {text.strip() or 'nothing'}",
        )

    async def _patiently(
        self,
        location: ExecutionLocation,
        *command: str,
        answered: Callable[[str, int], bool] = slurm_job.answered,
    ) -> tuple[str, int]:
        """Ask until there is an answer."""
        while True:
            trouble: object
            try:
                text, code = await self._ask(location, *command)
                if answered(text, code):
                    self._silent_since = None
                    return text, code
                trouble = text
            except (OSError, WorkflowExecutionException) as error:
                trouble = error
            await self._pause(trouble)

    async def _pause(self, trouble: object) -> None:
        """Wait a little before asking again, unless Slurm has been silent for too long."""
        now = time.monotonic()
        self._silent_since = self._silent_since or now
        words = str(trouble).strip() or type(trouble).__name__
        if now - self._silent_since > _PATIENCE:
            raise Failure(
                "DeploymentFailed",
                f"deployment {self.deployment_name}: Slurm has not answered for "
                f"{_PATIENCE / 60:g} min; the last time: {words}",
            )
        logger.warning(f"Slurm of {self.deployment_name} does not answer: {words}")
        await asyncio.sleep(max(self.pollingInterval, 1))

    async def _tail(self, path: str, location: ExecutionLocation, size: int) -> str:
        try:
            text, code = await self._ask(location, "tail", "-c", str(size), shlex.quote(path))
        except (OSError, WorkflowExecutionException) as error:
            logger.debug(f"No output of a Slurm job: {error}")
            return ""
        return text.strip() if code == 0 else ""

    async def _remove_jobs(self, location: ExecutionLocation, jobs: MutableSequence[str]) -> None:
        """Cancel jobs; `location` is the login host itself."""
        with contextlib.suppress(OSError, WorkflowExecutionException):
            await asyncio.wait_for(
                self.connector.run(
                    location,
                    ["scancel", "-Q", *jobs],
                    stdin=asyncio.subprocess.DEVNULL,
                    capture_output=True,
                ),
                _CANCEL_TIMEOUT,
            )

"""How tools are run: error output kept apart, exit codes reported.

StreamFlow sends the error output of a tool into the file that `stdout` names. CWL says that
the file captures the standard output only, and a tool that warns would spoil its result.
"""

import asyncio
import logging
import os
from pathlib import Path
from typing import cast

from streamflow.core.deployment import ExecutionLocation
from streamflow.core.workflow import Job, Status
from streamflow.cwl.command import CWLCommand, CWLCommandOutput
from streamflow.cwl.utils import build_context, eval_expression
from streamflow.log_handler import logger

from dvre_streamflow.failure import FAILED_OUTPUT, Failure
from dvre_streamflow.progress import PROGRESS

# Outside the output folder, where a glob could find it. StreamFlow evaluates it for each job.
_STDERR = "$(runtime.tmpdir)/.dvre-stderr"
# How much of its error output the log shows: of a tool that failed, and of one that did not.
_FAILED_TOLD = 65536
_TOLD = 4096
# A text so close to the size that was asked for was probably cut: who passed it on has trimmed it.
_TRIMMED = 1024
_REMOTE_TIMEOUT = 15.0
_SIGNAL_BASE = 128

_execute = CWLCommand.execute


def install() -> None:
    """Have every tool run through `execute`."""
    CWLCommand.execute = execute


async def execute(self: CWLCommand, job: Job) -> CWLCommandOutput:
    """Run a tool, and report how it ended."""
    if self.stdout is not None and self.stderr is None:
        self.stderr = _STDERR
    try:
        output = await _execute(self, job)
    except Failure as failure:
        if failure.exit_code is not None:
            # What stood in a place that is gone is gone with it.
            there = failure.kind != "Evicted"
            stderr = await _error_output(self, job, FAILED_OUTPUT) if there else b""
            stderr = stderr or _end(failure.output.encode(), FAILED_OUTPUT)
            PROGRESS.command(job.name, failure.exit_code, stderr, failure=failure)
        raise
    if isinstance(output.exit_code, int):
        if output.status == Status.FAILED:
            await _report_failed(self, job, output)
        else:
            await _tell_warnings(self, job)
            PROGRESS.command(job.name, _exit_code(output.exit_code))
    return output


async def _report_failed(command: CWLCommand, job: Job, output: CWLCommandOutput) -> None:
    said = output.value.encode() if isinstance(output.value, str) else b""
    said = _end(said, FAILED_OUTPUT)
    stderr, stdout = said, b""
    if command.stderr is not None:
        stderr = await _error_output(command, job, FAILED_OUTPUT)
        stdout = said if command.stdout is None else b""
    if command.stderr is not None or said:
        # The message of the failure quotes this value; nothing else reads it then.
        output.value = _end(stderr, _FAILED_TOLD).decode(errors="replace").strip()
    PROGRESS.command(job.name, _exit_code(output.exit_code), stderr, stdout)


async def _tell_warnings(command: CWLCommand, job: Job) -> None:
    location = command.step.workflow.context.scheduler.get_locations(job.name)[0]
    if command.stderr == _STDERR and location.local:
        text = (await _error_output(command, job, _TOLD)).decode(errors="replace").rstrip()
        if text and logger.isEnabledFor(logging.INFO):
            logger.info(f"Error output of job {job.name}:\n{text}")


def _exit_code(code: int) -> int:
    """Spell the death by a signal as a shell does."""
    return _SIGNAL_BASE - code if code < 0 else code


def _end(text: bytes, size: int) -> bytes:
    """Return the last lines, whole: dvre-runner hides no secret of which it sees a part only."""
    if len(text) <= size - _TRIMMED:
        return text
    rest = text[-size:]
    return rest.partition(b"\n")[2] or rest


async def _error_output(command: CWLCommand, job: Job, size: int) -> bytes:
    """Return the end of the file with the error output; nothing where there is none."""
    if command.stderr is None:
        return b""
    try:
        location = command.step.workflow.context.scheduler.get_locations(job.name)[0]
        path = _stderr_path(command, job)
        if location.local:
            return _end(_tail(path, size), size)
        read = _remote_tail(command, job, location, path, size)
        return _end(await asyncio.wait_for(read, _REMOTE_TIMEOUT), size)
    except Exception as error:
        # Only the report gets poorer; the run itself is not concerned.
        logger.debug("No error output of job %s: %s", job.name, error)
        return b""


def _stderr_path(command: CWLCommand, job: Job) -> str:
    name = eval_expression(
        expression=command.stderr,
        context=build_context(
            inputs=job.inputs,
            output_directory=job.output_directory,
            tmp_directory=job.tmp_directory,
            hardware=command.step.workflow.context.scheduler.get_hardware(job.name),
        ),
        full_js=command.full_js,
        expression_lib=command.expression_lib,
    )
    return str(Path(cast(str, job.output_directory), str(name)))


def _tail(path: str, size: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - size))
        return file.read(size)


async def _remote_tail(
    command: CWLCommand, job: Job, location: ExecutionLocation, path: str, size: int
) -> bytes:
    connector = command.step.workflow.context.scheduler.get_connector(job.name)
    result = await connector.run(location, ["tail", "-c", str(size), path], capture_output=True)
    return result[0].encode() if result and result[1] == 0 else b""

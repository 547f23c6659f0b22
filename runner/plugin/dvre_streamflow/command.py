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

from dvre_streamflow.failure import Failure
from dvre_streamflow.progress import PROGRESS

# Outside the output folder, where a glob could find it. StreamFlow evaluates it for each job.
_STDERR = "$(runtime.tmpdir)/.dvre-stderr"
_TAIL = 4096
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
            PROGRESS.command(job.name, failure.exit_code, failure=failure)
        raise
    if isinstance(output.exit_code, int):
        failed = output.status == Status.FAILED
        tail = await _error_tail(self, job, output, failed)
        if failed and self.stderr is not None:
            # The message of the failure quotes this value; nothing else reads it then.
            output.value = tail.decode(errors="replace").strip()
        elif tail and self.stderr == _STDERR:
            text = tail.decode(errors="replace").rstrip()
            if logger.isEnabledFor(logging.INFO):
                logger.info(f"Error output of job {job.name}:\n{text}")
        PROGRESS.command(job.name, _exit_code(output.exit_code), tail if failed else b"")
    return output


def _exit_code(code: int) -> int:
    """Spell the death by a signal as a shell does."""
    return _SIGNAL_BASE - code if code < 0 else code


async def _error_tail(
    command: CWLCommand, job: Job, output: CWLCommandOutput, failed: bool
) -> bytes:
    if command.stderr is None:
        return output.value.encode()[-_TAIL:] if isinstance(output.value, str) else b""
    location = command.step.workflow.context.scheduler.get_locations(job.name)[0]
    try:
        path = _stderr_path(command, job)
        if location.local:
            return _tail(path)
        if failed:
            return await asyncio.wait_for(
                _remote_tail(command, job, location, path), _REMOTE_TIMEOUT
            )
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


def _tail(path: str) -> bytes:
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        return file.read()


async def _remote_tail(
    command: CWLCommand, job: Job, location: ExecutionLocation, path: str
) -> bytes:
    connector = command.step.workflow.context.scheduler.get_connector(job.name)
    result = await connector.run(location, ["tail", "-c", str(_TAIL), path], capture_output=True)
    return result[0].encode() if result and result[1] == 0 else b""

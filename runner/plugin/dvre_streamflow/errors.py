"""Reports what StreamFlow logs as an error, with a class that a reader can act on.

A `Failure` knows its class; that of any other error follows from where it happened.
"""

import logging
import re
from collections.abc import Iterator
from types import FrameType

from streamflow.core.workflow import Step
from streamflow.log_handler import logger

from dvre_streamflow import failure
from dvre_streamflow.progress import PROGRESS

_MESSAGE_LIMIT = 1024

# What StreamFlow says when a tool leaves no file, or too many, for an output.
_MISSING_OUTPUT = re.compile(r"Expected (\S+) token of type (\S+), got list")

# What follows these is a whole schema, and a script with all inputs of the run.
_DUMPS = re.compile(r"Failed validating|script was:")

# The first match of a module and a function on the way to the error decides. The empty
# function stands for any.
_KINDS = (
    ("streamflow.config.validator", "", "InvalidWorkflow"),
    ("cwl_utils.parser.utils", "load_inputfile_by_uri", "InvalidInputs"),
    ("cwl_utils.parser", "load_document_by_uri", "InvalidWorkflow"),
    ("streamflow.cwl.translator", "_inject_inputs", "InvalidInputs"),
    ("streamflow.cwl.translator", "_inject_input", "InvalidInputs"),
    ("streamflow.cwl.translator", "", "InvalidWorkflow"),
    ("streamflow.deployment.future", "deploy", "DeploymentFailed"),
    ("dvre_streamflow.failure", "wait", "DeploymentFailed"),
    ("streamflow.deployment.manager", "", "DeploymentFailed"),
    ("streamflow.cwl.step", "process_input", "InvalidInputs"),
    ("streamflow.cwl.transformer", "", "InvalidInputs"),
    ("dvre_streamflow.scheduler", "_refuse", "UnsupportedRequirement"),
    ("streamflow.cwl.command", "", "StepFailed"),
    ("streamflow.workflow.step", "", "StepFailed"),
)


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if not record.exc_info or (error := record.exc_info[1]) is None:
            return
        if not isinstance(error, Exception):
            return
        try:
            frames = list(_frames(error))
            if known := failure.find(error):
                PROGRESS.error(known.kind, _cut(known.message), _step(frames))
            else:
                PROGRESS.error(_kind(frames), _message(error), _step(frames))
        except Exception:
            self.handleError(record)


def install() -> None:
    """Listen to StreamFlow's log."""
    logger.addHandler(_Handler(logging.ERROR))


def _frames(error: BaseException) -> Iterator[FrameType]:
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def _kind(frames: list[FrameType]) -> str:
    places = [(f.f_globals.get("__name__"), f.f_code.co_name) for f in frames]
    for module, function, kind in _KINDS:
        if any(module == m and function in ("", f) for m, f in places):
            return kind
    return "InternalError"


def _message(error: BaseException) -> str:
    text = " ".join(_DUMPS.split(str(error))[0].split())
    if missing := _MISSING_OUTPUT.search(text):
        text = f"no {missing[2]} for output {missing[1]}: its glob matches nothing, or too much"
    elif isinstance(error, TimeoutError) and not text:
        text = "the time limit of the tool is over"
    return _cut(text or type(error).__name__)


def _cut(text: str) -> str:
    return text.encode()[:_MESSAGE_LIMIT].decode(errors="ignore")


def _step(frames: list[FrameType]) -> str | None:
    owners = (frame.f_locals.get("self") for frame in frames)
    return next((owner.name for owner in owners if isinstance(owner, Step)), None)

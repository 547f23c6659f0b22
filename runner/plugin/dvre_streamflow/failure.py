"""Failures that say what a researcher has to know.

StreamFlow wraps, repeats and shortens errors on their way. Whoever knows why something failed
raises a `Failure`, and it is found again wherever the error arrives.
"""

import re

from streamflow.core.exception import WorkflowExecutionException
from streamflow.deployment.future import FutureConnector

# How much of what a failed tool printed is told, from its end: dvre-runner keeps as much.
FAILED_OUTPUT = 1 << 20

# StreamFlow gives the place that a DockerRequirement asks for a random name.
_UNNAMED = re.compile(r"\bdeployment [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")

_deploy = FutureConnector.deploy


class Failure(WorkflowExecutionException):
    """The end of a job, or of the place where jobs run, with its class and an explanation."""

    def __init__(
        self, kind: str, message: str, exit_code: int | None = None, output: str = ""
    ) -> None:
        """Take the class, one of dvre-runner's reasons, and of a tool exit code and output."""
        message = _UNNAMED.sub("the container of a DockerRequirement", message)
        super().__init__(message)
        self.output = output
        self.kind = kind
        self.message = message
        self.exit_code = exit_code


def find(error: BaseException | None) -> Failure | None:
    """Return the failure that `error` is, or that it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, Failure):
            return error
        seen.add(id(error))
        hidden = error.__suppress_context__
        error = error.__cause__ or (None if hidden else error.__context__)
    return None


def install() -> None:
    """Have every deployment remember why it failed, for all who wait for it."""
    FutureConnector.deploy = deploy
    FutureConnector._safe_deploy_event_wait = wait


async def deploy(self: FutureConnector, external: bool) -> None:
    """Set up the place, and remember a failure."""
    try:
        await _deploy(self, external)
    except Exception as error:
        self.dvre_failure = error
        raise


async def wait(self: FutureConnector) -> None:
    """Wait until another job has set up the place."""
    await self.deploy_event.wait()
    if self._connector is None:
        name = self.deployment_name
        cause = getattr(self, "dvre_failure", None)
        raise WorkflowExecutionException(f"FAILED deployment of {name}") from cause

"""The Singularity connector, whose errors say what is wrong, and whose instances always end."""

import asyncio
import contextlib
from collections.abc import MutableSequence
from typing import Any

from streamflow.core.deployment import ExecutionLocation
from streamflow.core.exception import WorkflowExecutionException
from streamflow.core.utils import get_job_step_name
from streamflow.deployment.connector.container import SingularityConnector
from streamflow.log_handler import logger

from dvre_streamflow import containers
from dvre_streamflow.failure import Failure
from dvre_streamflow.progress import PROGRESS

_STOP_TIMEOUT = 10.0


class DvreSingularityConnector(SingularityConnector):
    """One instance for all jobs of the deployment."""

    def __init__(self, deployment_name: str, config_dir: str, **config: Any) -> None:
        """Take the connector's configuration."""
        super().__init__(deployment_name, config_dir, **config)

    async def deploy(self, external: bool) -> None:
        """Start the instance."""
        try:
            await super().deploy(external)
        except WorkflowExecutionException as error:
            await self._stop(external)
            kind, words = containers.start(self.image, str(error))
            raise Failure(kind, f"deployment {self.deployment_name}: {words}") from error
        except BaseException:
            await self._stop(external)
            raise

    async def run(
        self,
        location: ExecutionLocation,
        command: MutableSequence[str],
        *args: Any,
        job_name: str | None = None,
        **kwargs: Any,
    ) -> tuple[str, int] | None:
        """Run a command in the instance."""
        if job_name is not None:
            PROGRESS.image(get_job_step_name(job_name), self.image, sif=True)
        return await super().run(location, command, *args, job_name=job_name, **kwargs)

    async def undeploy(self, external: bool) -> None:
        """Stop the instance, with all that runs in it."""
        await self._stop(external)

    async def _stop(self, external: bool) -> None:
        if external or not self.instanceName:
            return
        with contextlib.suppress(TimeoutError):
            stop = self.connector.run(
                self._get_inner_location(),
                ["singularity", "instance", "stop", "--timeout", "2", self.instanceName],
                capture_output=True,
            )
            result = await asyncio.wait_for(stop, _STOP_TIMEOUT)
            if result is not None and result[1] != 0:
                logger.warning(f"Instance {self.instanceName} may be left: {result[0]}")

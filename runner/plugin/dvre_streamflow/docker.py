"""The Docker connector, whose errors say what is wrong, and whose containers always end."""

import asyncio
import contextlib
import shlex
from collections.abc import MutableMapping, MutableSequence
from typing import Any

from streamflow.core.deployment import ExecutionLocation
from streamflow.core.exception import WorkflowExecutionException
from streamflow.core.scheduling import AvailableLocation
from streamflow.core.utils import get_job_step_name
from streamflow.deployment.connector.container import ContainerConnector, DockerConnector
from streamflow.log_handler import logger

from dvre_streamflow import containers, memory
from dvre_streamflow.failure import Failure
from dvre_streamflow.progress import PROGRESS

_REMOVE_TIMEOUT = 10.0
# Exit codes behind which there may be more than the tool: killed, or nothing to run it in.
_SUSPECT = (1, 125, 126, 137)


class DvreDockerConnector(DockerConnector):
    """One container for all jobs of the deployment."""

    def __init__(self, deployment_name: str, config_dir: str, **config: Any) -> None:
        """Take the connector's configuration."""
        super().__init__(deployment_name, config_dir, **config)
        self._memory_kills = 0
        self._digest: str | None = None

    async def deploy(self, external: bool) -> None:
        """Start the container."""
        try:
            if not external:
                await ContainerConnector.deploy(self, external)
                await self._check_docker_installed()
                await self._pull()
            await super().deploy(external)
        except Failure:
            raise
        except WorkflowExecutionException as error:
            await self._remove(external)
            kind, words = containers.start(self.image, str(error))
            raise self._failure(kind, words) from error
        except BaseException:
            await self._remove(external)
            raise

    def _failure(self, kind: str, words: str) -> Failure:
        return Failure(kind, f"deployment {self.deployment_name}: {words}")

    async def _pull(self) -> None:
        """Get the image; StreamFlow does not look whether that works."""
        image = shlex.quote(self.image)
        if await self._find_digest(image):
            return
        text, code = await self._docker("pull", "--quiet", image)
        if code != 0:
            raise self._failure(*containers.pull(self.image, text))
        await self._find_digest(image)

    async def _find_digest(self, image: str) -> bool:
        """Look for the image on the daemon; one that came from no registry has no digest."""
        text, code = await self._docker(
            "image", "inspect", "--format", """'{{join .RepoDigests " "}}'""", image
        )
        self._digest = next(iter(text.split()), None) if code == 0 else None
        return code == 0

    async def _docker(self, *command: str) -> tuple[str, int]:
        result = await self.connector.run(
            self._get_inner_location(), ["docker", *command], capture_output=True
        )
        return result or ("", 1)

    async def _populate_instance(self, name: str) -> None:
        # Docker prints its warnings before the id.
        self.containerId = (name.split() or [""])[-1]
        await super()._populate_instance(self.containerId)

    async def get_available_locations(
        self, service: str | None = None
    ) -> MutableMapping[str, AvailableLocation]:
        """Return the container, with what the daemon gives it.

        The limits of the runner's own container mean nothing to a daemon beside it.
        """
        locations = await super().get_available_locations(service)
        if self._wraps_local():
            for location in locations.values():
                location.stacked = location.location.stacked = False
        return locations

    async def run(
        self,
        location: ExecutionLocation,
        command: MutableSequence[str],
        *args: Any,
        job_name: str | None = None,
        **kwargs: Any,
    ) -> tuple[str, int] | None:
        """Run a command in the container."""
        if job_name is not None:
            PROGRESS.image(get_job_step_name(job_name), self.image, self._digest)
        result = await super().run(location, command, *args, job_name=job_name, **kwargs)
        if job_name is not None and result is not None and result[1] in _SUSPECT:
            await self._explain(location, get_job_step_name(job_name), *result)
        return result

    async def _explain(
        self, location: ExecutionLocation, step: str, output: str, code: int
    ) -> None:
        """Raise what is known of a tool that was killed, if anything is."""
        state, found = await self._docker(
            "inspect", "--format", "'{{.State.Running}}'", location.name
        )
        if found != 0 or state.strip() != "true":
            message = f"the container of step {step} ended before the step"
            raise Failure("Evicted", message, code, output)
        result = await super().run(location, [memory.COMMAND], capture_output=True)
        kills = memory.kills(result[0]) if result else 0
        if code == 137 and kills > self._memory_kills:
            self._memory_kills = kills
            message = f"step {step} was killed because its container used up its memory"
            raise Failure("OutOfMemory", message, code, output)

    async def undeploy(self, external: bool) -> None:
        """Remove the container, with all that runs in it."""
        await self._remove(external)

    async def _remove(self, external: bool) -> None:
        if external or not self.containerId:
            return
        with contextlib.suppress(TimeoutError):
            remove = self._docker("rm", "--force", "--volumes", self.containerId)
            text, code = await asyncio.wait_for(remove, _REMOVE_TIMEOUT)
            if code != 0 and "No such container" not in text:
                logger.warning(f"Container {self.containerId} may be left: {text}")

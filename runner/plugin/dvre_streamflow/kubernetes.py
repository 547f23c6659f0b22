"""The Kubernetes connector, for pods that the operator describes.

StreamFlow creates one object after the other, asks every two seconds whether all are ready,
for ever if an image cannot be pulled, and then uses any pod of the namespace with a container
of the right name.
"""

import asyncio
import contextlib
import json
import posixpath
import shlex
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, MutableSequence
from types import SimpleNamespace
from typing import Any, TypeVar

import aiohttp
import yaml
from kubernetes_asyncio.config import ConfigException
from streamflow.core import utils
from streamflow.core.deployment import Connector, ExecutionLocation
from streamflow.core.exception import WorkflowExecutionException
from streamflow.core.scheduling import AvailableLocation
from streamflow.core.utils import get_job_step_name
from streamflow.deployment.connector.kubernetes import KubernetesBaseConnector, KubernetesConnector
from streamflow.log_handler import logger

from dvre_streamflow import memory, pods
from dvre_streamflow.failure import Failure
from dvre_streamflow.pod_exec import RUNNING, VANISHED, End, Place, Tool
from dvre_streamflow.pod_watch import TROUBLES
from dvre_streamflow.pods import Pod, Trouble
from dvre_streamflow.progress import PROGRESS
from dvre_streamflow.step_pods import StepPods, own_image

T = TypeVar("T")

_CLOSE_TIMEOUT = 3.0
# How long the news of a pod's end may come after that of the command in it.
_LAST_WORDS = 3.0
# How long a tool may run on without anybody being able to ask after it.
_PATIENCE = 600.0
_POLL = 5.0
_COPY_TRIES = 4
_COPY_PAUSE = 2.0
_KILLED = (137, 143)


class DvreKubernetesConnector(KubernetesConnector):
    """Creates pods, waits until they are ready, and runs each job in one of them.

    With other kinds of objects in its files it does what StreamFlow does, if not for as long.
    """

    def __init__(self, deployment_name: str, config_dir: str, **config: Any) -> None:
        """Take the connector's configuration."""
        super().__init__(deployment_name, config_dir, **config)
        self._pods: StepPods | None = None
        self._memory_kills: dict[str, int] = {}

    async def deploy(self, external: bool) -> None:
        """Create the pods or other objects, and wait until they are ready."""
        try:
            manifests = None if external else self._manifests()
            if manifests is None:
                await self._deploy_others(external)
            else:
                await KubernetesBaseConnector.deploy(self, external)
                namespace = self.namespace or "default"
                self._pods = StepPods(self.deployment_name, self.client, namespace, manifests)
                await asyncio.gather(
                    self._pods.deploy(self.timeout), own_image(self.client, namespace)
                )
        except BaseException as error:
            # StreamFlow forgets a connector whose deployment failed or was interrupted.
            with contextlib.suppress(Exception):
                await self.undeploy(external)
            if isinstance(error, (ConfigException, *TROUBLES)):
                message = f"deployment {self.deployment_name}: {error}"
                raise Failure("DeploymentFailed", message) from error
            raise

    def _manifests(self) -> list[Pod] | None:
        """Return the pods that the files describe, unless they describe anything else."""
        found: list[Pod] = []
        for path in self.files:
            with open(path, encoding="utf-8") as file:
                found += [manifest for manifest in yaml.safe_load_all(file) if manifest]
        pods_only = all(m.get("kind") == "Pod" and "name" in m.get("metadata", {}) for m in found)
        return found if found and pods_only else None

    async def _deploy_others(self, external: bool) -> None:
        try:
            await asyncio.wait_for(super().deploy(external), self.timeout)
        except TimeoutError as error:
            message = f"deployment {self.deployment_name} was not ready within {self.timeout} s"
            raise Failure("DeploymentFailed", message) from error
        except WorkflowExecutionException as error:
            cause = error.__cause__
            if isinstance(cause, TimeoutError):
                words = f"was not ready within {self.timeout} s"
            else:
                words = f"failed: {_api_words(cause or error)}"
            message = f"deployment {self.deployment_name} {words}"
            raise Failure("DeploymentFailed", message) from error

    async def get_available_locations(
        self, service: str | None = None
    ) -> MutableMapping[str, AvailableLocation]:
        """Return the pods that are ready, of those that this deployment has created."""
        if self._pods is None:
            if service is None:
                message = f"deployment {self.deployment_name} needs a service in its bindings"
                raise Failure("InvalidWorkflow", message)
            return await super().get_available_locations(service)
        return {
            f"{pods.name(pod)}:{container}": AvailableLocation(
                name=f"{pods.name(pod)}:{container}",
                deployment=self.deployment_name,
                service=service,
                hostname=pod["status"].get("podIP"),
            )
            for pod, container in self._pods.ready(service)
        }

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
        """Run a command in a pod."""
        name = type(self).__name__
        exports = "".join(f"export {k}={shlex.quote(v)}\n" for k, v in location.environment.items())
        line = utils.create_command(name, command, environment, workdir, stdin, stdout, stderr)
        line = exports + line
        place = self._place(location)
        if job_name is not None:
            step = get_job_step_name(job_name)
            if self._pods is not None and (image := self._pods.image(*location.name.split(":"))):
                PROGRESS.image(step, *image)
            captured = stdout == asyncio.subprocess.STDOUT
            tool = Tool(line, workdir or posixpath.join("/tmp", posixpath.basename(step)), captured)
            work = asyncio.wait_for(self._run_tool(place, tool, step), timeout)
            end = await self._while_alive([location], work, step)
            output = end.output.decode(errors="replace").strip()
            if end.code in _KILLED:
                await self._explain_kill(place, location, step, end.code, output)
            return output, end.code or 0
        if stdin is None:
            with contextlib.suppress(WorkflowExecutionException):
                shell = await self._while_alive(
                    [location], self.get_shell(command=["sh"], location=location)
                )
                work = utils.run_in_shell(
                    shell, location, command, environment, workdir, capture_output, timeout
                )
                return await self._while_alive([location], work)
        end = await self._while_alive([location], asyncio.wait_for(place.run(line), timeout))
        if end.code is None:
            if end.never_began:
                words = f"the image of pod {location.name.split(':')[0]} has no shell"
                message = f"deployment {self.deployment_name}: {words}: {end.error}"
                raise Failure("DeploymentFailed", message)
            message = f"a command in {location.name} was cut off: {end.error or 'no exit code'}"
            raise WorkflowExecutionException(message)
        text = end.output.decode(errors="replace").strip()
        return (text, end.code) if capture_output else None

    def _place(self, location: ExecutionLocation) -> Place:
        pod, container = location.name.split(":")
        return Place(self.client_ws, self.namespace or "default", pod, container)

    async def _run_tool(self, place: Place, tool: Tool, step: str) -> End:
        try:
            end = await place.run(tool.script)
        except (aiohttp.ClientError, OSError) as error:
            message = f"no command can be run in the pod of step {step}: {error}"
            raise Failure("DeploymentFailed", message) from error
        if end.code is not None:
            return end
        logger.warning(f"The connection to step {step} was cut off; it is looked for again")
        return await self._find_again(place, tool, step)

    async def _find_again(self, place: Place, tool: Tool, step: str) -> End:
        """Wait for the end of a tool that nobody listens to any more."""
        heard, vanished = time.monotonic(), False
        while time.monotonic() - heard < _PATIENCE:
            await asyncio.sleep(_POLL)
            try:
                end = await place.run(tool.again)
            except (aiohttp.ClientError, OSError):
                continue
            if end.code is None:
                continue
            heard = time.monotonic()
            word = end.output.decode(errors="replace").strip()
            if word == VANISHED:
                if vanished:
                    break
                vanished = True
            elif word != RUNNING:
                return end
        message = f"the connection to the pod of step {step} was lost, and its tool with it"
        raise Failure("Evicted", message)

    async def _while_alive(
        self,
        locations: Iterable[ExecutionLocation],
        work: Awaitable[T],
        step: str | None = None,
    ) -> T:
        """Wait for `work`, which may never end once one of the pods is gone."""
        task = asyncio.ensure_future(work)
        if self._pods is None:
            return await task
        names = {location.name.split(":")[0] for location in locations}
        end = asyncio.create_task(self._pods.end(names))
        try:
            await asyncio.wait({task, end}, return_when=asyncio.FIRST_COMPLETED)
            # Either may be the first to know.
            if not task.done():
                await asyncio.wait({task}, timeout=_LAST_WORDS)
            elif task.exception() is not None and not isinstance(task.exception(), TimeoutError):
                await asyncio.wait({end}, timeout=_LAST_WORDS)
            if end.done() and (not task.done() or task.exception() is not None):
                raise _lost(*end.result(), step)
            return await task
        finally:
            end.cancel()
            task.cancel()

    async def _explain_kill(
        self, place: Place, location: ExecutionLocation, step: str, code: int, output: str
    ) -> None:
        """Raise what is known of a tool that was killed, if anything is."""
        pod = location.name.split(":")[0]
        with contextlib.suppress(aiohttp.ClientError, OSError):
            end = await asyncio.wait_for(place.run(memory.COMMAND), _LAST_WORDS)
            kills = memory.kills(end.output.decode(errors="replace"))
            if kills > self._memory_kills.get(location.name, 0):
                self._memory_kills[location.name] = kills
                limit = self._pods.memory_limit(pod) if self._pods is not None else ""
                message = f"step {step} was killed because its pod used up its memory{limit}"
                raise Failure("OutOfMemory", message, code, output)
        if self._pods is not None:
            with contextlib.suppress(TimeoutError):
                name, trouble = await asyncio.wait_for(self._pods.end({pod}), _LAST_WORDS)
                raise _lost(name, trouble, step, code, output)

    async def _get_container(self, location: ExecutionLocation) -> tuple[str, Any]:
        pod, container = location.name.split(":")
        if self._pods is None:
            name, found = await super()._get_container(location)
            found.volume_mounts = found.volume_mounts or []
            return name, found
        mounts = [
            SimpleNamespace(name=mount["name"], mount_path=mount["mountPath"])
            for mount in self._pods.mounts(pod, container)
        ]
        return container, SimpleNamespace(name=container, volume_mounts=mounts)

    async def copy_local_to_remote(
        self,
        src: str,
        dst: str,
        locations: MutableSequence[ExecutionLocation],
        read_only: bool = False,
    ) -> None:
        """Copy a file of the runner to pods."""
        copy = super().copy_local_to_remote
        await self._copy(locations, lambda: copy(src, dst, locations, read_only))

    async def copy_remote_to_local(
        self, src: str, dst: str, location: ExecutionLocation, read_only: bool = False
    ) -> None:
        """Copy a file of a pod to the runner."""
        copy = super().copy_remote_to_local
        await self._copy([location], lambda: copy(src, dst, location, read_only))

    async def copy_remote_to_remote(
        self,
        src: str,
        dst: str,
        locations: MutableSequence[ExecutionLocation],
        source_location: ExecutionLocation,
        source_connector: Connector | None = None,
        read_only: bool = False,
    ) -> None:
        """Copy a file to pods, from another or from elsewhere."""
        copy = super().copy_remote_to_remote
        own = source_connector in (None, self)
        await self._copy(
            [*locations, source_location] if own else locations,
            lambda: copy(src, dst, locations, source_location, source_connector, read_only),
        )

    async def _copy(
        self, locations: Iterable[ExecutionLocation], copy: Callable[[], Awaitable[None]]
    ) -> None:
        """Copy, anew when a connection through the API server breaks: the same files result."""
        for left in reversed(range(_COPY_TRIES)):
            try:
                return await self._while_alive(locations, copy())
            except (aiohttp.ClientError, OSError) as error:
                if not left:
                    raise
                logger.warning(f"A copy was cut off, and begins anew: {error}")
                await asyncio.sleep(_COPY_PAUSE)

    async def undeploy(self, external: bool) -> None:
        """Delete what was created."""
        if self._pods is None:
            await super().undeploy(external)
            return
        await self._pods.delete()
        with contextlib.suppress(TimeoutError):
            closing = KubernetesBaseConnector.undeploy(self, external)
            await asyncio.wait_for(closing, _CLOSE_TIMEOUT)


def _api_words(error: BaseException) -> str:
    """Return the API server's words; the client's errors cannot always be printed."""
    if several := getattr(error, "api_exceptions", None):
        return "; ".join(_api_words(one) for one in several)
    try:
        return json.loads(getattr(error, "body", None) or "")["message"]
    except (ValueError, KeyError, TypeError):
        return " ".join(str(error).split()) or type(error).__name__


def _lost(
    pod: str, trouble: Trouble, step: str | None, code: int | None = None, output: str = ""
) -> Failure:
    of = f"the pod of step {step}" if step else f"pod {pod}"
    return Failure(trouble.kind, f"{of} {trouble.words}", code, output)

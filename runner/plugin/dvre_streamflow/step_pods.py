"""The pods of a deployment: their creation, their start, and their end."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Collection, Iterator
from typing import Any

from kubernetes_asyncio.client import CoreV1Api
from streamflow.log_handler import logger

from dvre_streamflow import pods
from dvre_streamflow.failure import Failure
from dvre_streamflow.pod_watch import TROUBLES, PodWatch, Refused, ask
from dvre_streamflow.pods import PATIENCE, Pod, Trouble
from dvre_streamflow.progress import PROGRESS

_CONCURRENCY = 16
_TRIES = 5
_LOOK_AGAIN = 30.0

_FORBIDDEN, _NOT_FOUND, _CONFLICT, _TOO_MANY, _SERVER_ERROR = 403, 404, 409, 429, 500

_GRACE_SECONDS = 1
_DELETE_TIMEOUT = 15.0


class StepPods:
    """Pods that do the same work; a job needs only one of them."""

    def __init__(
        self, deployment: str, client: CoreV1Api, namespace: str, manifests: list[Pod]
    ) -> None:
        """Take what is to be created."""
        self._deployment = deployment
        self._client = client
        self._namespace = namespace
        self._manifests = {pods.name(manifest): manifest for manifest in manifests}
        labels = pods.common_labels(manifests)
        selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        self._watch = PodWatch(client, namespace, selector, self._manifests)
        self._created: set[str] = set()
        self._gate = asyncio.Semaphore(_CONCURRENCY)

    def image(self, pod: str, container: str) -> tuple[str, str | None] | None:
        """Return the image of a container, and its digest."""
        known = self._watch.pods.get(pod)
        return pods.image(known, container) if known is not None else None

    async def deploy(self, timeout: float | None) -> None:
        """Create all pods and wait until they are ready, or enough of them are."""
        creations = [self._create(manifest) for manifest in self._manifests.values()]
        for result in await asyncio.gather(*creations, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        await self._watch.start()
        await self._wait(timeout)

    async def _create(self, manifest: Pod) -> None:
        name = pods.name(manifest)
        async with self._gate:
            for attempt in range(1, _TRIES + 1):
                self._created.add(name)
                try:
                    await ask(self._client.create_namespaced_pod, self._namespace, manifest)
                    return
                except Refused as error:
                    if error.status == _CONFLICT and attempt > 1:
                        # The attempt before did more than it seemed to.
                        return
                    if error.status < _SERVER_ERROR and error.status != _TOO_MANY:
                        self._created.discard(name)
                        raise self._refusal(error) from error
                    trouble: Exception = error
                except TROUBLES as error:
                    trouble = error
                await asyncio.sleep(0.25 * 2**attempt)
        message = f"deployment {self._deployment}: pod {name} cannot be created: {trouble}"
        raise Failure("DeploymentFailed", message) from trouble

    def _refusal(self, error: Refused) -> Failure:
        full = error.status == _FORBIDDEN and "exceeded quota" in error.message
        kind = "QuotaExceeded" if full else "DeploymentFailed"
        return Failure(kind, f"deployment {self._deployment}: {error.message}")

    async def _wait(self, timeout: float | None) -> None:
        start = time.monotonic()
        deadline = start + (timeout or float("inf"))
        troubled: dict[str, float] = {}
        told = False
        while True:
            now = time.monotonic()
            waiting = [pod for pod in self._watch.pods.values() if not pods.ready(pod)]
            for name in self._manifests:
                if (lost := self._watch.gone(name)) is not None:
                    raise self._failure(lost.kind, f"pod {name} {lost.words}")
            for pod in waiting:
                self._judge(pod, troubled, now)
            if not waiting:
                return
            covered = self._covered(waiting)
            held = [pod for pod in waiting if pods.gated(pod) and pods.container(pod) not in covered]
            if held:
                # A queue may take as long as it likes, unless what it waits for are the other pods.
                deadline = now + (timeout or float("inf"))
                if not told:
                    logger.warning(f"Deployment {self._deployment} waits: {pods.held_back(held[0])}")
                told = True
            if now >= deadline:
                self._give_up(waiting, covered, now - start)
                return
            await self._watch.change(min(deadline - now, 1.0 if troubled else _LOOK_AGAIN))

    def _judge(self, pod: Pod, troubled: dict[str, float], now: float) -> None:
        """Fail when a pod is in a trouble that is final, or has lasted."""
        trouble = pods.trouble(pod)
        if trouble is None:
            troubled.pop(pods.name(pod), None)
            return
        since = troubled.setdefault(pods.name(pod), now)
        if trouble.final or now - since >= PATIENCE:
            raise self._failure(trouble.kind, trouble.words)

    def _give_up(self, waiting: list[Pod], covered: set[str], seconds: float) -> None:
        """Fail, unless some pods got no place but others can do their work."""
        for pod in waiting:
            words = pods.held_back(pod)
            if words is not None and pods.container(pod) in covered:
                continue
            if words is not None:
                raise self._failure("Unschedulable", words)
            words = f"pod {pods.name(pod)} was not ready after {seconds:.0f} s"
            raise self._failure("DeploymentFailed", f"{words}: {pods.starting(pod)}")
        number = len(self._manifests)
        logger.warning(
            f"Deployment {self._deployment} does with {number - len(waiting)} of {number} pods: "
            f"{pods.held_back(waiting[0])}"
        )

    def _covered(self, waiting: list[Pod]) -> set[str]:
        """Return the containers that some pod has which does not wait."""
        late = {pods.name(pod) for pod in waiting}
        ready = [pod for pod in self._watch.pods.values() if pods.name(pod) not in late]
        return {pods.container(pod) for pod in ready}

    def _failure(self, kind: str, words: str) -> Failure:
        return Failure(kind, f"deployment {self._deployment}: {words}")

    def ready(self, service: str | None) -> Iterator[tuple[Pod, str]]:
        """Return each pod that can take a job, with the container for it."""
        fitting, lost = 0, None
        for name, manifest in self._manifests.items():
            containers = [found["name"] for found in manifest["spec"]["containers"]]
            if service is not None and service not in containers:
                continue
            fitting += 1
            lost = self._watch.gone(name)
            if lost is not None:
                fitting -= 1
            elif pods.ready(self._watch.pods[name]):
                yield self._watch.pods[name], service or containers[0]
        if lost is not None and not fitting:
            # A job would wait for ever.
            raise self._failure(lost.kind, f"no pod is left; the last one {lost.words}")

    async def end(self, names: Collection[str]) -> tuple[str, Trouble]:
        """Wait until one of the pods `names` is no more."""
        own = [name for name in names if name in self._manifests]
        tasks = {asyncio.create_task(self._watch.end(name)): name for name in own}
        if not tasks:
            await asyncio.Event().wait()
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        first = next(iter(done))
        return tasks[first], first.result()

    def memory_limit(self, name: str) -> str:
        """Spell the memory limit of a pod."""
        return pods.memory_limit(self._watch.pods.get(name) or self._manifests[name])

    def mounts(self, name: str, container: str) -> list[dict[str, Any]]:
        """Return what a container mounts."""
        for found in self._manifests[name]["spec"]["containers"]:
            if found["name"] == container:
                return found.get("volumeMounts") or []
        return []

    async def delete(self) -> None:
        """Delete all pods; those that are left when it fails belong to the run's Job."""
        await self._watch.close()
        deletions = [self._delete(name) for name in self._created]
        try:
            await asyncio.wait_for(asyncio.gather(*deletions), _DELETE_TIMEOUT)
        except TimeoutError:
            logger.warning(f"Some pods of deployment {self._deployment} may be left")

    async def _delete(self, name: str) -> None:
        try:
            async with self._gate:
                await ask(
                    self._client.delete_namespaced_pod,
                    name,
                    self._namespace,
                    grace_period_seconds=_GRACE_SECONDS,
                )
        except TROUBLES as error:
            if not isinstance(error, Refused) or error.status != _NOT_FOUND:
                logger.warning(f"Pod {name} is left: {error}")


async def own_image(client: CoreV1Api, namespace: str) -> None:
    """Report the image of this container: it cannot know its digest, but its pod's status can."""
    name = socket.gethostname()
    with contextlib.suppress(*TROUBLES):
        pod = await ask(client.read_namespaced_pod, name, namespace)
        if image := pods.image(pod, pods.container(pod)):
            PROGRESS.image(None, *image)

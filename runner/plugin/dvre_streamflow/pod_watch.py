"""Follows the pods of a deployment from their creation to its end."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Collection
from typing import Any

import aiohttp
from kubernetes_asyncio.client import CoreV1Api
from streamflow.log_handler import logger

from dvre_streamflow import pods
from dvre_streamflow.pods import Pod, Trouble

# A watch is asked for anew so often that a connection that is silently gone does little harm.
_WATCH_SECONDS = 60
_REQUEST_TIMEOUT = 30
_RETRY = 2.0


class Refused(Exception):
    """An answer of the API server that is none of those hoped for."""

    def __init__(self, status: int, message: str) -> None:
        """Take the HTTP status and the server's words."""
        super().__init__(message)
        self.status = status
        self.message = message


# What may pass when one asks again.
TROUBLES = (aiohttp.ClientError, OSError, Refused)


async def ask(call: Callable[..., Any], *args: object, **kwargs: object) -> dict[str, Any]:
    """Call a method of the client, and return the answer as it came."""
    response = await call(
        *args, **kwargs, _preload_content=False, _request_timeout=_REQUEST_TIMEOUT
    )
    async with response:
        text = await response.text()
        try:
            body = json.loads(text)
        except ValueError:
            body = {"message": " ".join(text.split())[:500]}
        if response.status >= 400:
            raise Refused(response.status, body.get("message") or f"status {response.status}")
        return body


class PodWatch:
    """Knows the state of the pods with certain names."""

    def __init__(
        self, client: CoreV1Api, namespace: str, selector: str, names: Collection[str]
    ) -> None:
        """Follow the pods `names`, which all match the label `selector`."""
        self._client = client
        self._arguments = {"namespace": namespace, "label_selector": selector}
        self._names = frozenset(names)
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.pods: dict[str, Pod] = {}
        self._lost: dict[str, Trouble] = {}
        self._ends = {name: asyncio.Event() for name in self._names}

    async def start(self) -> None:
        """Learn the state of all pods, and keep it up to date from now on."""
        version = await self._list()
        self._task = asyncio.create_task(self._follow(version))

    async def close(self) -> None:
        """Follow no longer."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def gone(self, name: str) -> Trouble | None:
        """Return why a pod is no more."""
        return self._lost.get(name)

    async def end(self, name: str) -> Trouble:
        """Wait until a pod is no more."""
        await self._ends[name].wait()
        return self._lost[name]

    async def change(self, timeout: float) -> None:
        """Wait for news, but not for ever."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), timeout)
        self._changed.clear()

    async def _follow(self, version: str) -> None:
        while True:
            try:
                version = await self._watch(version) if version else await self._list()
            except TROUBLES as error:
                # Without permission to watch, or without a server, listing is what remains.
                logger.debug(f"Watching pods: {error}")
                version = ""
                await asyncio.sleep(_RETRY)

    async def _list(self) -> str:
        found = await ask(self._client.list_namespaced_pod, **self._arguments)
        seen = set()
        for pod in found["items"]:
            self._see(pod)
            seen.add(pods.name(pod))
        for name in self._names - seen:
            self._lose(name, pods.DELETED)
        return found["metadata"]["resourceVersion"]

    async def _watch(self, version: str) -> str:
        response = await self._client.list_namespaced_pod(
            **self._arguments,
            watch=True,
            allow_watch_bookmarks=True,
            resource_version=version,
            timeout_seconds=_WATCH_SECONDS,
            _preload_content=False,
            _request_timeout=(_REQUEST_TIMEOUT, _WATCH_SECONDS + _REQUEST_TIMEOUT),
        )
        async with response:
            if response.status != 200:
                raise Refused(response.status, await response.text())
            async for line in response.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise Refused(event["object"].get("code", 500), str(event["object"]))
                pod = event["object"]
                version = pod["metadata"]["resourceVersion"]
                if event["type"] == "DELETED":
                    self._see(pod)
                    self._lose(pods.name(pod), pods.DELETED)
                elif event["type"] != "BOOKMARK":
                    self._see(pod)
        return version

    def _see(self, pod: Pod) -> None:
        name = pods.name(pod)
        if name in self._names:
            self.pods[name] = pod
            if (trouble := pods.gone(pod)) is not None:
                self._lose(name, trouble)
            self._changed.set()

    def _lose(self, name: str, trouble: Trouble) -> None:
        # What was known first explains best: in the end every pod is deleted.
        if name in self._names and name not in self._lost:
            self._lost[name] = trouble
            self._ends[name].set()
            self._changed.set()

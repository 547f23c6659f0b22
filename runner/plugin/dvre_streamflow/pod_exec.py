"""Runs commands in a pod, and outlives the connection that started them.

The connection goes through the API server, which may be replaced while a tool runs for hours.
So a tool leaves its exit code and its output beside its output folder, where they are found
again over another connection.
"""

import asyncio
import json
import posixpath
import shlex
from dataclasses import dataclass

import aiohttp
from aiohttp import ClientWebSocketResponse, WSMsgType
from kubernetes_asyncio.client import CoreV1Api

from dvre_streamflow.failure import FAILED_OUTPUT

_PROTOCOL = {"sec-websocket-protocol": "v5.channel.k8s.io"}
_STDIN, _STDOUT, _STDERR, _STATUS = range(4)
_END_OF_STDIN = bytes([255, _STDIN])
# All of the script is there before any of it runs.
_COMMAND = ["sh", "-c", 'eval "$(cat)"']
_CHUNK = 32768
# How much of the output of a tool that succeeded is shown.
_TAIL = 65536

_CONNECT_TRIES = 4
_CONNECT_PAUSE = 2.0


@dataclass(frozen=True)
class End:
    """How a command ended: without a code the connection was cut off before it did."""

    output: bytes
    code: int | None = None
    error: str = ""

    @property
    def never_began(self) -> bool:
        """Return whether there was nothing that could run it."""
        return "exec failed" in self.error or "executable file not found" in self.error


class Place:
    """A container of a pod."""

    def __init__(self, client: CoreV1Api, namespace: str, pod: str, container: str) -> None:
        """Use a client for websockets."""
        self._client = client
        self._arguments = {"name": pod, "namespace": namespace, "container": container}

    async def run(self, script: str) -> End:
        """Run a script of the shell, whatever its length."""
        async with await self._connect() as socket:
            await _send(socket, script)
            return await _receive(socket)

    async def _connect(self) -> ClientWebSocketResponse:
        for attempt in range(1, _CONNECT_TRIES + 1):
            try:
                request = await self._client.connect_get_namespaced_pod_exec(
                    **self._arguments,
                    command=_COMMAND,
                    stdin=True,
                    stdout=True,
                    stderr=True,
                    tty=False,
                    _headers=dict(_PROTOCOL),
                    _preload_content=False,
                )
                return await request
            except (aiohttp.ClientError, OSError):
                if attempt == _CONNECT_TRIES:
                    raise
            await asyncio.sleep(_CONNECT_PAUSE)
        raise AssertionError


async def _send(socket: ClientWebSocketResponse, script: str) -> None:
    data = script.encode()
    for start in range(0, len(data), _CHUNK):
        await socket.send_bytes(bytes([_STDIN]) + data[start : start + _CHUNK])
    await socket.send_bytes(_END_OF_STDIN)


async def _receive(socket: ClientWebSocketResponse) -> End:
    output = bytearray()
    async for message in socket:
        if message.type != WSMsgType.BINARY or not message.data:
            break
        channel, data = message.data[0], message.data[1:]
        if channel in (_STDOUT, _STDERR):
            output += data
        elif channel == _STATUS:
            return _end(bytes(output), json.loads(data))
    return End(bytes(output))


def _end(output: bytes, status: dict[str, object]) -> End:
    if status.get("status") == "Success":
        return End(output, 0)
    details = status.get("details") or {}
    for cause in details.get("causes") or []:
        if cause.get("reason") == "ExitCode":
            return End(output, int(cause["message"]))
    return End(output, error=str(status.get("message") or status))


class Tool:
    """A command line whose end is written down; `folder` is that of its output."""

    def __init__(self, line: str, folder: str, captured: bool) -> None:
        """Take a line that sends its output to files, unless it is to be `captured`."""
        base = shlex.quote(posixpath.normpath(folder))
        self._pid, self._exit, self._output = (f"{base}.{x}" for x in ("pid", "exit", "output"))
        self._line = f"(\n{line}\n) </dev/null"
        self._show = ""
        if captured:
            self._line += f" >{self._output} 2>&1"
            self._show = (
                f"if [ $code = 0 ]; then tail -c {_TAIL} {self._output}\n"
                f"else tail -c {FAILED_OUTPUT} {self._output}\nfi\n"
            )

    @property
    def script(self) -> str:
        """Run it, show the end of its output, and exit as it did."""
        return (
            f"rm -f {self._exit}\necho $$ >{self._pid}\n{self._line}\ncode=$?\n"
            f"echo $code >{self._exit}.new && mv {self._exit}.new {self._exit}\n"
            f"{self._show}exit $code\n"
        )

    @property
    def again(self) -> str:
        """Do the same for one that was started before; print `RUNNING` while it runs."""
        return (
            f"if [ -e {self._exit} ]; then\n"
            f"code=$(cat {self._exit})\n{self._show}exit $code\nfi\n"
            f"if kill -0 $(cat {self._pid}); then echo {RUNNING}; else echo {VANISHED}; fi\n"
        )


RUNNING = "dvre: still running"
VANISHED = "dvre: vanished"

"""The cluster that the tests of the Kubernetes connector use."""

import asyncio
import json
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse


@dataclass
class Kubectl:
    """Calls kubectl in one namespace."""

    kubeconfig: str
    namespace: str

    def __call__(self, *command: str) -> str:
        options = ["--kubeconfig", self.kubeconfig, "--namespace", self.namespace]
        run = subprocess.run(
            ["kubectl", *options, *command], capture_output=True, text=True, timeout=60
        )
        return run.stdout.strip()

    @property
    def _config(self) -> dict:
        return json.loads(self("config", "view", "--raw", "--minify", "-o", "json"))

    @property
    def server(self) -> tuple[str, int]:
        url = urlparse(self._config["clusters"][0]["cluster"]["server"])
        return str(url.hostname), url.port or 443

    def through(self, proxy: "Proxy", path: Path) -> str:
        """Write a kubeconfig that reaches the server through a proxy."""
        config = self._config
        config["clusters"][0]["cluster"] |= {
            "server": f"https://127.0.0.1:{proxy.port}",
            "tls-server-name": self.server[0],
        }
        path.write_text(json.dumps(config))
        return str(path)


class Proxy:
    """Passes connections on, and can cut all of them."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        server = self._loop.run_until_complete(asyncio.start_server(self._pass, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def cut(self) -> None:
        self._loop.call_soon_threadsafe(
            lambda: [writer.transport.abort() for writer in list(self._writers)]
        )

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._target)
        self._writers |= {writer, back}
        await asyncio.gather(_pump(reader, back), _pump(there, writer))
        self._writers -= {writer, back}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()

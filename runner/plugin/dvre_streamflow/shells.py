"""Shells on this machine and on others, to run short scripts in."""

import asyncio
import os
import signal
from typing import Any, Protocol, Self


class Shell(Protocol):
    """Runs scripts one after another."""

    async def __aenter__(self) -> Self:
        """Get ready."""

    async def __aexit__(self, *_: object) -> None:
        """Leave."""

    async def run(self, script: str) -> tuple[str, int]:
        """Return what a script prints, and its exit code."""


class Local:
    """A shell here."""

    async def __aenter__(self) -> Self:
        """Need nothing."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave nothing."""

    async def run(self, script: str) -> tuple[str, int]:
        """Run a script; it ends with this call."""
        process = await asyncio.create_subprocess_exec(
            *("sh", "-s"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            output, _ = await process.communicate(script.encode())
        except asyncio.CancelledError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            raise
        return output.decode(errors="replace").strip(), process.returncode or 0


class Ssh:
    """A shell on the host of a `Login` of dvre-runner's."""

    def __init__(self, login: dict[str, Any]) -> None:
        """Take host, port, user, key and known hosts."""
        self._login = login

    async def __aenter__(self) -> Self:
        """Log in; the host's key is always checked."""
        # The library asks who the local user is, and a container may not know.
        os.environ.setdefault("USER", self._login["user"])
        import asyncssh

        try:
            self._connection = await asyncssh.connect(
                self._login["host"],
                port=self._login.get("port") or 22,
                username=self._login["user"],
                client_keys=[self._login["key"]],
                known_hosts=self._login["knownHosts"],
                agent_path=None,
                config=None,
            )
        except (OSError, asyncssh.Error, asyncssh.KeyImportError) as error:
            number = getattr(error, "errno", None) or 0
            named = getattr(error, "filename", None)
            words = os.strerror(number) if number > 0 and not named else str(error)
            words = words or type(error).__name__
            # The caller need not know the library.
            raise ConnectionError(f"{self._login['host']}: {words}") from error
        return self

    async def __aexit__(self, *_: object) -> None:
        """Log out."""
        self._connection.close()

    async def run(self, script: str) -> tuple[str, int]:
        """Run a script; it ends with the connection."""
        result = await self._connection.run("sh -s", input=script)
        if result.returncode is None:
            raise ConnectionError(f"{self._login['host']}: the connection was lost")
        return str(result.stdout).strip(), result.returncode

"""The ssh connector, with bounded patience and errors that say what to do."""

import asyncio
import contextlib
import os
import socket
from collections.abc import MutableMapping
from functools import partial
from types import TracebackType
from typing import Any

import asyncssh
from streamflow.core.deployment import ExecutionLocation
from streamflow.deployment.connector.ssh import (
    SSHConfig,
    SSHConnector,
    SSHContext,
    SSHContextFactory,
    SSHContextManager,
    parse_hostname,
)
from streamflow.log_handler import logger

from dvre_streamflow.failure import Failure

# A host that says nothing for this long, three times in a row, is gone.
_KEEPALIVE = 15
_KEEPALIVES = 3
_CLOSE_TIMEOUT = 5.0

# Another try would end in the same way.
_NO_KEY = (asyncssh.KeyImportError, FileNotFoundError, PermissionError)
_FINAL = (asyncssh.PermissionDenied, asyncssh.HostKeyNotVerifiable, *_NO_KEY)


class DvreSSHConnector(SSHConnector):
    """StreamFlow's connector, over connections that notice when the host is gone."""

    def __init__(self, deployment_name: str, config_dir: str, **config: Any) -> None:
        """Take the connector's configuration."""
        super().__init__(deployment_name, config_dir, **config)
        self._cls_context = partial(
            _Context, deployment=deployment_name, attempts=max(1, self.retries)
        )

    def _get_ssh_client_process(
        self, location: str, *args: Any, **kwargs: Any
    ) -> SSHContextManager:
        self._know(self.ssh_context_factories, location, self.nodes[location])
        return super()._get_ssh_client_process(location, *args, **kwargs)

    def _get_ssh_context_factory(self, location: ExecutionLocation) -> SSHContextFactory:
        if self.dataTransferConfig:
            factories, config = self.data_transfer_context_factories, self.dataTransferConfig
        else:
            factories, config = self.ssh_context_factories, self.nodes[location.name]
        self._know(factories, location.name, config)
        return super()._get_ssh_context_factory(location)

    def _know(
        self, factories: MutableMapping[str, SSHContextFactory], host: str, config: SSHConfig
    ) -> None:
        """Be before StreamFlow in making what opens sessions on a host."""
        if host not in factories:
            factories[host] = _Factory(
                cls_context=self._cls_context,
                streamflow_config_dir=self.config_dir,
                config=config,
                max_concurrent_sessions=self.maxConcurrentSessions,
                max_connections=self.maxConnections,
                retries=self.retries,
                retry_delay=self.retryDelay,
            )

    async def run(
        self,
        location: ExecutionLocation,
        command: list[str],
        *args: Any,
        job_name: str | None = None,
        **kwargs: Any,
    ) -> tuple[str, int] | None:
        """Run a command; one without an exit code was cut off."""
        try:
            result = await super().run(location, command, *args, job_name=job_name, **kwargs)
        except asyncssh.TimeoutError as error:
            raise TimeoutError from error
        except asyncssh.Error as error:
            message = f"the connection to {location.name} was lost: {error.reason}"
            raise ConnectionError(message) from error
        if job_name is not None and result is not None and result[1] is None:
            raise Failure(
                "DeploymentFailed",
                f"deployment {self.deployment_name}: the connection to {location.name} was lost "
                f"while job {job_name} ran",
            )
        return result

    async def undeploy(self, external: bool) -> None:
        """Kill what still runs, and close the connections if the other side still listens."""
        factories = self.ssh_context_factories | self.data_transfer_context_factories
        for factory in factories.values():
            factory.kill()
        try:
            await asyncio.wait_for(super().undeploy(external), _CLOSE_TIMEOUT)
        except (TimeoutError, asyncssh.Error) as error:
            logger.debug(f"Connections of {self.deployment_name} are left open: {error}")


class _Factory(SSHContextFactory):
    def get(
        self, command: str, environment: MutableMapping[str, str] | None, **streams: Any
    ) -> SSHContextManager:
        for context in self._contexts:
            # Each command has all its attempts: StreamFlow counts those of earlier ones, too.
            if context.exhausted:
                context.connection_attempts = 0
        return _Session(
            condition=self._condition,
            contexts=self._contexts,
            command=command,
            environment=environment,
            retries=self._retries,
            retry_delay=self._retry_delay,
            **streams,
        )

    def kill(self) -> None:
        """End every command; those that ran for a job would outlive the connection."""
        for context in self._contexts:
            if (connection := context._ssh_connection) is not None:
                for channel in list(connection._channels.values()):
                    with contextlib.suppress(OSError):
                        channel.kill()


class _Session(SSHContextManager):
    """A command on a host. One that nobody waits for any more is killed, and not waited for."""

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        leaving = super().__aexit__(exc_type, exc_val, exc_tb)
        if exc_type is None or self._proc is None:
            await leaving
            return
        with contextlib.suppress(OSError):
            self._proc.kill()
        # Until it ends, it keeps all other commands from beginning.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(leaving, _CLOSE_TIMEOUT)


class _Context(SSHContext):
    def __init__(self, *args: Any, deployment: str, attempts: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deployment = deployment
        self._attempts = attempts

    @property
    def exhausted(self) -> bool:
        return self.connection_attempts >= self._attempts

    async def _get_connection(
        self, config: SSHConfig | None
    ) -> asyncssh.SSHClientConnection | None:
        if config is None:
            return None
        try:
            connection = await super()._get_connection(config)
        except (OSError, asyncssh.Error, asyncssh.KeyImportError) as error:
            message = f"deployment {self._deployment}: {explain(error, config)}"
            if isinstance(error, _FINAL) or self.connection_attempts + 1 >= self._attempts:
                # StreamFlow does this only after the errors that it knows.
                await self.close()
                self.connection_attempts = self._attempts
                raise Failure("DeploymentFailed", message) from error
            raise ConnectionError(message) from error
        connection.set_keepalive(_KEEPALIVE, _KEEPALIVES)
        return connection


def explain(error: Exception, config: SSHConfig) -> str:
    """Say why there is no connection, and what to change."""
    host, port = parse_hostname(config.hostname)
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return (
            f"the host key of {host}:{port} is not among those expected ({error.reason}); "
            "its line belongs under known_hosts in the Secret"
        )
    if isinstance(error, asyncssh.PermissionDenied):
        return (
            f"{host}:{port} does not let {config.username} in ({error.reason}); the Secret's "
            "ssh-privatekey has to match the user's authorized_keys there"
        )
    if isinstance(error, _NO_KEY):
        return f"the private key for {host}, ssh-privatekey of the Secret, cannot be read: {error}"
    if isinstance(error, socket.gaierror):
        return f"the name {host} cannot be resolved ({error.strerror})"
    if isinstance(error, TimeoutError):
        return f"{host}:{port} did not answer within {config.connect_timeout} s"
    number = getattr(error, "errno", None)
    why = os.strerror(number) if number else str(error) or type(error).__name__
    return f"no connection to {host}:{port}: {why}"

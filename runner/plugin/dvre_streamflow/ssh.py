"""The ssh connector, with bounded patience and errors that say what to do."""

import os
import socket
from functools import partial
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

from dvre_streamflow.failure import Failure

# A host that says nothing for this long, three times in a row, is gone.
_KEEPALIVE = 15
_KEEPALIVES = 3

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
        process = super()._get_ssh_client_process(location, *args, **kwargs)
        _try_again(self.ssh_context_factories[location])
        return process

    def _get_ssh_context_factory(self, location: ExecutionLocation) -> SSHContextFactory:
        factory = super()._get_ssh_context_factory(location)
        _try_again(factory)
        return factory

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


def _try_again(factory: SSHContextFactory) -> None:
    """Give each command all its attempts: StreamFlow counts those of earlier ones too."""
    for context in factory._contexts:
        if context.exhausted:
            context.connection_attempts = 0


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

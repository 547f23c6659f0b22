"""The local connector, held to the limits of its container."""

from collections.abc import MutableMapping
from typing import Any

from streamflow.core.scheduling import Hardware
from streamflow.deployment.connector.local import LocalConnector

from dvre_streamflow import limits


class DvreLocalConnector(LocalConnector):
    """Offers the cores and the memory of the container, not those of the node."""

    def __init__(
        self, deployment_name: str, config_dir: str, **config: MutableMapping[str, Any]
    ) -> None:
        """Measure the node as StreamFlow does, then apply the limits."""
        super().__init__(deployment_name, config_dir, **config)
        self._hardware = Hardware(
            cores=limits.cores(self._hardware.cores),
            memory=limits.memory(self._hardware.memory),
            storage=self._hardware.storage,
        )

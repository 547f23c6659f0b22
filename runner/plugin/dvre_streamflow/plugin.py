"""What StreamFlow loads."""

import streamflow.cwl.main
from streamflow.deployment.connector import connector_classes
from streamflow.ext.plugin import StreamFlowPlugin

from dvre_streamflow import command, errors, failure, lazy
from dvre_streamflow.connector import DvreLocalConnector
from dvre_streamflow.database import DvreDatabase
from dvre_streamflow.docker import DvreDockerConnector
from dvre_streamflow.executor import DvreExecutor
from dvre_streamflow.scheduler import DvreScheduler
from dvre_streamflow.singularity import DvreSingularityConnector
from dvre_streamflow.slurm import DvreSlurmConnector


class DvrePlugin(StreamFlowPlugin):
    """Registers the observed classes under the name `dvre`.

    What a configuration cannot select, it replaces: the executor, the way tools are run,
    and the connectors.
    """

    def register(self) -> None:
        """Take the places."""
        self.register_database("dvre", DvreDatabase)
        self.register_scheduler("dvre", DvreScheduler)
        connector_classes["local"] = DvreLocalConnector
        connector_classes["docker"] = DvreDockerConnector
        connector_classes["singularity"] = DvreSingularityConnector
        connector_classes["kubernetes"] = lazy.stand_in(
            "dvre_streamflow.kubernetes",
            "DvreKubernetesConnector",
            "kubernetes.json",
            base="kubernetes",
        )
        connector_classes["slurm"] = DvreSlurmConnector
        connector_classes["ssh"] = lazy.stand_in(
            "dvre_streamflow.ssh", "DvreSSHConnector", "ssh.json", base="ssh"
        )
        streamflow.cwl.main.StreamFlowExecutor = DvreExecutor
        command.install()
        errors.install()
        failure.install()

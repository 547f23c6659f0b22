"""A scheduler that reports every job, and refuses those that could only wait forever."""

from typing import NoReturn, cast

from streamflow.core.config import BindingConfig
from streamflow.core.deployment import Connector, Target
from streamflow.core.exception import WorkflowDefinitionException
from streamflow.core.scheduling import Hardware, HardwareRequirement
from streamflow.core.workflow import Job, Status
from streamflow.scheduling.scheduler import DefaultScheduler

from dvre_streamflow.progress import PROGRESS

# What CWL grants to a tool that asks for nothing (the memory is that of v1.0). Less than
# that in the container is no reason to refuse the tool.
_DEFAULT_CORES = 1.0
_DEFAULT_MEMORY = 1024.0


class _Capped(HardwareRequirement):
    """A requirement whose defaults never exceed what there is."""

    def __init__(self, inner: HardwareRequirement, capacity: Hardware, step: str) -> None:
        self._inner = inner
        self._capacity = capacity
        self._step = step

    def eval(self, job: Job) -> Hardware:
        wanted = self._inner.eval(job)
        if wanted.cores > max(self._capacity.cores, _DEFAULT_CORES):
            self._refuse(f"{wanted.cores:g} cores", f"{self._capacity.cores:g}")
        if wanted.memory > max(self._capacity.memory, _DEFAULT_MEMORY):
            self._refuse(f"{wanted.memory:g} MiB memory", f"{self._capacity.memory:.0f}")
        return Hardware(
            cores=min(wanted.cores, self._capacity.cores),
            memory=min(wanted.memory, self._capacity.memory),
            storage=wanted.storage,
        )

    def _refuse(self, wanted: str, available: str) -> NoReturn:
        raise WorkflowDefinitionException(
            f"Step {self._step} asks for {wanted}, but the runner has {available}"
        )

    @classmethod
    async def _load(cls, *_: object) -> "_Capped":
        raise NotImplementedError

    async def _save_additional_params(self, *_: object) -> dict[str, object]:
        raise NotImplementedError


class DvreScheduler(DefaultScheduler):
    """StreamFlow's scheduler, observed."""

    async def notify_status(self, job_name: str, status: Status) -> None:
        """Note the new status of a job."""
        await super().notify_status(job_name, status)
        PROGRESS.job(job_name, status)

    async def schedule(
        self,
        job: Job,
        binding_config: BindingConfig,
        hardware_requirement: HardwareRequirement | None,
    ) -> None:
        """Wait until there is room for a job, and give it a place."""
        PROGRESS.scheduled(job.name)
        targets = binding_config.targets
        if hardware_requirement is not None and len(targets) == 1:
            capacity = await self._local_capacity(targets[0])
            if capacity is not None:
                step = job.name.rsplit("/", 1)[0] or "/"
                hardware_requirement = _Capped(hardware_requirement, capacity, step)
        await super().schedule(job, binding_config, hardware_requirement)

    async def _local_capacity(self, target: Target) -> Hardware | None:
        if target.deployment.type != "local":
            return None
        name = target.deployment.name
        connector = cast(Connector, self.context.deployment_manager.get_connector(name))
        locations = await connector.get_available_locations(service=target.service)
        return next((location.hardware for location in locations.values()), None)

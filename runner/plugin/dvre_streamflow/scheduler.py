"""A scheduler that reports every job, and refuses those that could only wait forever."""

from pathlib import PurePosixPath
from typing import NamedTuple, NoReturn, cast

from streamflow.core.config import BindingConfig
from streamflow.core.deployment import Connector, Target
from streamflow.core.exception import WorkflowDefinitionException
from streamflow.core.scheduling import AvailableLocation, Hardware, HardwareRequirement
from streamflow.core.utils import get_job_step_name
from streamflow.core.workflow import Job, Status
from streamflow.scheduling.scheduler import DefaultScheduler

from dvre_streamflow.progress import PROGRESS

# What CWL grants to a tool that asks for nothing (the memory is that of v1.0). Less than
# that in a place is no reason to refuse the tool.
_DEFAULT_CORES = 1.0
_DEFAULT_MEMORY = 1024.0
_DEFAULT_DISK = 1024.0
# A tool has two folders there, and may not be alone.
_DISK_SHARE = 0.25


class _Capacity(NamedTuple):
    """All that jobs can ever get in a place."""

    place: str
    cores: float
    memory: float
    disk: float


class _Capped(HardwareRequirement):
    """A requirement whose defaults never exceed what there is."""

    def __init__(self, inner: HardwareRequirement, capacity: _Capacity, step: str) -> None:
        self._inner = inner
        self._capacity = capacity
        self._step = step

    def eval(self, job: Job) -> Hardware:
        wanted, there = self._inner.eval(job), self._capacity
        if wanted.cores > max(there.cores, _DEFAULT_CORES):
            self._refuse(f"{wanted.cores:g} cores", f"{there.cores:g}")
        if wanted.memory > max(there.memory, _DEFAULT_MEMORY):
            self._refuse(f"{wanted.memory:g} MiB memory", f"{there.memory:.0f}")
        for disk in wanted.storage.values():
            if disk.size > max(there.disk, _DEFAULT_DISK):
                self._refuse(f"{disk.size:.0f} MiB disk", f"{there.disk:.0f}")
            if disk.size <= _DEFAULT_DISK:
                disk.size = min(disk.size, there.disk * _DISK_SHARE)
        return Hardware(
            cores=min(wanted.cores, there.cores),
            memory=min(wanted.memory, there.memory),
            storage=wanted.storage,
        )

    def _refuse(self, wanted: str, available: str) -> NoReturn:
        raise WorkflowDefinitionException(
            f"Step {self._step} asks for {wanted}, but {self._capacity.place} has {available}"
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
            capacity = await self._capacity(targets[0])
            if capacity is not None:
                step = get_job_step_name(job.name)
                hardware_requirement = _Capped(hardware_requirement, capacity, step)
        await super().schedule(job, binding_config, hardware_requirement)

    async def _capacity(self, target: Target) -> _Capacity | None:
        """Return what the best location has; `None` where jobs are only counted."""
        name = target.deployment.name
        connector = cast(Connector, self.context.deployment_manager.get_connector(name))
        locations = await connector.get_available_locations(service=target.service)
        found = [_available(location, target.workdir or "/") for location in locations.values()]
        known = [hardware for hardware in found if hardware is not None]
        if not known:
            return None
        place = "the runner" if target.deployment.type == "local" else f"deployment {name}"
        return _Capacity(place, *(max(values) for values in zip(*known, strict=True)))


def _available(location: AvailableLocation, workdir: str) -> tuple[float, float, float] | None:
    """Return cores, memory and disk of a location, and of all it stands on."""
    if location.hardware is None:
        return None
    hardware = location.hardware
    cores, memory, disk = hardware.cores, hardware.memory, _disk(hardware, workdir)
    inner = location.wraps if location.stacked else None
    while inner is not None and inner.hardware is not None:
        cores, memory = min(cores, inner.hardware.cores), min(memory, inner.hardware.memory)
        inner = inner.wraps if inner.stacked else None
    return cores, memory, disk


def _disk(hardware: Hardware, folder: str) -> float:
    """Return the free space of the file system that a folder is on."""
    path = PurePosixPath(folder)
    mounts = {PurePosixPath(disk.mount_point): disk.size for disk in hardware.storage.values()}
    below = [mount for mount in mounts if path.is_relative_to(mount)]
    return mounts[max(below, key=lambda mount: len(mount.parts))] if below else float("inf")

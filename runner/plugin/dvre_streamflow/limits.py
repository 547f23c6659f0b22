"""What this container may use: StreamFlow itself counts what the whole node has."""

import math
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")
_MIB = 2**20


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text().strip())
    except (OSError, ValueError):
        return None


def _folders(controller: str, root: Path, own: Path) -> Iterator[Path]:
    """Every folder that may limit this process, its own one first, up to the root.

    In a container the root often is the container's own group, and the path that the
    kernel tells does not exist below it: such folders simply hold no limit.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            mount = root
        elif controller in controllers.split(","):
            mount = root / controller
        else:
            continue
        folder = mount / path.lstrip("/")
        yield folder
        for parent in folder.parents:
            if parent != mount and mount not in parent.parents:
                break
            yield parent


def cpu_limit(root: Path = _CGROUPS, own: Path = _OWN_CGROUPS) -> float | None:
    """Return the number of CPUs that the quota allows, or `None` without one."""
    limits = []
    for folder in _folders("cpu", root, own):
        try:
            quota, period = (folder / "cpu.max").read_text().split()
            if quota != "max":
                limits.append(int(quota) / int(period))
        except (OSError, ValueError, ZeroDivisionError):
            pass
        quota_us = _number(folder / "cpu.cfs_quota_us")
        period_us = _number(folder / "cpu.cfs_period_us")
        if quota_us and period_us and quota_us > 0:
            limits.append(quota_us / period_us)
    return min(limits, default=None)


def memory_limit(root: Path = _CGROUPS, own: Path = _OWN_CGROUPS) -> float | None:
    """Return the memory limit in MiB, or `None` without one."""
    limits = [
        limit / _MIB
        for folder in _folders("memory", root, own)
        for name in ("memory.max", "memory.limit_in_bytes")
        if (limit := _number(folder / name)) is not None
    ]
    return min(limits, default=None)


def cores(available: float) -> float:
    """Return how many one-core jobs may run at once when the node has `available` cores.

    At least one: less than a core is slow, not impossible.
    """
    limit = cpu_limit()
    return available if limit is None else min(available, float(max(1, math.ceil(limit))))


def memory(available: float) -> float:
    """Return the memory in MiB that jobs may ask for when the node has `available`."""
    limit = memory_limit()
    return available if limit is None else min(available, limit)

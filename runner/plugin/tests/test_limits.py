from pathlib import Path

import pytest

from dvre_streamflow import limits


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_version_2_takes_the_smallest_on_the_way_up(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/pods/a\n")
    write(tmp_path / "fs/pods/a/cpu.max", "max 100000\n")
    write(tmp_path / "fs/pods/cpu.max", "150000 100000\n")
    write(tmp_path / "fs/pods/a/memory.max", "536870912\n")
    write(tmp_path / "fs/memory.max", "max\n")
    assert limits.cpu_limit(tmp_path / "fs", own) == 1.5
    assert limits.memory_limit(tmp_path / "fs", own) == 512


def test_version_1_in_a_container_reads_the_root_of_the_mount(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("4:memory:/kubepods/a\n3:cpu,cpuacct:/kubepods/a\n0::/kubepods/a\n")
    write(tmp_path / "fs/cpu/cpu.cfs_quota_us", "50000\n")
    write(tmp_path / "fs/cpu/cpu.cfs_period_us", "100000\n")
    write(tmp_path / "fs/memory/memory.limit_in_bytes", "268435456\n")
    assert limits.cpu_limit(tmp_path / "fs", own) == 0.5
    assert limits.memory_limit(tmp_path / "fs", own) == 256


def test_no_limit_is_none(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("3:cpu:/\n")
    write(tmp_path / "fs/cpu/cpu.cfs_quota_us", "-1\n")
    write(tmp_path / "fs/cpu/cpu.cfs_period_us", "100000\n")
    assert limits.cpu_limit(tmp_path / "fs", own) is None
    assert limits.memory_limit(tmp_path / "fs", tmp_path / "absent") is None


@pytest.mark.parametrize(("quota", "expected"), [(None, 64.0), (0.5, 1.0), (1.5, 2.0), (99, 64.0)])
def test_a_part_of_a_core_still_runs_one_job(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, expected: float
) -> None:
    monkeypatch.setattr(limits, "cpu_limit", lambda: quota)
    assert limits.cores(64.0) == expected

import pytest
from conftest import Engine
from streamflow.core.exception import WorkflowDefinitionException
from streamflow.core.scheduling import AvailableLocation, Hardware, Storage
from streamflow.core.workflow import Job

from dvre_streamflow.scheduler import _available, _Capacity, _Capped


class Wanted:
    def __init__(self, cores: float = 1, memory: float = 256, disk: float = 1024) -> None:
        self._wanted = (cores, memory, disk)

    def eval(self, _job: Job) -> Hardware:
        cores, memory, disk = self._wanted
        return Hardware(cores, memory, {"out": Storage("/", disk), "tmp": Storage("/", disk)})


THERE = _Capacity("deployment d", cores=2, memory=512, disk=400)


def test_what_nobody_asked_for_is_cut_to_what_is_there() -> None:
    granted = _Capped(Wanted(memory=1024), THERE, "/a").eval(None)
    assert (granted.cores, granted.memory) == (1, 512)
    assert [disk.size for disk in granted.storage.values()] == [100, 100]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted(cores=3), "asks for 3 cores, but deployment d has 2"),
        (Wanted(memory=2048), "asks for 2048 MiB memory, but deployment d has 512"),
        (Wanted(disk=4096), "asks for 4096 MiB disk, but deployment d has 400"),
    ],
)
def test_what_is_not_there_is_refused(wanted: Wanted, words: str) -> None:
    with pytest.raises(WorkflowDefinitionException, match=f"Step /a {words}"):
        _Capped(wanted, THERE, "/a").eval(None)


def test_a_container_has_no_more_than_what_it_stands_on() -> None:
    inner = AvailableLocation("host", "host", "h", hardware=Hardware(1, 1000))
    disks = {"/": Storage("/", 10), "/work": Storage("/work", 20)}
    outer = AvailableLocation(
        "c", "d", "h", hardware=Hardware(8, 500, disks), stacked=True, wraps=inner
    )
    assert _available(outer, "/work/a") == (1, 500, 20)
    assert _available(outer, "/worker") == (1, 500, 10)
    outer.stacked = False
    assert _available(outer, "/work") == (8, 500, 20)
    assert _available(AvailableLocation("pod", "k", "h"), "/work") is None


def test_more_disk_than_there_is_does_not_wait_for_ever(engine: Engine) -> None:
    engine.tool("big.cwl", ["true"], {"ResourceRequirement": {"tmpdirMin": 10**9}})
    result = engine.run("big.cwl", {})
    assert result.of("error")[0]["kind"] == "UnsupportedRequirement"
    assert "asks for 1000000000 MiB disk, but the runner has" in result.of("error")[0]["message"]

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hpc import Hpc

from dvre_streamflow import leftovers

JOB = "dvre-left"


def call(
    *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dvre_streamflow.leftovers", *arguments],
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        timeout=60,
    )


def clean(
    *left: dict[str, Any], environment: dict[str, str] | None = None
) -> tuple[int, list[str]]:
    variable = {leftovers.VARIABLE: json.dumps(left)}
    done = call("clean", "--seconds", "15", environment=variable | (environment or {}))
    answer = json.loads(done.stdout)
    assert answer["clean"] is not bool(answer["failures"])
    return done.returncode, answer["failures"]


@pytest.fixture
def login(hpc: Hpc) -> dict[str, Any]:
    known_hosts = hpc.folder / "known_hosts"
    known_hosts.write_text(hpc.known_hosts)
    return {
        "host": "127.0.0.1",
        "port": hpc.ssh_port,
        "user": hpc.call("id", "-un").strip(),
        "key": str(hpc.folder / "id"),
        "knownHosts": str(known_hosts),
    }


@pytest.fixture(params=["here", "ssh"])
def place(request: pytest.FixtureRequest, login: dict[str, Any]) -> dict[str, Any]:
    return {"ssh": login} if request.param == "ssh" else {}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "dvre-1"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/file").touch()
    return folder


def start(*command: str, cwd: Path | None = None) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, cwd=cwd)
    time.sleep(0.2)
    return process


def alive(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is None


def test_nothing_is_clean() -> None:
    assert clean() == (0, [])


def test_jobs_and_their_folder_are_removed(hpc: Hpc, place: dict[str, Any], folder: Path) -> None:
    hpc.call("sbatch", "-J", JOB, "-D", str(folder), "--wrap", "sleep 60")
    hpc.call("sbatch", "-J", JOB, "-D", str(folder), "-H", "--wrap", "sleep 60")
    other = hpc.call("sbatch", "--parsable", "-J", f"{JOB}-2", "--wrap", "sleep 60").strip()
    left = {"deployment": "hpc", "slurmJob": JOB, "folder": str(folder)} | place
    assert clean(left, environment=hpc.environment) == (0, [])
    assert hpc.jobs(JOB) == ""
    assert hpc.jobs(f"{JOB}-2") == other
    hpc.call("scancel", other)
    assert not folder.exists()


def test_processes_in_the_folder_end(folder: Path) -> None:
    inside = start("sleep", "60", cwd=folder / "deep")
    named = start("sh", "-c", f"cd / && : {folder}/deep && sleep 60")
    stubborn = start("sh", "-c", "trap '' TERM; sleep 60; sleep 60", cwd=folder)
    neighbour = folder.with_name("dvre-12")
    neighbour.mkdir()
    others = [start("sleep", "60", cwd=neighbour), start("sh", "-c", f": {neighbour}; sleep 60")]
    assert clean({"deployment": "hpc", "folder": str(folder)}) == (0, [])
    assert not folder.exists()
    assert [process.wait(5) != 0 for process in (inside, named, stubborn)] == [True] * 3
    assert all(alive(process) for process in others)
    for process in others:
        process.kill()


def test_a_folder_that_is_gone_is_clean(folder: Path) -> None:
    assert clean({"deployment": "a", "folder": str(folder / "dvre-gone")}) == (0, [])


@pytest.mark.parametrize(
    "path", ["/", "/etc", "dvre-1", "/tmp/../dvre-1", "/tmp/dvre-1/..", "/tmp/dvre-", "/tmp/x"]
)
def test_only_a_runs_own_folder_is_removed(path: str) -> None:
    assert not leftovers.own_folder(path)
    code, failures = clean({"deployment": "a", "folder": path})
    assert code == 1
    assert failures == [f"deployment a: {path} is no folder of a run"]


def test_a_runs_own_folder_is_known() -> None:
    assert leftovers.own_folder("/scratch/dvre-0a1b2c3d")


@pytest.mark.parametrize(("field", "words"), [("key", "Permission denied"), ("port", "refused")])
def test_a_host_that_is_out_of_reach_is_no_success(
    hpc: Hpc, login: dict[str, Any], folder: Path, field: str, words: str
) -> None:
    login[field] = {"key": str(hpc.folder / "other"), "port": 1}[field]
    good = {"deployment": "good", "folder": str(folder)}
    code, failures = clean({"deployment": "hpc", "folder": "/tmp/dvre-1", "ssh": login}, good)
    assert code == 1
    assert len(failures) == 1
    assert failures[0].startswith("deployment hpc: ")
    assert words in failures[0]
    assert not folder.exists()


def test_a_foreign_host_key_is_refused(hpc: Hpc, login: dict[str, Any]) -> None:
    key = " ".join((hpc.folder / "other.pub").read_text().split()[:2])
    Path(login["knownHosts"]).write_text(f"* {key}\n")
    _, failures = clean({"deployment": "hpc", "folder": "/tmp/dvre-1", "ssh": login})
    assert "Host key is not trusted" in failures[0]


def test_what_became_of_jobs_is_told(hpc: Hpc, place: dict[str, Any], tmp_path: Path) -> None:
    def submit(command: str) -> str:
        return hpc.call("sbatch", "--parsable", "-o", "/dev/null", "--wrap", command).strip()

    good, bad, cancelled = submit("true"), submit("exit 7"), submit("sleep 60")
    hpc.call("scancel", cancelled)
    wait_for(lambda: not hpc.call("squeue", "-h").strip())
    file = tmp_path / "run.json"
    file.write_text(json.dumps({"leftovers": [{"deployment": "hpc", "slurmJob": JOB} | place]}))
    told = call(
        *("states", str(file), "hpc", good, bad, cancelled, "999999"),
        environment=hpc.environment,
    )
    assert told.returncode == 0
    answer = json.loads(told.stdout)
    assert answer.pop("999999")["state"] == "UNKNOWN"
    assert {job: shown["state"] for job, shown in answer.items()} == {
        good: "COMPLETED",
        bad: "FAILED",
        cancelled: "CANCELLED",
    }
    assert answer[bad]["reason"] == "NonZeroExitCode"


def test_an_unknown_deployment_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text("{}")
    assert call("states", str(file), "hpc", "1").returncode == 1


def test_little_is_loaded() -> None:
    code = "import sys, dvre_streamflow.leftovers; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = run.stdout.split()
    assert not [name for name in loaded if name.startswith(("asyncssh", "streamflow"))]


def wait_for(done: Callable[[], bool]) -> None:
    for _ in range(100):
        if done():
            return
        time.sleep(0.1)
    raise TimeoutError


@pytest.mark.skipif("DVRE_TEST_DOCKER" not in os.environ, reason="DVRE_TEST_DOCKER is not set")
def test_containers_are_removed() -> None:
    host = {"DOCKER_HOST": os.environ["DVRE_TEST_DOCKER"]}
    image = os.environ.get("DVRE_TEST_DOCKER_IMAGE", "python:3.9-slim")

    def docker(*command: str) -> str:
        run = subprocess.run(
            ["docker", *command], env=os.environ | host, capture_output=True, text=True, check=True
        )
        return run.stdout.strip()

    labels = ["dvre.io/run=left", "dvre.io/run=other"]
    for label in labels:
        docker("run", "-d", "--rm", "--label", label, image, "sleep", "60")
    left = {"deployment": "docker", "dockerLabel": labels[0]}
    assert clean(left, environment=host) == (0, [])
    assert [docker("ps", "-aq", "--filter", f"label={label}") == "" for label in labels] == [
        True,
        False,
    ]
    assert clean({"deployment": "docker", "dockerLabel": labels[1]}, environment=host) == (0, [])

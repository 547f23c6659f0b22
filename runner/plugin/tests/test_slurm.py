import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Engine, Result
from hpc import Hpc, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"not installed: {missing()}")

JOB = "dvre-test"


@pytest.fixture(params=["directly", "ssh"])
def slurm(engine: Engine, hpc: Hpc, request: pytest.FixtureRequest) -> Engine:
    return configured(engine, hpc, over_ssh=request.param == "ssh")


@pytest.fixture
def over_ssh(engine: Engine, hpc: Hpc) -> Engine:
    return configured(engine, hpc, over_ssh=True)


def configured(engine: Engine, hpc: Hpc, over_ssh: bool) -> Engine:
    node = {
        "hostname": f"127.0.0.1:{hpc.ssh_port}",
        "username": hpc.call("id", "-un").strip(),
        "sshKey": str(hpc.folder / "id"),
    }
    front: dict[str, Any] = {
        "type": "ssh",
        "workdir": str(engine.folder / "scratch"),
        "config": {"connectTimeout": 5, "retries": 2, "retryDelay": 1, "nodes": [node]},
    }
    service = {"jobName": JOB, "mem": "40M"}
    slurm: dict[str, Any] = {
        "type": "slurm",
        "workdir": str(engine.folder / "scratch"),
        "config": {"maxConcurrentJobs": 8, "pollingInterval": 1, "services": {"small": service}},
    }
    if over_ssh:
        slurm["wraps"] = "front"
    engine.config["deployments"] = {"front": front, "hpc": slurm}
    engine.target = {"deployment": "hpc", "service": "small"}
    engine.environment = hpc.environment
    (engine.folder / ".ssh").mkdir()
    (engine.folder / ".ssh/known_hosts").write_text(hpc.known_hosts)
    return engine


def when_it_runs(hpc: Hpc, act: Callable[[], object]) -> threading.Thread:
    def wait() -> None:
        for _ in range(100):
            if hpc.call("squeue", "-h", "-n", JOB, "-t", "R").strip():
                act()
                return
            time.sleep(0.1)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def verdict(result: Result) -> tuple[str, str, int]:
    """The class, the words without the job's number, and the exit code."""
    assert result.code == 1
    command = result.of("command")[-1]
    assert result.of("error")[0]["message"] == command["message"]
    assert result.of("step")[0]["status"] == "FAILED"
    _, _, words = command["message"].partition(" of ")
    return command["kind"], words, command["exitCode"]


def test_a_job_gives_its_output(slurm: Engine) -> None:
    result = slurm.run("scatter.cwl", {"words": ["a b", "c"]})
    assert result.code == 0
    texts = [Path(file["path"]).read_text() for file in result.outputs["files"]]
    assert texts == ["a b\n", "c\n"]


def test_a_glob_sees_only_the_files_of_the_tool(slurm: Engine) -> None:
    result = slurm.run("warns.cwl", {"code": 0})
    assert [file["basename"] for file in result.outputs["all"]] == ["result.txt"]


def test_a_tool_that_fails_is_heard(slurm: Engine) -> None:
    result = slurm.run("talks.cwl", {"code": 3})
    command = result.of("command")[0]
    assert (command["exitCode"], command["stderr"]) == (3, "progress\ntrouble")
    assert "kind" not in command


def test_a_cancelled_job_is_a_failure(slurm: Engine, hpc: Hpc) -> None:
    thread = when_it_runs(hpc, lambda: hpc.call("scancel", "-n", JOB))
    result = slurm.run("sleeps.cwl", {})
    thread.join()
    assert verdict(result) == ("StepFailed", "step / was cancelled outside of this run", 143)


def test_too_much_memory_is_a_failure(over_ssh: Engine) -> None:
    command = ["python3", "-c", "import time; x = bytearray(300 << 20); time.sleep(20)"]
    over_ssh.tool("eats.cwl", command)
    result = over_ssh.run("eats.cwl", {})
    assert verdict(result) == ("OutOfMemory", "step / used more memory than it asked for", 137)


def test_a_refused_job_is_explained(over_ssh: Engine) -> None:
    over_ssh.config["deployments"]["hpc"]["config"]["services"]["small"]["partition"] = "nope"
    result = over_ssh.run("echo.cwl", {"message": "x"})
    error = result.of("error")[0]
    assert error["kind"] == "DeploymentFailed"
    assert "Slurm refused the job of step /: " in error["message"]
    assert "nope" in error["message"]


def test_a_silent_controller_is_waited_for(slurm: Engine, hpc: Hpc) -> None:
    slurm.tool("short.cwl", ["sleep", "4"])

    def bounce() -> None:
        hpc.stop("slurmctld")
        time.sleep(5)
        hpc.start_controller()

    thread = when_it_runs(hpc, bounce)
    result = slurm.run("short.cwl", {})
    thread.join()
    assert result.code == 0


def test_a_lost_login_host_is_waited_for(over_ssh: Engine, hpc: Hpc) -> None:
    over_ssh.tool("short.cwl", ["sleep", "3"])

    def bounce() -> None:
        hpc.stop("sshd")
        time.sleep(6)
        hpc.start_login_host()

    thread = when_it_runs(hpc, bounce)
    result = over_ssh.run("short.cwl", {})
    thread.join()
    assert result.code == 0
    assert "Slurm of hpc does not answer" in result.log


def test_a_terminated_run_cancels_its_jobs(slurm: Engine, hpc: Hpc) -> None:
    process = slurm.start("sleeps.cwl", {}, "")
    when_it_runs(hpc, process.terminate)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert hpc.jobs(JOB) == ""


@pytest.mark.parametrize(
    ("breakage", "words"),
    [
        ("key", "ssh-privatekey has to match"),
        ("known_hosts", "belongs under known_hosts in the Secret"),
        ("port", "Connection refused"),
        ("name", "the name no-such-host.invalid cannot be resolved"),
    ],
)
def test_a_login_that_fails_says_what_to_do(
    over_ssh: Engine, hpc: Hpc, breakage: str, words: str
) -> None:
    node = over_ssh.config["deployments"]["front"]["config"]["nodes"][0]
    if breakage == "key":
        node["sshKey"] = str(hpc.folder / "other")
    elif breakage == "known_hosts":
        shutil.rmtree(over_ssh.folder / ".ssh")
    else:
        node["hostname"] = {"port": "127.0.0.1:1", "name": "no-such-host.invalid"}[breakage]
    result = over_ssh.run("echo.cwl", {"message": "x"})
    assert result.code == 1
    error = result.of("error")[0]
    assert error["kind"] == "DeploymentFailed"
    assert error["message"].startswith("deployment front: ")
    assert words in error["message"]


def test_a_forgotten_job_is_no_success(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    hpc = Hpc.start(tmp_path_factory.mktemp("hpc"), min_job_age=2)
    try:
        slurm = configured(engine, hpc, over_ssh=False)
        slurm.config["deployments"]["hpc"]["config"]["pollingInterval"] = 40
        result = slurm.run("echo.cwl", {"message": "x"})
    finally:
        hpc.close()
    error = result.of("error")[0]
    assert error["kind"] == "DeploymentFailed"
    assert "nobody knows how Slurm job" in error["message"]


@pytest.fixture
def ssh(over_ssh: Engine) -> Engine:
    over_ssh.target = {"deployment": "front"}
    return over_ssh


def test_tools_run_on_the_host_itself(ssh: Engine) -> None:
    result = ssh.run("scatter.cwl", {"words": ["a b", "c"]})
    texts = [Path(file["path"]).read_text() for file in result.outputs["files"]]
    assert texts == ["a b\n", "c\n"]
    command = ssh.run("talks.cwl", {"code": 3}).of("command")[0]
    assert (command["exitCode"], command["stderr"]) == (3, "progress\ntrouble")


def test_the_time_limit_of_a_tool_is_no_lost_connection(ssh: Engine) -> None:
    ssh.tool("slow.cwl", ["sleep", "60"], {"ToolTimeLimit": {"timelimit": 1}})
    start = time.monotonic()
    error = ssh.run("slow.cwl", {}).of("error")[0]
    assert time.monotonic() - start < 15
    assert (error["kind"], error["step"]) == ("StepFailed", "/")
    assert error["message"] == "the time limit of the tool is over"


def test_a_connection_that_is_lost_is_named(ssh: Engine, hpc: Hpc) -> None:
    def stop(event: dict[str, Any]) -> bool:
        if event.get("status") == "RUNNING":
            threading.Timer(1, hpc.stop, ["sshd"]).start()
        return False

    try:
        error = ssh.run("sleeps.cwl", {}, stop).of("error")[0]
    finally:
        hpc.start_login_host()
    assert error["kind"] == "DeploymentFailed"
    assert "the connection to 127.0.0.1" in error["message"]
    assert "was lost" in error["message"]

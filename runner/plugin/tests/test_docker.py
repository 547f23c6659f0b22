"""With a real daemon: DVRE_TEST_DOCKER is its address, such as unix:///var/run/docker.sock."""

import os
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Engine, Result

HOST = os.environ.get("DVRE_TEST_DOCKER", "")
IMAGE = os.environ.get("DVRE_TEST_DOCKER_IMAGE", "python:3.9-slim")
LABEL = "dvre.io/test=plugin"

pytestmark = pytest.mark.skipif(not HOST, reason="DVRE_TEST_DOCKER is not set")


def docker(*command: str) -> str:
    run = subprocess.run(
        ["docker", *command], env=os.environ | {"DOCKER_HOST": HOST}, capture_output=True, text=True
    )
    return run.stdout.strip()


def containers() -> list[str]:
    return docker("ps", "-aq", "--filter", f"label={LABEL}").split()


@pytest.fixture
def container(engine: Engine) -> Callable[..., Engine]:
    def configured(image: str = IMAGE, **config: Any) -> Engine:
        config = {"image": image, "label": [LABEL], "command": ["sleep", "infinity"]} | config
        there = {"type": "docker", "workdir": "/tmp/streamflow", "config": config}
        engine.config["deployments"] = {"there": there}
        engine.target = {"deployment": "there"}
        engine.environment = {"DOCKER_HOST": HOST}
        return engine

    return configured


def soon_after(status: str, act: Callable[[], object]) -> Callable[[dict[str, Any]], bool]:
    def look(event: dict[str, Any]) -> bool:
        if event.get("status") == status:
            threading.Timer(1, act).start()
        return False

    return look


def error(result: Result) -> tuple[str, str]:
    assert result.code == 1
    first = result.of("error")[0]
    assert not containers()
    return first["kind"], first["message"]


def test_twenty_jobs_share_a_container(container: Callable[..., Engine]) -> None:
    result = container().run("scatter.cwl", {"words": [f"w{n}" for n in range(20)]})
    assert result.code == 0
    assert len(result.outputs["files"]) == 20
    assert not containers()


def test_a_tool_that_fails_is_heard(container: Callable[..., Engine]) -> None:
    command = container().run("talks.cwl", {"code": 3}).of("command")[0]
    assert (command["exitCode"], command["stderr"]) == (3, "progress\ntrouble")
    assert "kind" not in command


@pytest.mark.parametrize(
    ("image", "config", "kind", "words"),
    [
        ("localhost:1/no-such-image:1", {}, "ImagePullFailed", "image localhost:1/no-such-image"),
        ("Bad Image", {}, "ImagePullFailed", "invalid reference format"),
        (IMAGE, {"network": ["no-such"]}, "DeploymentFailed", "network no-such not found"),
        (IMAGE, {"command": ["true"]}, "DeploymentFailed", "ended at once"),
        (IMAGE, {"memory": 256 << 20}, "UnsupportedRequirement", "but deployment there has 256"),
    ],
)
def test_what_cannot_work_is_explained(
    container: Callable[..., Engine], image: str, config: dict[str, Any], kind: str, words: str
) -> None:
    engine = container(image, **config)
    engine.tool("big.cwl", ["true"], {"ResourceRequirement": {"ramMin": 8192}})
    found, message = error(engine.run("big.cwl", {}))
    assert found == kind
    assert words in message


def test_a_daemon_that_is_not_there_is_named(container: Callable[..., Engine]) -> None:
    engine = container()
    engine.environment = {"DOCKER_HOST": "tcp://127.0.0.1:1"}
    kind, message = error(engine.run("echo.cwl", {"message": "x"}))
    assert kind == "DeploymentFailed"
    assert "Cannot connect to the Docker daemon at tcp://127.0.0.1:1" in message


def test_too_much_memory_is_named(container: Callable[..., Engine]) -> None:
    engine = container(memory=64 << 20)
    engine.tool("eats.cwl", ["python3", "-c", "x = bytearray(300 << 20)"])
    command = engine.run("eats.cwl", {}).of("command")[0]
    assert (command["kind"], command["exitCode"]) == ("OutOfMemory", 137)


def test_a_container_that_vanishes_ends_its_job(container: Callable[..., Engine]) -> None:
    remove = soon_after("RUNNING", lambda: docker("rm", "-f", *containers()))
    kind, message = error(container().run("sleeps.cwl", {}, remove))
    assert (kind, message) == ("Evicted", "the container of step / ended before the step")


def test_a_terminated_run_removes_its_container(container: Callable[..., Engine]) -> None:
    def stop(event: dict[str, Any]) -> bool:
        time.sleep(1 if event.get("status") == "RUNNING" else 0)
        return event.get("status") == "RUNNING"

    assert container().run("sleeps.cwl", {}, stop).code == 130
    assert not containers()

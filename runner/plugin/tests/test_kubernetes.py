"""On a real cluster: DVRE_TEST_CLUSTER is the path of a kubeconfig."""

import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Engine, Result
from kubectl import Kubectl, Proxy

KUBECONFIG = os.environ.get("DVRE_TEST_CLUSTER", "")
IMAGE = os.environ.get("DVRE_TEST_IMAGE", "docker.io/library/python:3.9-slim")

pytestmark = pytest.mark.skipif(not KUBECONFIG, reason="DVRE_TEST_CLUSTER is not set")


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    kubectl = Kubectl(KUBECONFIG, f"plugin-{uuid.uuid4().hex[:8]}")
    kubectl("create", "namespace", kubectl.namespace)
    yield kubectl
    kubectl("delete", "namespace", "--wait=false", kubectl.namespace)


def pod(
    name: str, image: str = IMAGE, command: str = "sleep infinity", **fields: Any
) -> dict[str, Any]:
    container = {
        "name": "step",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command.split(),
        "volumeMounts": [{"name": "work", "mountPath": "/work"}],
        **fields,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"dvre.io/steps": "test"}},
        "spec": {
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "containers": [container],
            "volumes": [{"name": "work", "emptyDir": {}}],
        },
    }


HUGE = {"resources": {"requests": {"cpu": "1000"}}}


@pytest.fixture
def pods(engine: Engine, kubectl: Kubectl) -> Callable[..., Engine]:
    def configured(*manifests: dict[str, Any], timeout: int = 60) -> Engine:
        unique = uuid.uuid4().hex[:6]
        for manifest in manifests:
            manifest["metadata"]["name"] += f"-{unique}"
            manifest["metadata"]["labels"]["run"] = unique
        text = "\n---\n".join(json.dumps(manifest) for manifest in manifests)
        (engine.folder / "pods.yaml").write_text(text)
        config = {
            "files": ["pods.yaml"],
            "kubeconfig": KUBECONFIG,
            "namespace": kubectl.namespace,
            "timeout": timeout,
        }
        there = {"type": "kubernetes", "workdir": "/work", "config": config}
        engine.config["deployments"] = {"there": there}
        engine.target = {"deployment": "there", "service": "step"}
        return engine

    return configured


def once_running(act: Callable[[], object]) -> Callable[[dict[str, Any]], bool]:
    """Do something soon after the first job has begun to run."""
    begun: list[bool] = []

    def look(event: dict[str, Any]) -> bool:
        if event.get("status") == "RUNNING" and not begun:
            begun.append(True)
            threading.Timer(1.5, act).start()
        return False

    return look


def nothing_is_left(kubectl: Kubectl) -> bool:
    for _ in range(60):
        if not kubectl("get", "pods", "-o", "name"):
            return True
        time.sleep(0.5)
    return False


def error(result: Result) -> tuple[str, str]:
    assert result.code == 1
    first = result.of("error")[0]
    return first["kind"], first["message"]


def test_jobs_share_the_pods(pods: Callable[..., Engine], kubectl: Kubectl) -> None:
    engine = pods(pod("a"), pod("b"))
    result = engine.run("scatter.cwl", {"words": [f"w {n}" for n in range(5)]})
    assert result.code == 0
    texts = [Path(file["path"]).read_text() for file in result.outputs["files"]]
    assert texts == [f"w {n}\n" for n in range(5)]
    assert nothing_is_left(kubectl)


def test_files_go_from_step_to_step(pods: Callable[..., Engine]) -> None:
    engine = pods(pod("a"))
    (engine.folder / "data.txt").write_text("b\na\nb\n")
    result = engine.run("chain.cwl", {"data": {"class": "File", "path": "data.txt"}})
    assert Path(result.outputs["count"]["path"]).read_text().strip() == "2"


def test_a_tool_that_fails_is_heard(pods: Callable[..., Engine]) -> None:
    command = pods(pod("a")).run("talks.cwl", {"code": 3}).of("command")[0]
    assert (command["exitCode"], command["stderr"]) == (3, "progress\ntrouble")


@pytest.mark.parametrize(
    ("manifest", "kind", "words"),
    [
        (pod("a", "docker.io/library/no-such-image:1"), "ImagePullFailed", "not found"),
        (pod("a", "Bad Image!"), "ImagePullFailed", "invalid reference format"),
        (pod("a", **HUGE), "Unschedulable", "Insufficient cpu"),
        (pod("a", command="/no/such"), "DeploymentFailed", "no such file or directory"),
        (pod("a", command="sh -c exit"), "DeploymentFailed", "ended by itself with exit code 0"),
        (
            pod("a", resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
            *("DeploymentFailed", "must be less than or equal to cpu limit"),
        ),
    ],
)
def test_pods_that_do_not_start_are_explained(
    pods: Callable[..., Engine], kubectl: Kubectl, manifest: dict[str, Any], kind: str, words: str
) -> None:
    timeout = 5 if kind == "Unschedulable" else 60
    found, message = error(pods(manifest, timeout=timeout).run("echo.cwl", {"message": "x"}))
    assert found == kind
    assert message.startswith("deployment there: ")
    assert words in message
    assert nothing_is_left(kubectl)


def test_some_pods_are_better_than_none(pods: Callable[..., Engine]) -> None:
    engine = pods(pod("a"), pod("b", **HUGE), timeout=6)
    result = engine.run("scatter.cwl", {"words": ["a", "b"]})
    assert result.code == 0
    assert "does with 1 of 2 pods: no node takes pod b-" in result.log


def test_a_queue_that_lets_some_pods_go_may_wait_for_the_rest(
    pods: Callable[..., Engine], kubectl: Kubectl
) -> None:
    held = pod("b")
    held["spec"]["schedulingGates"] = [{"name": "example.org/queue"}]
    result = pods(pod("a"), held, timeout=6).run("scatter.cwl", {"words": ["a", "b"]})
    assert result.code == 0, result.log
    assert "does with 1 of 2 pods: a queue holds pod b-" in result.log
    assert nothing_is_left(kubectl)


def test_a_queue_may_hold_a_pod_longer_than_a_start_may_take(
    pods: Callable[..., Engine], kubectl: Kubectl
) -> None:
    manifest = pod("a")
    manifest["spec"]["schedulingGates"] = [{"name": "example.org/queue"}]
    removal = '[{"op": "remove", "path": "/spec/schedulingGates"}]'

    def let_go() -> None:
        kubectl("wait", "--for=create", "--timeout=50s", "pod", "-l", "dvre.io/steps=test")
        names = kubectl("get", "pod", "-l", "dvre.io/steps=test", "-o", "name")
        time.sleep(5)
        for name in names.split():
            kubectl("patch", name, "--type=json", f"--patch={removal}")

    queue = threading.Thread(target=let_go)
    queue.start()
    result = pods(manifest, timeout=4).run("echo.cwl", {"message": "x"})
    queue.join()
    assert result.code == 0, result.log
    assert "Deployment there waits: a queue holds pod a-" in result.log


def test_a_quota_is_named(pods: Callable[..., Engine], kubectl: Kubectl) -> None:
    kubectl("create", "quota", "one", "--hard=pods=1")
    try:
        time.sleep(1)
        kind, message = error(pods(pod("a"), pod("b")).run("echo.cwl", {"message": "x"}))
    finally:
        kubectl("delete", "quota", "one")
    assert kind == "QuotaExceeded"
    assert "exceeded quota: one" in message
    assert nothing_is_left(kubectl)


def test_too_much_memory_is_named(pods: Callable[..., Engine]) -> None:
    engine = pods(pod("a", resources={"limits": {"memory": "64Mi"}}))
    engine.tool("eats.cwl", ["python3", "-c", "x = bytearray(300 << 20)"])
    command = engine.run("eats.cwl", {}).of("command")[0]
    assert (command["kind"], command["exitCode"]) == ("OutOfMemory", 137)
    assert "used up its memory of 64Mi" in command["message"]


@pytest.mark.parametrize("options", [["--grace-period=1"], ["--force", "--grace-period=0"]])
def test_a_pod_that_vanishes_ends_its_job(
    pods: Callable[..., Engine], kubectl: Kubectl, options: list[str]
) -> None:
    engine = pods(pod("a"))
    delete = once_running(
        lambda: kubectl("delete", "pods", "-l", "dvre.io/steps=test", "--wait=false", *options)
    )
    start = time.monotonic()
    kind, message = error(engine.run("sleeps.cwl", {}, delete))
    assert (kind, message) == ("Evicted", "the pod of step / was deleted")
    assert time.monotonic() - start < 30


def test_work_that_was_lost_with_a_pod_is_done_again(
    pods: Callable[..., Engine], kubectl: Kubectl
) -> None:
    engine = pods(pod("a"), pod("b"))
    rollback = {"max_retries": 3, "retry_delay": 1}
    engine.config["failureManager"] = {"enabled": True, "type": "rollback", "config": rollback}
    echo = (engine.folder / "echo.cwl").read_text()
    slow = echo.replace("baseCommand: echo", "baseCommand: [sh, -c, 'sleep 2; echo $0']")
    (engine.folder / "echo.cwl").write_text(slow)

    def delete() -> None:
        first = kubectl("get", "pods", "-o", "name").split()[0]
        kubectl("delete", "--wait=false", "--grace-period=1", first)

    result = engine.run("scatter.cwl", {"words": list("abcd")}, once_running(delete))
    assert result.code == 0
    texts = [Path(file["path"]).read_text() for file in result.outputs["files"]]
    assert texts == ["a\n", "b\n", "c\n", "d\n"]
    assert result.of("step")[-1]["status"] == "COMPLETED"


def test_a_lost_connection_does_not_lose_the_tool(
    pods: Callable[..., Engine], kubectl: Kubectl
) -> None:
    engine = pods(pod("a"))
    proxy = Proxy(kubectl.server)
    config = engine.config["deployments"]["there"]["config"]
    config["kubeconfig"] = kubectl.through(proxy, engine.folder / "kubeconfig")
    engine.tool("slow.cwl", ["sh", "-c", "sleep 6; echo trouble; exit 5"])
    command = engine.run("slow.cwl", {}, once_running(proxy.cut)).of("command")[0]
    assert (command["exitCode"], command["stderr"]) == (5, "trouble")


@pytest.mark.parametrize("status", ["SCHEDULED", "RUNNING"])
def test_a_terminated_run_deletes_its_pods(
    pods: Callable[..., Engine], kubectl: Kubectl, status: str
) -> None:
    engine = pods(pod("a", **(HUGE if status == "SCHEDULED" else {})))

    def stop(event: dict[str, Any]) -> bool:
        if event.get("status") == status:
            time.sleep(1.5)
            return True
        return False

    assert engine.run("sleeps.cwl", {}, stop).code == 130
    assert nothing_is_left(kubectl)

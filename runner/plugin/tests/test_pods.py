from typing import Any

import pytest

from dvre_streamflow import pods
from dvre_streamflow.pods import Trouble

NOT_FOUND = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "x:1": failed to resolve '
    'reference "x:1": x:1: not found'
)


def pod(phase: str = "Pending", **fields: Any) -> pods.Pod:
    """A pod in the API server's words; `state` is that of its container."""
    state = fields.pop("state", None)
    limits = {"limits": {"memory": "64Mi"}}
    status: dict[str, Any] = {"phase": phase, **fields.pop("status", {})}
    if state is not None:
        status["containerStatuses"] = [
            {"name": "mesh", "image": "mesh", "state": {"running": {}}},
            {"name": "step", "image": "x:1", "state": state},
        ]
    return {
        "metadata": {"name": "w", **fields.pop("metadata", {})},
        "spec": {"containers": [{"name": "step", "resources": limits}, {"name": "mesh"}]},
        "status": status,
    }


def condition(kind: str, status: str, **fields: str) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": status, **fields}]}


def waiting(reason: str, message: str = "") -> pods.Pod:
    return pod(state={"waiting": {"reason": reason, "message": message}})


def ended(code: int, reason: str = "Error", message: str = "", **fields: Any) -> pods.Pod:
    end = {"exitCode": code, "reason": reason, "message": message}
    return pod("Failed", state={"terminated": end}, **fields)


@pytest.mark.parametrize(
    ("found", "kind", "words", "final"),
    [
        (waiting("ErrImagePull", NOT_FOUND), "ImagePullFailed", "x:1: not found", False),
        (
            waiting("ImagePullBackOff", f'Back-off pulling image "x:1": ErrImagePull: {NOT_FOUND}'),
            *("ImagePullFailed", "cannot be pulled: failed to pull and unpack", True),
        ),
        (
            waiting("ImagePullBackOff", 'Back-off pulling image "x:1"'),
            *("ImagePullFailed", "cannot be pulled: ImagePullBackOff", False),
        ),
        (
            waiting("ImagePullBackOff", 'Back-off pulling image "x:1": ErrImagePull: i/o timeout'),
            *("ImagePullFailed", "image x:1 cannot be pulled: i/o timeout", False),
        ),
        (waiting("InvalidImageName", "bad name"), "ImagePullFailed", "bad name", True),
        (waiting("ErrImageNeverPull", "not present"), "ImagePullFailed", "not present", True),
        (
            waiting("CreateContainerConfigError", 'secret "s" not found'),
            *("DeploymentFailed", 'the container of pod w cannot start: secret "s" not found'),
            False,
        ),
        (waiting("RunContainerError"), "DeploymentFailed", "RunContainerError", False),
    ],
)
def test_a_pod_that_does_not_start_says_why(
    found: pods.Pod, kind: str, words: str, final: bool
) -> None:
    trouble = pods.trouble(found)
    assert trouble is not None
    assert (trouble.kind, trouble.final) == (kind, final)
    assert words in trouble.words


@pytest.mark.parametrize(
    "found", [pod(), waiting("ContainerCreating"), waiting("PodInitializing"), pod("Running")]
)
def test_a_pod_that_takes_its_time_is_in_no_trouble(found: pods.Pod) -> None:
    assert pods.trouble(found) is None
    assert pods.gone(found) is None


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (ended(137, "OOMKilled"), Trouble("OutOfMemory", "used up its memory of 64Mi")),
        (
            pod("Failed", status={"reason": "Evicted", "message": "low on resource: memory."}),
            Trouble("Evicted", "was evicted: low on resource: memory."),
        ),
        (
            ended(137, status=condition("DisruptionTarget", "True", message="taint manager")),
            Trouble("Evicted", "had to leave its node: taint manager"),
        ),
        (ended(143, metadata={"deletionTimestamp": "now"}), pods.DELETED),
        (
            ended(128, "StartError", 'exec: "sleep":\n not found'),
            Trouble(
                "DeploymentFailed", 'ended by itself with exit code 128: exec: "sleep": not found'
            ),
        ),
        (
            pod("Running", state={"terminated": {"exitCode": 0, "reason": "Completed"}}),
            Trouble("DeploymentFailed", "ended by itself with exit code 0"),
        ),
        (
            pod("Failed", status={"reason": "NodeShutdown", "message": "in progress"}),
            Trouble("Evicted", "was ended: NodeShutdown in progress"),
        ),
    ],
)
def test_a_pod_that_is_no_more_says_why(found: pods.Pod, expected: Trouble) -> None:
    assert pods.gone(found) == expected
    assert not pods.ready(found)


def test_only_a_ready_pod_that_stays_is_ready() -> None:
    status = condition("Ready", "True")
    assert pods.ready(pod("Running", status=status))
    assert not pods.ready(pod("Running", status=condition("Ready", "False")))
    leaving = pod("Running", status=status, metadata={"deletionTimestamp": "now"})
    assert not pods.ready(leaving)
    assert pods.gone(leaving) is None


def test_the_scheduler_is_quoted() -> None:
    status = condition("PodScheduled", "False", reason="Unschedulable", message="0/1 nodes")
    assert pods.unschedulable(pod(status=status)) == "0/1 nodes"
    assert pods.starting(pod(status=status)) == "0/1 nodes"
    assert pods.unschedulable(pod()) is None


def test_a_pod_in_a_queue_is_told_from_one_without_a_node() -> None:
    gated = pod(status=condition("PodScheduled", "False", reason="SchedulingGated"))
    assert pods.gated(gated)
    assert pods.unschedulable(gated) is None
    assert not pods.gated(pod())


def test_what_takes_time_is_named() -> None:
    assert pods.starting(waiting("ContainerCreating")) == "ContainerCreating"
    assert pods.starting(pod()) == "Pending"


def test_only_labels_of_all_pods_select_them() -> None:
    first = pod(metadata={"labels": {"run": "r", "step": "a"}})
    second = pod(metadata={"labels": {"run": "r", "step": "b"}})
    assert pods.common_labels([first, second]) == {"run": "r"}
    assert pods.common_labels([first, pod()]) == {}

"""What the state of a pod means to a run; nothing here asks the API server.

A pod is what the API server sends, as a dictionary.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Pod = dict[str, Any]

_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
_IMAGE += ("ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed")
_CONTAINER = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")

# Waiting would not help.
_FINAL = ("InvalidImageName", "ErrImageNeverPull")
_DEFINITE = re.compile(
    r"not found|manifest unknown|access denied|authorization|unauthorized|invalid reference"
    r"|no match for platform",
    re.I,
)

# How long an image or a container may be in trouble before the deployment fails.
PATIENCE = 20.0

# Before the words that say why an image cannot be pulled.
_NOISE = re.compile(
    r'^(Back-off pulling image "[^"]*":? *|ErrImagePull: *|rpc error: code = \w+ desc = *)+'
)


@dataclass(frozen=True)
class Trouble:
    """Why a pod does not start, or why it is no more."""

    kind: str
    words: str
    final: bool = False


DELETED = Trouble("Evicted", "was deleted")


def name(pod: Pod) -> str:
    """Return the pod's name."""
    return pod["metadata"]["name"]


def container(pod: Pod) -> str:
    """Return the name of the container that runs the steps."""
    return pod["spec"]["containers"][0]["name"]


def image(pod: Pod, container: str) -> tuple[str, str | None] | None:
    """Return the image that a container was to run, and its digest as the runtime knows it."""
    wanted = {one["name"]: one["image"] for one in pod["spec"]["containers"]}
    if container not in wanted:
        return None
    states = pod.get("status", {}).get("containerStatuses") or []
    ids = {state["name"]: state.get("imageID") or None for state in states}
    return wanted[container], ids.get(container)


def common_labels(pods: Iterable[Pod]) -> dict[str, str]:
    """Return the labels that all pods have."""
    labels = [dict(pod["metadata"].get("labels") or {}) for pod in pods]
    first = labels[0] if labels else {}
    return {k: v for k, v in first.items() if all(other.get(k) == v for other in labels)}


def ready(pod: Pod) -> bool:
    """Return whether commands can run in it."""
    return (
        "deletionTimestamp" not in pod["metadata"]
        and gone(pod) is None
        and _condition(pod, "Ready").get("status") == "True"
    )


def unschedulable(pod: Pod) -> str | None:
    """Return the scheduler's words when no node takes the pod."""
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        return scheduled.get("message") or "no node takes it"
    return None


def gated(pod: Pod) -> bool:
    """Return whether somebody, such as a queue, holds the pod back from the scheduler."""
    return _condition(pod, "PodScheduled").get("reason") == "SchedulingGated"


def held_back(pod: Pod) -> str | None:
    """Say why a pod has no node yet, if that is more than a matter of time."""
    if gated(pod):
        return f"a queue holds pod {name(pod)}"
    if words := unschedulable(pod):
        return f"no node takes pod {name(pod)}: {words}"
    return None


def _condition(pod: Pod, kind: str) -> dict[str, Any]:
    conditions = pod.get("status", {}).get("conditions") or []
    return next((c for c in conditions if c.get("type") == kind), {})


def _statuses(pod: Pod) -> list[dict[str, Any]]:
    status = pod.get("status", {})
    return (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or [])


def trouble(pod: Pod) -> Trouble | None:
    """Return why a pod does not get ready, if it is more than a matter of time."""
    for status in _statuses(pod):
        waiting = status.get("state", {}).get("waiting") or {}
        reason, message = waiting.get("reason", ""), waiting.get("message") or ""
        if reason in _IMAGE:
            words = _NOISE.sub("", message) or reason
            final = reason in _FINAL or (
                reason == "ImagePullBackOff" and _DEFINITE.search(words) is not None
            )
            image = status.get("image") or "of the pod"
            return Trouble("ImagePullFailed", f"image {image} cannot be pulled: {words}", final)
        if reason in _CONTAINER:
            words = f"the container of pod {name(pod)} cannot start: {message or reason}"
            return Trouble("DeploymentFailed", words)
    return None


def gone(pod: Pod) -> Trouble | None:
    """Return why nothing can run in a pod any more; the words begin with a verb."""
    status = pod.get("status", {})
    end = _end(pod)
    if end is None and status.get("phase") not in ("Failed", "Succeeded"):
        return None
    reason, message = status.get("reason") or "", status.get("message") or ""
    disruption = _condition(pod, "DisruptionTarget")
    if end is not None and end.get("reason") == "OOMKilled":
        return Trouble("OutOfMemory", f"used up its memory{memory_limit(pod)}")
    if reason == "Evicted":
        return Trouble("Evicted", f"was evicted: {message}".rstrip(": "))
    if disruption.get("status") == "True":
        words = disruption.get("message") or disruption.get("reason") or ""
        return Trouble("Evicted", f"had to leave its node: {words}".rstrip(": "))
    if "deletionTimestamp" in pod["metadata"]:
        return DELETED
    if reason or end is None:
        return Trouble("Evicted", f"was ended: {reason} {message}".rstrip(": "))
    words = f"ended by itself with exit code {end.get('exitCode')}"
    message = " ".join((end.get("message") or "").split())
    return Trouble("DeploymentFailed", f"{words}: {message}" if message else words)


def _end(pod: Pod) -> dict[str, Any] | None:
    """Return how the container that runs the steps ended."""
    for status in pod.get("status", {}).get("containerStatuses") or []:
        if status.get("name") == container(pod):
            return status.get("state", {}).get("terminated")
    return None


def memory_limit(pod: Pod) -> str:
    """Spell the limit, ready to follow a word, or nothing without one."""
    limits = pod["spec"]["containers"][0].get("resources", {}).get("limits") or {}
    return f" of {limits['memory']}" if "memory" in limits else ""


def starting(pod: Pod) -> str:
    """Say what a pod that is not ready is doing."""
    if words := unschedulable(pod):
        return words
    for status in _statuses(pod):
        waiting = status.get("state", {}).get("waiting") or {}
        if waiting.get("reason") not in (None, "PodInitializing"):
            return f"{waiting['reason']} {waiting.get('message') or ''}".strip()
    return _condition(pod, "Ready").get("message") or pod.get("status", {}).get("phase") or "new"

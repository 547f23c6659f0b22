import pytest

from dvre_streamflow import containers

# As Docker 20.10 to 28 and apptainer 1.4 print it.
DOCKER_DENIED = (
    "Error response from daemon: pull access denied for nope, repository does not exist or may "
    "require 'docker login': denied: requested access to the resource is denied"
)
APPTAINER_UNKNOWN = (
    "FATAL:   Unable to handle docker://h:5000/python:nope uri: failed to get checksum for "
    "docker://h:5000/python:nope: reading manifest nope in h:5000/python: manifest unknown: "
    "Unknown manifest"
)
APPTAINER_CAPABILITIES = (
    "INFO:    Using cached SIF image\n"
    "INFO:    Fetching OCI image\n"
    "\x1b[91mERROR  : Requesting capability set 0x1ff while permitted capability set is 0x1fe\n"
    "\x1b[0mERROR:   container cleanup failed: no instance found with name xx\n\n"
    "FATAL:   while executing starter: failed to start instance: exit status 1"
)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (DOCKER_DENIED, "ImagePullFailed", "image x:1 cannot be pulled: pull access denied"),
        (
            "Error response from daemon: manifest for x:1 not found: manifest unknown",
            *("ImagePullFailed", "image x:1 cannot be pulled: manifest for x:1 not found"),
        ),
        (
            'Error response from daemon: Get "https://h/v2/": dial tcp 10.0.0.1:443: connect: '
            "connection refused",
            *("ImagePullFailed", "connection refused"),
        ),
        (
            "Cannot connect to the Docker daemon at tcp://h:1. Is the docker daemon running?",
            *("DeploymentFailed", "Cannot connect to the Docker daemon at tcp://h:1"),
        ),
        (
            "error during connect: Get https://h: x509: certificate signed by unknown authority",
            *("DeploymentFailed", "unknown authority"),
        ),
    ],
)
def test_an_image_that_does_not_come_says_why(text: str, kind: str, words: str) -> None:
    found, message = containers.pull("x:1", text)
    assert found == kind
    assert words in message


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (
            f"FAILED Deployment of s environment:[255] {APPTAINER_UNKNOWN}",
            *("ImagePullFailed", "image x:1 cannot be used: reading manifest nope in h:5000"),
        ),
        (
            "FATAL:   While checking container encryption: could not open image /no/such.sif: no "
            "such file or directory",
            *("ImagePullFailed", "could not open image /no/such.sif"),
        ),
        (
            f"FAILED Deployment of s environment:[255] {APPTAINER_CAPABILITIES}",
            "DeploymentFailed",
            "Requesting capability set 0x1ff while permitted capability set is 0x1fe",
        ),
        (
            f"FAILED Deployment of d environment [125]:\n\t{'a' * 64}\ndocker: Error response "
            "from daemon: network nope not found.\n\nRun 'docker run --help' for more information",
            *("DeploymentFailed", "network nope not found."),
        ),
        (
            'Error: [126] OCI runtime exec failed: exec: "sh": executable file not found in $PATH',
            *("DeploymentFailed", "image x:1 has no shell to run commands with"),
        ),
        (
            "Error retrieving volumes: [1] Error response from daemon: No such container: abc",
            *("DeploymentFailed", "the container of image x:1 ended at once"),
        ),
    ],
)
def test_a_container_that_does_not_start_says_why(text: str, kind: str, words: str) -> None:
    found, message = containers.start("x:1", text)
    assert found == kind
    assert message.startswith(words) or words in message
    assert "environment" not in message

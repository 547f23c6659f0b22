"""What Docker and apptainer say when a container does not start; nothing here asks them."""

import re

# Docker's client cannot reach the daemon.
_NO_DAEMON = re.compile(r"Cannot connect to the Docker daemon|error during connect")
_NO_IMAGE = re.compile(
    r"pull access denied|manifest (for .* )?(not found|unknown)|repository .* not found"
    r"|name unknown|no matching manifest|invalid reference format|unauthorized|toomanyrequests"
    r"|No such image|Unable to handle \S+ uri|making image from|could not open image",
    re.I,
)
_NO_SHELL = re.compile(r'"?sh"?: executable file not found', re.I)
_ENDED = re.compile(r"No such container|is not running", re.I)

# What an error of StreamFlow puts before the words of the program, and what is only noise.
_BEFORE = re.compile(r"^.*?environment ?:?\s*\[\d+\]:?\s*", re.S)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NOISE = re.compile(
    r"^\s*(Unable to find image .* locally|Run 'docker .* --help' for more information"
    r"|See 'docker .*'\.?|[0-9a-f]{64}|(INFO|WARNING): .*)\s*$",
    re.M,
)
_PREFIX = re.compile(r"^\s*(docker: |Error response from daemon: )+", re.M)
# Apptainer marks what matters; the last line often only says that something did not work.
_MARKED = re.compile(r"^(?:ERROR|FATAL) *: *(.*)$", re.M)
_EMPTY = re.compile(r"^(while executing starter|container cleanup failed): ")
_APPTAINER = re.compile(r"^Unable to handle \S+ uri: (failed to get checksum for \S+: )?")


def words(text: str) -> str:
    """Return what a program said, without decoration."""
    text = _COLOUR.sub("", _BEFORE.sub("", text, count=1))
    if marked := _MARKED.findall(text):
        useful = [line for line in marked if not _EMPTY.match(line)] or marked
        return "; ".join(_APPTAINER.sub("", " ".join(line.split())) for line in useful)
    return " ".join(_PREFIX.sub("", _NOISE.sub("", text)).split())


def pull(image: str, text: str) -> tuple[str, str]:
    """Return class and words of an image that was asked for and did not come."""
    if _NO_DAEMON.search(text):
        return "DeploymentFailed", words(text)
    return "ImagePullFailed", f"image {image} cannot be pulled: {words(text)}"


def start(image: str, text: str) -> tuple[str, str]:
    """Return class and words of a container that could not be started or used."""
    if _NO_SHELL.search(text):
        return "DeploymentFailed", f"image {image} has no shell to run commands with"
    if _ENDED.search(text):
        return "DeploymentFailed", f"the container of image {image} ended at once"
    if _NO_IMAGE.search(text):
        return "ImagePullFailed", f"image {image} cannot be used: {words(text)}"
    return "DeploymentFailed", words(text)

"""Whether a container killed a process because its memory was used up."""

import re

# Print the counters of version 2 and 1; a container has one of them, or none.
COMMAND = (
    "cat /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control 2>/dev/null; true"
)


def kills(text: str) -> int:
    """Return how many processes were killed, from what `COMMAND` prints."""
    return sum(int(number) for number in re.findall(r"^oom_kill (\d+)$", text, re.M))

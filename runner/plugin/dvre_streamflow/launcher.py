"""Starts StreamFlow faster, and stops it cleanly.

Everything else that the plugin does also works under the plain `streamflow` command.
"""

import os
import signal
import sys
from types import FrameType

from dvre_streamflow import lazy

INTERRUPTED = 130


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Turn SIGTERM into SIGINT: StreamFlow cleans up after the second only."""
    os.kill(os.getpid(), signal.SIGINT)


def run() -> int:
    """Run `streamflow` with the arguments of this process and return its exit code."""
    # A process that a shell started in the background ignores SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    lazy.install()
    try:
        from streamflow.main import main

        return main(sys.argv[1:])
    except KeyboardInterrupt:
        return INTERRUPTED

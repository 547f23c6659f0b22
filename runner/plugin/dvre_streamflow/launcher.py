"""Starts StreamFlow faster, and stops it cleanly.

Everything else that the plugin does also works under the plain `streamflow` command.
"""

import logging
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from dvre_streamflow import events, lazy

INTERRUPTED = 130


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Turn SIGTERM into SIGINT: StreamFlow cleans up after the second only."""
    os.kill(os.getpid(), signal.SIGINT)


def _leave(code: int) -> NoReturn:
    """Exit at once: taking the interpreter down in order costs 0.4 s and nothing is left to do."""
    logging.shutdown()
    events.flush()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run() -> NoReturn:
    """Run `streamflow` with the arguments of this process and exit with its code."""
    # A process that a shell started in the background ignores SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    lazy.install()
    try:
        from streamflow.main import main

        code = main(sys.argv[1:])
    except KeyboardInterrupt:
        code = INTERRUPTED
    _leave(code)

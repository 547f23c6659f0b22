"""Starts StreamFlow faster, stops it cleanly, and says when it is not there.

Everything else that the plugin does also works under the plain `streamflow` command.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from dvre_streamflow import events, lazy

INTERRUPTED = 130
# A reader of the exit code and of the line on stderr can take another engine.
UNAVAILABLE = 78
_SUPPORTED = "0.2."


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


def _main() -> Callable[[list[str]], int]:
    """Load StreamFlow and the plugin, or exit."""
    try:
        from streamflow.main import VERSION, main

        if not VERSION.startswith(_SUPPORTED):
            raise ImportError(f"its version is {VERSION}, and not of the line {_SUPPORTED}x")
        import dvre_streamflow.plugin  # noqa: F401

        return main
    except Exception as error:
        why = " ".join(str(error).split()) or type(error).__name__
        print(f"dvre-streamflow: StreamFlow is not available: {why}", file=sys.stderr)
        _leave(UNAVAILABLE)


def run() -> NoReturn:
    """Run `streamflow` with the arguments of this process and exit with its code."""
    # A process that a shell started in the background ignores SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    lazy.install()
    try:
        code = _main()(sys.argv[1:])
    except KeyboardInterrupt:
        code = INTERRUPTED
    _leave(code)

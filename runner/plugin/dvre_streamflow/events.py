"""Sends events to dvre-runner: one JSON object a line over a unix socket.

A run never waits for the reader and never fails because of it: a thread does the writing,
and without a socket, or after its first error, events go nowhere.
"""

import atexit
import json
import os
import queue
import socket
import threading
import time

SOCKET_VARIABLE = "DVRE_EVENTS"

# A reader that hangs must not fill the memory of the run, nor hold its end for long.
_QUEUE_LIMIT = 100_000
_SEND_TIMEOUT = 10.0
_FLUSH_TIMEOUT = 5.0


_open: list["Events"] = []


class Events:
    """The queue of events on their way out."""

    def __init__(self, path: str | None) -> None:
        """Connect to the socket at `path`; `None` throws every event away."""
        self._queue: queue.Queue[bytes | None] | None = None
        if not path:
            return
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_SEND_TIMEOUT)
        try:
            connection.connect(path)
        except OSError:
            connection.close()
            return
        self._queue = queue.Queue(_QUEUE_LIMIT)
        self._thread = threading.Thread(
            target=self._write, args=(connection, self._queue), name="dvre-events", daemon=True
        )
        self._thread.start()
        atexit.register(self.close)
        _open.append(self)

    def emit(self, event: str, **fields: object) -> None:
        """Queue one event, stamped with the time."""
        if self._queue is None:
            return
        record = {"event": event, **fields, "time": time.time()}
        try:
            self._queue.put_nowait(json.dumps(record).encode() + b"\n")
        except queue.Full:
            self._queue = None

    def close(self) -> None:
        """Wait a little for what is still queued."""
        if self._queue is not None:
            pending, self._queue = self._queue, None
            pending.put(None)
            self._thread.join(_FLUSH_TIMEOUT)

    @staticmethod
    def _write(connection: socket.socket, pending: "queue.Queue[bytes | None]") -> None:
        with connection:
            while (line := pending.get()) is not None:
                try:
                    connection.sendall(line)
                except OSError:
                    return


def flush() -> None:
    """Send what is still queued; for an exit that runs no handlers."""
    for events in _open:
        events.close()


def from_environment() -> Events:
    """Connect to the socket that the environment names, and hide its name from the tools."""
    return Events(os.environ.pop(SOCKET_VARIABLE, None))

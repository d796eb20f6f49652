"""The server of the dashboard: one process on loopback, of low priority, until it is interrupted."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn

from data.errors import InputError
from search.dashboard.app import application

HOST = "127.0.0.1"
PORT = 8321
"""The port where none is asked for, or the first free one after it."""
_TRIED = 50
_NICENESS = 10
"""Lower priority than that of a sweep on the same machine."""


@contextmanager
def listening(port: int | None) -> Iterator[socket.socket]:
    """Open a socket on loopback: on this port, or, without one, on `PORT` or the next that is free; 0 takes any.

    Raises ``InputError`` where the port is taken or not allowed.
    """
    ports = range(PORT, PORT + _TRIED) if port is None else [port]
    for place, tried in enumerate(ports):
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a killed server's port is free at once
        try:
            found.bind((HOST, tried))
            found.listen()
        except OSError as error:
            found.close()
            if error.errno != errno.EADDRINUSE or place == len(ports) - 1:
                raise InputError(
                    f"port {tried} of {HOST} cannot be opened: {error.strerror}; give another with --port, or 0 for any"
                ) from error
        else:
            with found:
                yield found
            return


def address(opened: socket.socket) -> tuple[str, int]:
    """Return the URL of a server on this socket, and its port."""
    port = opened.getsockname()[1]
    return f"http://{HOST}:{port}", port


def serve(folder: Path, opened: socket.socket) -> None:
    """Serve the studies of a folder until Ctrl-C."""
    with suppress(OSError):
        os.nice(_NICENESS)
    config = uvicorn.Config(
        application(folder, address(opened)[1]),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody may say for others who they are
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    with suppress(KeyboardInterrupt):  # uvicorn sends the signal on once it has ended
        uvicorn.Server(config).run(sockets=[opened])

"""Serving the dashboard: on loopback, or elsewhere behind a token."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from latebloom.dashboard.access import Access, is_loopback
from latebloom.dashboard.app import make_app
from latebloom.errors import LatebloomError

DEFAULT = Path("runs")
"""The folder that `latebloom run` makes: until then, the example is served alone."""


def serve(
    root: Path, host: str, port: int, token: str | None, allow_run: bool, tell: Callable[[str], None] = print
) -> None:
    """Serves a runs folder until it is interrupted.

    Args:
        root: the runs folder.
        host: the name or address to listen on; other than loopback ones ask for a token.
        port: 0 takes a free one.
        token: which every request must bring; None makes one where it is needed.
        allow_run: whether runs may be started from the pages.
        tell: is given the address to open.

    Raises:
        LatebloomError: the folder is not there, or the address cannot be listened on.
    """
    if not root.is_dir() and root != DEFAULT:
        raise LatebloomError(f"there is no folder {root}: `latebloom run` makes one, or name yours")
    if token is None and not is_loopback(host):
        token = secrets.token_urlsafe(24)
    access = Access(host, token)
    listener = _listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listener.getsockname()[1]}/"
    tell(address + (f"?token={token}" if token else ""))
    app = make_app(root.resolve(), access, allow_run)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=2
    )
    try:
        uvicorn.Server(config).run([listener])
    finally:
        app.state.jobs.close()
        listener.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(128)
        return listener
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise LatebloomError(
            f"{host}:{port} cannot be listened on ({why}): another port with --port, 0 for a free one"
        ) from error

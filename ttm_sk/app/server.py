"""The page on a port of the loopback interface."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

from ttm_sk.app.guard import App
from ttm_sk.errors import ConfigError, MissingExtraError

try:
    import uvicorn
except ImportError as error:
    raise MissingExtraError("app", package="uvicorn") from error

__all__ = ["HOST", "serve"]

HOST = "127.0.0.1"


def serve(app: App, *, port: int, announce: Callable[[str], None]) -> None:
    """Serve until interrupted; ``announce`` gets the address once it is taken. Port 0 is any free one.

    Raises
    ------
    ConfigError
        If the port is taken or not ours to take.
    """
    with _listening(port) as taken:
        announce(f"http://{HOST}:{taken.getsockname()[1]}/")
        settings = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, lifespan="off")
        uvicorn.Server(settings).run(sockets=[taken])


def _listening(port: int) -> socket.socket:
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((HOST, port))
        taken.listen()
    except OSError as error:
        taken.close()
        why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise ConfigError(f"port {port} {why}; give another one, for example --port {port % 60_000 + 1_024}") from error
    return taken

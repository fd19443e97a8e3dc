"""A port that is free, and the server that listens on it until Ctrl-C."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import re
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

from mlphys.errors import UserError
from mlphys.server.app import application

NEXT = 20  # ports that are tried after one that is in use
LARGEST_PORT = 65535
ADDRESS = re.compile(r"[A-Za-z0-9._:%-]{1,253}")  # numbers or a name
BACKLOG = 128  # connections that wait


def serve(root: Path, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve the pages of a folder until Ctrl-C. Raises UserError for a folder that is none, or without the packages."""
    try:
        import uvicorn
    except ImportError:
        raise UserError("serve needs starlette and uvicorn; install them with pip install 'mlphys[serve]'") from None

    if not os.path.isdir(root):
        raise UserError(f"{root}: no such folder; `mlphys train CONFIG` makes runs/")
    bound = _bound(host, port)
    with bound:
        bound.listen(BACKLOG)
        actual_port = bound.getsockname()[1]
        if port and actual_port != port:
            say(f"port {port} is in use: {actual_port} is taken instead")
        token = None if _is_loopback(host) else secrets.token_urlsafe(16)
        names = _names(host, bound)
        say(
            f"{root}: http://{_in_address(names[0])}:{actual_port}/{f'?token={token}' if token else ''}"
            "   (Ctrl-C ends it)"
        )
        hosts = [f"{_in_address(name)}:{actual_port}" for name in names]
        if actual_port == 80:
            hosts += map(_in_address, names)
        server: uvicorn.Server | None = None
        app = application(root, hosts, token, lambda: server is None or server.should_exit)
        settings = uvicorn.Config(
            app, http="h11", ws="none", lifespan="off", log_level="error", access_log=False, server_header=False,
            proxy_headers=False, limit_concurrency=100, h11_max_incomplete_event_size=16_384, backlog=BACKLOG,
            timeout_keep_alive=5, timeout_graceful_shutdown=1,
        )  # fmt: skip
        server = uvicorn.Server(settings)
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[bound])


def _bound(host: str, port: int) -> socket.socket:
    """A socket on the first port from `port` on that is free."""
    try:
        if not ADDRESS.fullmatch(host):
            raise socket.gaierror
        family, _, _, _, _ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (socket.gaierror, UnicodeError):  # the latter for a part of more than 63 characters
        raise UserError(
            f"--host {host}: no address of this machine; 127.0.0.1 is reached from this machine only"
        ) from None
    for tried in range(port, min(port + NEXT, LARGEST_PORT) + 1):
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, tried))
        except OSError as error:
            bound.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise UserError(f"--host {host}: {error.strerror}; name an address of this machine") from None
            continue
        return bound
    raise UserError(f"--port {port}: it and the next {NEXT} are in use; name another one")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _names(host: str, bound: socket.socket) -> list[str]:
    """The names by which a browser may call this server, the one that is printed first."""
    if _is_loopback(host):
        return list(dict.fromkeys([host, "127.0.0.1", "localhost", "::1"]))
    own = bound.getsockname()[0]
    anywhere = ipaddress.ip_address(own).is_unspecified
    return list(dict.fromkeys([socket.gethostname() if anywhere else host, own, "127.0.0.1", "localhost"]))


def _in_address(name: str) -> str:
    return f"[{name}]" if ":" in name else name

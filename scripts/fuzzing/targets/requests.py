"""Requests to `mlphys serve`: a line with method and address, then headers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from scripts.fuzzing.asgi import answer
from scripts.fuzzing.contract import Broken, Open, Target

HOST, TOKEN = "127.0.0.1:8765", "secret"
SEEDS = (
    b"GET /\nhost: 127.0.0.1:8765\ncookie: mlphys=secret\n",
    b"GET /?token=secret\nhost: 127.0.0.1:8765\n",
    b"GET /run/0123456789abcdef\nhost: 127.0.0.1:8765\ncookie: mlphys=secret\nsec-fetch-site: cross-site\n",
    b"HEAD /compare?run=0123456789abcdef&run=0123456789abcdee\nhost: 127.0.0.1:8765\ncookie: mlphys=secret\n",
    b"GET /events/0123456789abcdef\nhost: 127.0.0.1:8765\ncookie: a=b; mlphys=secret\norigin: http://127.0.0.1:8765\n",
    b"POST /\nhost: evil.example\ncontent-length: 5\ntransfer-encoding: chunked\n",
    b"GET /run/..%2f..%2fetc\nhost: 127.0.0.1:8765\ncookie: mlphys=secret\nrange: bytes=0-5\naccept: */*\n",
)
EXPECTED = {200, 303, 307, 401, 403, 404, 405, 413, 414, 421, 422, 503}
PROTECTED = ("x-content-type-options", "x-frame-options", "referrer-policy", "cache-control")


def _begin(folder: Path) -> Open:
    from mlphys.server import app

    Path("runs").mkdir()
    application = app.application(Path("runs"), [HOST], TOKEN, lambda: True)

    def opened(content: bytes) -> object:
        scope = _scope(content)
        status, headers, body = asyncio.run(answer(application, scope))
        if status not in EXPECTED or any(name not in headers for name in PROTECTED):
            raise Broken(f"the answer {status} with {sorted(headers)}")
        if status == 200 and ("mlphys", TOKEN) not in _cookies(scope):
            raise Broken("a page without the token")
        if b"\r" in b"".join(headers.values()) or b"\n" in b"".join(headers.values()) or b"Traceback" in body:
            raise Broken("a header of two lines, or a traceback")
        return status

    return opened


def _scope(content: bytes) -> dict[str, Any]:
    """As uvicorn gives it: the path unquoted, names of headers in lower case."""
    first, *lines = content.split(b"\n")
    method, _, address = first.partition(b" ")
    raw_path, _, query = address.partition(b"?")
    pairs = [line.partition(b":") for line in lines if line]
    return {
        "type": "http", "method": method.decode("latin-1"), "path": unquote(raw_path.decode("latin-1")),
        "raw_path": raw_path, "query_string": query, "scheme": "http", "http_version": "1.1", "root_path": "",
        "headers": [(name.strip().lower(), value.strip()) for name, _, value in pairs], "server": None, "client": None,
    }  # fmt: skip


def _cookies(scope: dict[str, Any]) -> list[tuple[str, str]]:
    given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
    pairs = [pair.strip().partition("=") for each in given for pair in each.split(";")]
    return [(name, value) for name, _, value in pairs]


TARGETS = (Target("request", lambda: list(SEEDS), _begin, longest=8192),)

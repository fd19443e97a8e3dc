"""Ask an ASGI application in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from scripts.fuzzing import asgi


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str


class Client:
    """Requests with this Host header unless they say another; cookies are kept."""

    def __init__(self, application: Any, host: str):
        self._application, self._host, self._cookie = application, host, ""

    def get(self, address: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Answer:
        given = {"host": self._host, "cookie": self._cookie} | {k.lower(): v for k, v in (headers or {}).items()}
        path, _, query = address.partition("?")
        scope = {
            "type": "http", "method": method, "path": unquote(path), "raw_path": path.encode(),
            "query_string": query.encode(), "headers": [(k.encode(), v.encode()) for k, v in given.items() if v],
            "scheme": "http", "http_version": "1.1", "root_path": "", "server": None, "client": None,
        }  # fmt: skip
        status, received, body = asyncio.run(asgi.answer(self._application, scope))
        answer = Answer(status, {name: value.decode() for name, value in received.items()}, body.decode())
        self._cookie = answer.headers.get("set-cookie", self._cookie).partition(";")[0]
        return answer

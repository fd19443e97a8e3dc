"""Ask an ASGI application in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote


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
        answer = asyncio.run(_asked(self._application, scope))
        self._cookie = answer.headers.get("set-cookie", self._cookie).partition(";")[0]
        return answer


async def _asked(application: Any, scope: dict[str, Any]) -> Answer:
    messages: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    await application(scope, receive, send)
    headers = {key.decode(): value.decode() for key, value in messages[0]["headers"]}
    body = b"".join(message.get("body", b"") for message in messages[1:])
    return Answer(messages[0]["status"], headers, body.decode())

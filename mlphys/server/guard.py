"""What a request must be before anything looks at it."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import ASGIApp, Receive, Scope, Send

LONGEST = 4000  # bytes of path and query
COOKIE = "mlphys"
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Lets requests through that read, are addressed to this server by its own name, and come from its own pages.

    `hosts` are the names in a Host header that are this server's. With a `token` a request has it as a cookie, which
    is set by an address that ends with `?token=...`.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], token: str | None):
        self._app, self._hosts, self._token = app, frozenset(hosts), token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        from starlette.datastructures import Headers, MutableHeaders
        from starlette.responses import PlainTextResponse, RedirectResponse, Response

        headers = Headers(scope=scope)
        answer: Response | None = None
        refused = self._refused(scope, headers)
        if refused:
            answer = PlainTextResponse(f"{refused[1]}\n", refused[0])
        elif self._token and not _has(self._token, _cookie(headers)):
            token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
            if _has(self._token, token):
                answer = RedirectResponse(scope["path"] if scope["path"] == "/" else "/", 303)
                answer.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
            else:
                answer = PlainTextResponse("open the address that mlphys serve has printed, with its token\n", 401)

        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await (answer or self._app)(scope, receive, sent)

    def _refused(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Status and reason."""
        [host, *others], origin = headers.getlist("host") or [""], headers.get("origin")
        foreign = headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate"
        content = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        checks = [
            (scope["method"] not in ("GET", "HEAD"), 405, "this server reads only"),
            (len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST, 414, "the address is too long"),
            (content, 413, "a request has no content"),
            (bool(others) or host not in self._hosts, 421, "this is no name of this server"),
            (origin not in (None, f"http://{host}") or foreign, 403, "the request comes from another page"),
        ]
        return next(((status, reason) for refused, status, reason in checks if refused), None)


def _cookie(headers: Headers) -> str:
    pairs = (pair.strip().partition("=") for pair in headers.get("cookie", "").split(";"))
    return next((value for name, _, value in pairs if name == COOKIE), "")


def _has(token: str, value: str) -> bool:
    return hmac.compare_digest(token.encode(), value.encode("utf-8", "replace"))

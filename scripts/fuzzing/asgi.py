"""An ASGI application is asked in this process."""

from __future__ import annotations

from typing import Any


async def answer(application: Any, scope: dict[str, Any]) -> tuple[int, dict[str, bytes], bytes]:
    """Status, headers and body of the answer to a request without a body."""
    messages: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    await application(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in messages[1:])
    return messages[0]["status"], {name.decode("latin-1"): value for name, value in messages[0]["headers"]}, body

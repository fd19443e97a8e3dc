"""Which address shows what."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlphys.commands import report
from mlphys.errors import UserError
from mlphys.io import atomic, checksum
from mlphys.io.run_folder import STUDY, RunFolder
from mlphys.runs.run import Run
from mlphys.server import pages
from mlphys.server.guard import Guard
from mlphys.server.listing import Listing
from mlphys.studies import comparison
from mlphys.studies.candidates import candidates

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

PAUSE = 0.5  # seconds between two looks at a training
QUIET = 30  # looks without news after which a comment keeps the connection open
MOST_STREAMS = 32
MOST_COMPARED = 20


def application(root: Path, hosts: Iterable[str], token: str | None, stopping: Callable[[], bool]) -> Guard:
    """The pages of what is under `root`, for requests that `Guard` lets through; streams end when it is `stopping`."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    shown = _Shown(Listing(root), stopping)
    routes = [
        Route("/", shown.list),
        Route("/run/{run:str}", shown.run),
        Route("/compare", shown.compare),
        Route("/events/{run:str}", shown.events),
    ]
    return Guard(Starlette(routes=routes, exception_handlers={404: _not_found, UserError: _refused}), hosts, token)


class _Shown:
    """The endpoints. Pages are rendered one at a time, in threads beside the loop of events."""

    def __init__(self, listing: Listing, stopping: Callable[[], bool]):
        self._listing, self._stopping = listing, stopping
        self._rendering = threading.Lock()
        self._streams = 0

    def list(self, request: Request) -> Response:
        return _html(pages.runs(str(self._listing.root), self._listing.rows()))

    def run(self, request: Request) -> Response:
        path = self._path(request)
        with self._rendering:
            if _in_training(path):
                title = str(path.relative_to(self._listing.root))
                return _html(pages.training(Run(path), title, request.path_params["run"]))
            return _html(report.rendered(path))

    def compare(self, request: Request) -> Response:
        named = request.query_params.getlist("run")
        if not 2 <= len(named) <= MOST_COMPARED:
            raise UserError(f"choose 2 to {MOST_COMPARED} runs, or as many studies, in the list of all runs")
        paths = [self._listing.path(each) for each in named]
        if None in paths:
            raise UserError("one of the runs is no longer there; go back to the list of all runs")
        with self._rendering:
            return _html(pages.comparison(comparison.compare(candidates([str(path) for path in paths]))))

    async def events(self, request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool
        from starlette.responses import PlainTextResponse, StreamingResponse

        path = await run_in_threadpool(self._path, request)
        if self._streams >= MOST_STREAMS:
            return PlainTextResponse("too many trainings are watched\n", 503)
        return StreamingResponse(self._watched(path), media_type="text/event-stream")

    async def _watched(self, path: Path) -> AsyncIterator[str]:
        """`curves` after each epoch, `ended` when nothing trains the run any more."""
        from starlette.concurrency import run_in_threadpool

        self._streams += 1
        try:
            sent: object = ()  # nothing yet
            looks = 0
            while not self._stopping():
                now = await run_in_threadpool(_version, path)
                if now != sent:
                    sent, looks = now, 0
                    yield f"event: curves\ndata: {await run_in_threadpool(_progress, path)}\n\n"
                if not await run_in_threadpool(_in_training, path):
                    yield "event: ended\ndata: {}\n\n"
                    return
                looks += 1
                if looks % QUIET == 0:
                    yield ": nothing new\n\n"
                await asyncio.sleep(PAUSE)
        finally:
            self._streams -= 1

    def _path(self, request: Request) -> Path:
        from starlette.exceptions import HTTPException

        path = self._listing.path(request.path_params["run"])
        if path is None:
            raise HTTPException(404)
        return path


def _progress(path: Path) -> str:
    try:
        return json.dumps(pages.progress(Run(path)), allow_nan=False)
    except UserError as error:
        return json.dumps({"said": str(error), "charts": {}})


def _in_training(path: Path) -> bool:
    """Whether a process trains the run in a folder now."""
    return not RunFolder(path).has(STUDY) and Run(path).status["state"] == "running" and atomic.held(path)


def _version(path: Path) -> checksum.Version | None:
    """Of the history of a run, None where it has none."""
    try:
        with RunFolder(path).opened("history.csv") as file:
            return checksum.version_of(os.fstat(file.fileno()))
    except UserError:
        return None


def _html(content: str, status: int = 200) -> Response:
    from starlette.responses import Response

    return Response(content.encode("utf-8", "replace"), status, media_type="text/html")


async def _not_found(request: Request, error: Any) -> Response:
    return _html(pages.message("Not found", "There is no such page."), 404)


async def _refused(request: Request, error: Any) -> Response:
    return _html(pages.message("That cannot be shown", str(error)), 422)

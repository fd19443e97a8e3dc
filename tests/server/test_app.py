"""Pages that a server shows of runs, and what it refuses."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from mlphys.commands import report
from mlphys.io import atomic
from mlphys.runs.run import Run
from mlphys.runs.writer import RunWriter
from mlphys.server import app as server
from tests.helpers import fake_run
from tests.helpers.asgi import Client
from tests.helpers.extras import needs
from tests.helpers.made_up_results import CONFIG, SAMPLES, classifier, study

needs("starlette")

HOST = "127.0.0.1:8765"
MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def client(token: str | None = None) -> Client:
    return Client(server.application(Path("runs"), [HOST], token, lambda: False), HOST)


def chosen(identifiers: Iterable[str]) -> str:
    return "/compare?" + "&".join(f"run={each}" for each in identifiers)


def two_runs() -> None:
    random = np.random.default_rng(0)
    for accuracy in (0.9, 0.8):
        classifier(random.random(SAMPLES) < accuracy, about={"remark": MARKUP})


def identifiers(page: str) -> dict[str, str]:
    """By title."""
    return {title: found for found, title in re.findall(r'href="/run/([0-9a-f]{16})">([^<]*)<', page)}


def files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_every_run_is_listed_with_its_number_and_a_link_to_the_page_that_report_writes():
    two_runs()
    found = client().get("/")
    assert found.status == 200
    links = identifiers(found.text)
    assert links.keys() == {"small/1", "small/2"}
    assert re.search(r"test\.accuracy 0\.\d+ ± 0\.01", found.text)
    page = client().get(f"/run/{links['small/1']}")
    assert page.text == report.rendered(Path("runs/small/1"))
    assert MARKUP not in page.text
    assert "&lt;img src=x onerror=alert(1)&gt;" in page.text


def test_nothing_is_written_wherever_one_looks(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    two_runs()
    before = files(tmp_path)
    links = identifiers(client().get("/").text)
    for identifier in links.values():
        client().get(f"/run/{identifier}")
    client().get(chosen(list(links.values())))
    assert files(tmp_path) == before


def test_a_study_has_its_page_and_is_compared_with_another():
    random = np.random.default_rng(0)
    for name, accuracy in (("a", 0.9), ("b", 0.8)):
        study(Path("runs") / name, [random.random(SAMPLES) < accuracy for _ in range(3)])
    links = identifiers(client().get("/").text)
    assert client().get(f"/run/{links['a']}").text == report.rendered(Path("runs/a"))
    found = client().get(chosen([links["a"], links["b"]]))
    assert found.status == 200
    assert "Welch" in found.text


def test_two_runs_are_compared_in_a_sentence():
    two_runs()
    links = identifiers(client().get("/").text)
    found = client().get(chosen(list(links.values())))
    assert "these two trained nets" in found.text
    assert "±" in found.text


@pytest.mark.parametrize("count", [0, 1, 21])
def test_too_few_or_too_many_are_not_compared(count):
    two_runs()
    identifier = next(iter(identifiers(client().get("/").text).values()))
    found = client().get(chosen([identifier] * count))
    assert found.status == 422
    assert "choose 2 to 20" in found.text


def test_what_is_damaged_is_told_in_the_list_and_on_its_page():
    two_runs()
    Path("runs/small/1/status.json").write_text("{")
    found = client().get("/")
    assert "status.json" in found.text
    page = client().get(f"/run/{identifiers(found.text)['small/1']}")
    assert page.status == 422
    assert "status.json" in page.text


@pytest.mark.parametrize(
    "address",
    [
        "/run/0123456789abcdef",
        "/run/..%2f..%2fetc%2fpasswd",
        "/run/small/1",
        "/events/0",
        "/runs/small/1/weights.safetensors",
    ],
)
def test_only_what_is_listed_is_shown(address):
    two_runs()
    found = client().get(address)
    assert found.status == 404
    assert "root:" not in found.text


def test_a_link_to_another_folder_is_not_listed():
    two_runs()
    os.symlink(Path("runs/small/1").absolute(), "runs/small/7")
    assert identifiers(client().get("/").text).keys() == {"small/1", "small/2"}


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {}, 405),
        ("DELETE", {}, 405),
        ("GET", {"Host": "evil.example"}, 421),
        ("GET", {"Host": "127.0.0.1:1"}, 421),
        ("GET", {"Origin": "http://evil.example"}, 403),
        ("GET", {"Origin": f"http://{HOST}"}, 200),
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ("HEAD", {}, 200),
    ],
)
def test_requests_of_other_pages_and_names_are_refused(method, headers, status):
    two_runs()
    assert client().get("/", headers, method).status == status


def test_long_addresses_and_requests_with_content_are_refused():
    two_runs()
    assert client().get("/?" + "x" * 5000).status == 414
    assert client().get("/", {"Content-Length": "1"}).status == 413


def test_every_answer_forbids_to_be_framed_kept_and_read_as_something_else():
    two_runs()
    for found in (client().get("/"), client().get("/nothing"), client().get("/", method="POST")):
        assert found.headers["x-content-type-options"] == "nosniff"
        assert found.headers["x-frame-options"] == "DENY"
        assert found.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in client().get("/").text


def test_with_a_token_only_its_address_opens_the_pages():
    two_runs()
    asked = client("secret")
    assert asked.get("/").status == 401
    assert asked.get("/?token=wrong").status == 401
    opened = asked.get("/?token=secret")
    assert (opened.status, opened.headers["location"]) == (303, "/")
    assert "HttpOnly" in opened.headers["set-cookie"]
    assert asked.get("/").status == 200


def in_training() -> Path:
    Path("made_up.yaml").write_text(yaml.safe_dump(CONFIG))
    path = fake_run.write(Path("made_up.yaml"))
    RunWriter(path).status("running")
    return path


@pytest.fixture
def held() -> Iterator[Path]:
    path = in_training()
    with atomic.locked(path):
        yield path


def row(epoch: int) -> dict[str, object]:
    return {"phase": "train", "epoch": epoch, "loss": 1 / epoch, "validation_loss": 2 / epoch, "seconds": 0.1}


def test_a_training_that_goes_on_has_a_page_of_curves(held):
    writer = RunWriter(held)
    for epoch in (1, 2, 3):
        writer.row(row(epoch))
    found = client().get(f"/run/{identifiers(client().get('/').text)['small/1']}")
    assert "is being trained" in found.text
    assert "Epoch 3 of phase train: loss 0.3333, validation loss 0.6667" in found.text
    assert "connect-src 'self'" in found.text


def test_its_events_are_the_curves_after_each_epoch_and_then_the_end():
    path = in_training()
    writer = RunWriter(path)

    async def watched() -> list[str]:
        shown = server._Shown(server.Listing(Path("runs")), lambda: False)
        stream = shown._watched(path)
        events = []
        with atomic.locked(path):
            events.append(await anext(stream))
            for epoch in (1, 2):
                writer.row(row(epoch))
                events.append(await anext(stream))
        writer.status("done", stopped="epochs")
        return events + [event async for event in stream]

    first, *curves, last = asyncio.run(watched())
    assert "The first epoch has not ended yet." in first
    assert last == "event: ended\ndata: {}\n\n"
    said = [json.loads(each.partition("data: ")[2])["said"] for each in curves]
    assert said[:2] == [
        "Epoch 1 of phase train: loss 1, validation loss 2",
        "Epoch 2 of phase train: loss 0.5, validation loss 1",
    ]
    charts = json.loads(curves[1].partition("data: ")[2])["charts"]
    assert charts["curve0"]["lines"][0]["y"] == [1.0, 0.5]


def test_streams_end_when_the_server_stops(held):
    async def watched() -> list[str]:
        shown = server._Shown(server.Listing(Path("runs")), lambda: True)
        return [event async for event in shown._watched(held)]

    assert asyncio.run(watched()) == []


def test_the_page_of_a_run_is_that_of_its_file():
    two_runs()
    path = report.write(Path("runs/small/1"))
    shown = client().get(f"/run/{identifiers(client().get('/').text)['small/1']}").text
    assert path.read_text() == shown
    assert Run(Path("runs/small/1")).name in shown

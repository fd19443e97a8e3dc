"""The process of `mlphys serve`: its port, its address, its end."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from mlphys.errors import UserError
from mlphys.io import atomic
from mlphys.runs.writer import RunWriter
from mlphys.server import listen
from tests.helpers.cli import reason
from tests.helpers.extras import needs
from tests.helpers.made_up_results import SAMPLES, classifier
from tests.helpers.waiting import LONGEST, ended, killed_if_stuck
from tests.server.test_app import identifiers, in_training, row

needs("uvicorn")

COMMAND = [sys.executable, "-c", "from mlphys.cli import main; main()", "serve", "--port", "0"]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_port_in_use_is_not_taken_but_the_next_one_that_is_free():
    with socket.socket() as used:
        used.bind(("127.0.0.1", 0))
        used.listen()
        port = used.getsockname()[1]
        with listen._bound("127.0.0.1", port) as bound:
            assert port < bound.getsockname()[1] <= port + listen.NEXT


def test_an_address_of_another_machine_and_a_folder_that_is_none_are_refused():
    with pytest.raises(UserError, match="name an address of this machine"):
        listen._bound("192.0.2.1", 0)
    assert reason("serve", "nothing") == "nothing: no such folder; `mlphys train CONFIG` makes runs/"


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False)]
)
def test_only_what_other_machines_reach_has_a_token(host, loopback):
    assert listen._is_loopback(host) is loopback


@contextmanager
def started() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and the address that it prints; it is ended by Ctrl-C."""
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        with killed_if_stuck(process):
            line = process.stdout.readline()
        address = re.search(r"http://\S+/", line)
        assert address, line
        try:
            yield process, address[0]
        finally:
            process.send_signal(signal.SIGINT)
            ended(process, "a server to end after Ctrl-C")


def test_it_answers_until_ctrl_c_ends_it_at_once_also_while_a_training_is_watched():
    classifier(np.ones(SAMPLES, bool))
    path = in_training()
    with started() as (process, address), atomic.locked(path):
        page = urllib.request.urlopen(address, timeout=LONGEST).read().decode()
        watched = identifiers(page)[str(path.relative_to("runs"))]
        stream = urllib.request.urlopen(f"{address}events/{watched}", timeout=LONGEST)
        assert stream.readline() == b"event: curves\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        stream.close()


def test_curves_grow_in_the_browser_until_the_page_of_the_run_takes_their_place(browser):
    path = in_training()
    writer = RunWriter(path)
    for epoch in (1, 2):
        writer.row(row(epoch))
    with started() as (_, address):
        with atomic.locked(path):
            browser.open(address)
            browser.find("a[href^='/run/']").click()
            browser.wait(lambda: "Epoch 2" in browser.find("#watched").text)
            before = browser.run("return document.querySelector('polyline').getAttribute('points')")
            writer.row(row(3))
            browser.wait(lambda: "Epoch 3" in browser.find("#watched").text)
            points = browser.run("return document.querySelector('polyline').getAttribute('points')")
            assert len(points.split()) == len(before.split()) + 1
        writer.status("done", stopped="epochs")
        browser.wait(lambda: "done after 3 epochs" in browser.driver.page_source)
        assert browser.messages() == []


def test_markup_in_names_is_text_and_the_form_compares_what_is_chosen(browser):
    for accuracy in (0.9, 0.8):
        classifier(np.random.default_rng(0).random(SAMPLES) < accuracy, Path(f"runs/<b>{accuracy}<b>/1"))
    with started() as (_, address):
        browser.open(address)
        assert browser.run("return document.querySelectorAll('main b').length") == 0
        for box in browser.driver.find_elements("css selector", "input[type=checkbox]"):
            box.click()
        browser.find("button[type=submit]").click()
        browser.wait(lambda: "these two trained nets" in browser.driver.page_source)
        assert browser.messages() == []

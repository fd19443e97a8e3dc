"""Addresses where no Ray cluster answers, and what a connection to one leaves as it was."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlphys.errors import UserError
from mlphys.studies import ray_cluster
from tests.helpers.cli import mlphys, reason
from tests.helpers.extras import needs

needs("ray")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "configs" / "spirals.yaml", "small.yaml")
    return tmp_path


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of something that takes connections and says nothing of Ray's."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        yield server.getsockname()[1]


def test_an_address_where_something_else_answers_is_refused(folder, silent):
    message = reason("sweep", "small.yaml", "--grid", "training.batch_size=[5,10]", "--ray", f"127.0.0.1:{silent}")
    assert message == (
        f"--ray 127.0.0.1:{silent}: what answers there is no Ray cluster; name the address that "
        "`ray start --head` prints"
    )
    assert not Path("runs").exists()


def test_an_address_where_nobody_answers_is_refused_before_a_folder_is_made(folder):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    message = reason("sweep", "small.yaml", "--grid", "training.batch_size=[5,10]", "--ray", f"127.0.0.1:{port}")
    assert message.startswith(f"--ray 127.0.0.1:{port}: nobody answers there (Connection refused)")
    assert not Path("runs").exists()


@pytest.mark.parametrize("address", ["small.yaml", "host", "host:", ":6379", "host:99999", "ray://host:10001"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(UserError, match="expected HOST:PORT, auto for the cluster"), ray_cluster.connected(address):
        pass


def test_a_config_that_stands_where_the_address_is_expected_is_noticed(folder):
    assert "received small.yaml; write --ray last, or --ray local, to name none" in mlphys(
        "sweep", "--ray", "small.yaml", code=2
    )


def test_ray_trains_members_of_studies_only(folder):
    assert reason("train", "small.yaml", "--ray", "local") == (
        "--ray: Ray trains the members of a study, and this is one run; leave it out"
    )
    seeds = ("train", "small.yaml", "--seeds", 2)
    assert reason(*seeds, "--gpus", 1) == "--gpus: GPUs are given to members by --ray; leave it out"
    assert reason(*seeds, "--workers", 0, "--ray", "local") == (
        "--workers 0 trains in this process, and --ray on a cluster; leave one out"
    )


def test_ray_sends_no_usage_statistics():
    ray_cluster.require_installed()
    from ray._common.usage import usage_lib

    assert not usage_lib.usage_stats_enabled()


def test_a_connection_leaves_the_handlers_of_signals_as_they_were():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(UserError), ray_cluster.connected("auto"):
        pass
    assert signal.getsignal(signal.SIGTERM) is before
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"

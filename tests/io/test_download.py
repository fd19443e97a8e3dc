import hashlib
import os
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from threading import Thread

import pytest

from mlphys.errors import UserError
from mlphys.io.download import fetch, locate, places
from mlphys.schema.data import RemoteFile

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """MLPHYS_DATA, empty, as is Keras's cache beside it."""
    monkeypatch.setenv("MLPHYS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "data"


@pytest.fixture
def serve():
    """Start a web server on this machine with the given handler; gives its address."""
    servers = []

    def serve(handler) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


class BreaksOff(BaseHTTPRequestHandler):
    """Promises all bytes and sends half of them."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2])

    def log_message(self, *args):
        pass


@pytest.fixture
def host(tmp_path, serve) -> str:
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "numbers.bin").write_bytes(CONTENT)
    return serve(partial(Quiet, directory=str(tmp_path / "host")))


def numbers(host: str, sha256: str = SHA256) -> RemoteFile:
    return RemoteFile("numbers", "numbers.bin", f"{host}numbers.bin", sha256, folder="sub")


def remedy(folder: Path, sha256: str = SHA256) -> str:
    cache = folder.parent / "keras" / "datasets" / "sub"
    return (
        "`mlphys data fetch numbers` downloads it where there is a network; "
        f"or put numbers.bin into {folder / 'sub'} or {cache} (expected sha256 of the file: {sha256})"
    )


def refusal(source: RemoteFile) -> str:
    with pytest.raises(UserError) as error:
        fetch(source)
    return str(error.value)


def left_behind(folder: Path) -> list[Path]:
    return [path for path in folder.parent.rglob("*") if path.is_file() and "host" not in path.parts]


def test_a_file_is_downloaded_whole_into_the_own_folder(folder, host):
    steps = []
    path = fetch(numbers(host), lambda done, total: steps.append((done, total)))
    assert path == folder / "sub" / "numbers.bin"
    assert path.read_bytes() == CONTENT
    assert left_behind(folder) == [path]
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert steps == sorted(set(steps))


def test_without_a_folder_of_its_own_it_goes_to_keras_cache(folder, host, monkeypatch):
    monkeypatch.delenv("MLPHYS_DATA")
    assert fetch(numbers(host)) == folder.parent / "keras" / "datasets" / "sub" / "numbers.bin"


def test_what_is_there_is_not_downloaded(folder):
    source = numbers("http://127.0.0.1:9/")
    path = folder / "sub" / "numbers.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert fetch(source) == path


def test_the_own_folder_is_looked_at_before_keras_cache(folder):
    source = numbers("http://127.0.0.1:9/")
    own, cache = places(source)
    assert locate(source) is None
    cache.parent.mkdir(parents=True)
    cache.write_bytes(CONTENT)
    assert locate(source) == cache
    own.parent.mkdir(parents=True)
    own.write_bytes(CONTENT)
    assert locate(source) == own


def test_a_pipe_in_its_place_is_not_taken_for_it(folder):
    source = numbers("http://127.0.0.1:9/")
    places(source)[0].parent.mkdir(parents=True)
    os.mkfifo(places(source)[0])
    assert locate(source) is None


def test_a_damaged_file_on_this_machine_is_refused_and_kept(folder, host):
    path = folder / "sub" / "numbers.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT[:-1])
    found = hashlib.sha256(CONTENT[:-1]).hexdigest()
    assert refusal(numbers(host)) == (
        f"{path}: damaged or another file (sha256 of the file: {found}); remove it, then {remedy(folder)}"
    )
    assert path.read_bytes() == CONTENT[:-1]


def test_a_file_that_has_not_changed_is_verified_once_a_process(folder, host):
    readings = []

    def digest(path: Path) -> str:
        readings.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    source = replace(numbers(host), digest=digest)
    path = fetch(source)
    assert fetch(source) == fetch(source) == path
    downloaded, first = readings
    assert (downloaded.parent, first) == (path.parent, path)  # beside its place, then in it
    path.write_bytes(bytes(len(CONTENT)))  # of the same size
    with pytest.raises(UserError, match="damaged"):
        fetch(source)


def test_a_download_with_the_wrong_checksum_leaves_nothing_behind(folder, host):
    source = numbers(host, "0" * 64)
    assert refusal(source) == (
        f"{source.url}: damaged or another file (sha256 of the file: {SHA256}); nothing was kept; "
        + remedy(folder, "0" * 64)
    )
    assert left_behind(folder) == []


def test_a_download_that_breaks_off_leaves_nothing_behind(folder, serve):
    source = numbers(serve(BreaksOff))
    assert refusal(source) == (
        f"numbers.bin: cannot be downloaded from {source.url}: "
        f"the connection broke off after 128000 of 256000 bytes; {remedy(folder)}"
    )
    assert left_behind(folder) == []


def test_a_refused_connection_names_checksum_and_places(folder):
    with socket() as closed:  # a port that is taken and does not listen
        closed.bind(("127.0.0.1", 0))
        source = numbers(f"http://127.0.0.1:{closed.getsockname()[1]}/")
        text = refusal(source)
    assert text == (f"numbers.bin: cannot be downloaded from {source.url}: Connection refused; {remedy(folder)}")
    assert left_behind(folder) == []
    assert not (folder / source.folder).exists()


def test_a_file_that_the_server_does_not_have_is_said_to_be_missing(folder, host, tmp_path):
    (tmp_path / "host" / "numbers.bin").unlink()
    source = numbers(host)
    assert refusal(source) == (
        f"numbers.bin: cannot be downloaded from {source.url}: the server says 404 File not found; " + remedy(folder)
    )


def test_where_nothing_can_be_written_the_variable_to_set_is_named(folder, host):
    for place in (folder, folder.parent / "keras"):
        place.write_text("a file where a folder should be")
    text = refusal(numbers(host))
    cache = folder.parent / "keras" / "datasets" / "sub"
    assert text == (
        f"numbers.bin: cannot write to {folder / 'sub'} nor {cache}; "
        f"set MLPHYS_DATA to a folder of yours, then {remedy(folder)}"
    )


def test_an_interrupted_download_leaves_nothing_behind(folder, host):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(numbers(host), interrupt)
    assert left_behind(folder) == []

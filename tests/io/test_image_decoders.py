"""Images, decoded by processes with limits that stay ready for the next one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlphys.errors import UserError
from mlphys.io import image_decoders, image_files
from mlphys.io.confined import Limits
from mlphys.io.image_decoders import Decoder, Failed
from tests.helpers.waiting import ended, joined

pytestmark = pytest.mark.slow

COLOURS = {"wanted": "pixels", "most_pixels": image_files.MOST_PIXELS, "greyscale": False, "size": None, "crop": None}
ENOUGH = Limits(10**9, 60)
AFTER_A_FAILURE = "save it again, or leave it out"


@pytest.fixture(autouse=True)
def no_process_from_elsewhere():
    image_decoders.close()


def saved(path: Path, side: int = 2, value: int = 51) -> Path:
    Image.new("L", (side, side), value).save(path, compress_level=1)
    return path


def outcome(found: image_decoders.Answer | UserError) -> str | int:
    """The message, or the first pixel."""
    if isinstance(found, UserError):
        return str(found)
    assert found[1] is not None
    return int(found[1].flat[0])


def test_an_image_that_takes_too_much_memory_is_a_message_with_its_name_and_the_others_are_decoded(tmp_path: Path):
    small, large, last = saved(tmp_path / "a.png"), saved(tmp_path / "b.png", 7000), saved(tmp_path / "c.png", value=7)
    found = image_decoders.answers([small, large, last, large], COLOURS, Limits(5_000_000, 60))
    told = f"{large}: takes more than 0.005 GB of memory to read; {AFTER_A_FAILURE}"
    assert [outcome(one) for one in found] == [51, told, 7, told]


def test_an_image_that_takes_too_long_is_a_message_with_its_name(tmp_path: Path):
    path = saved(tmp_path / "a.png", 7000)
    with pytest.raises(UserError) as error:
        image_decoders.answer(path, COLOURS, Limits(10**9, 0))
    assert str(error.value) == f"{path}: takes more than 0 s of processor time to read; {AFTER_A_FAILURE}"


def test_a_process_that_is_killed_while_it_reads_says_so(tmp_path: Path):
    path, decoder = tmp_path / "a.png", Decoder()
    os.mkfifo(path)

    def kill() -> None:
        with path.open("wb"):  # opens when the process reads
            decoder.process.kill()

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    with pytest.raises(Failed, match=r"^makes the library that reads it crash \(SIGKILL\)$"):
        list(decoder.answers([path], COLOURS, [ENOUGH]))
    joined(thread, "the process to open the pipe")
    decoder.close()


def test_an_image_whose_process_has_ended_since_the_last_one_is_decoded_by_another(tmp_path: Path):
    path = saved(tmp_path / "a.png")
    assert outcome(image_decoders.answer(path, COLOURS)) == 51
    (first,) = image_decoders.idle
    first.process.kill()
    ended(first.process, "a killed process to end")
    assert outcome(image_decoders.answer(path, COLOURS)) == 51
    (second,) = image_decoders.idle
    assert second is not first


def test_a_fresh_process_that_fails_is_a_message_with_the_name_of_the_image(tmp_path: Path):
    path = saved(tmp_path / "a.png")
    image_decoders.idle.append(Decoder())
    image_decoders.idle[0].process.kill()
    (found,) = image_decoders.answers([path], COLOURS)
    assert outcome(found) == f"{path}: makes the library that reads it crash (SIGKILL); {AFTER_A_FAILURE}"


def test_one_process_decodes_one_image_after_the_other(tmp_path: Path):
    path = saved(tmp_path / "a.png")
    for _ in range(3):
        image_files.decode(path, greyscale=True)
        image_files.header(path)
    (decoder,) = image_decoders.idle
    assert image_decoders.answers([], COLOURS) == []
    assert image_decoders.idle == [decoder]


def test_no_more_processes_stay_ready_than_work_at_once(monkeypatch):
    class Ready:
        closed = 0

        def close(self) -> None:
            Ready.closed += 1

    monkeypatch.setattr(image_decoders, "idle", [])
    for _ in range(image_decoders.PROCESSES + 3):
        image_decoders._keep(Ready())
    assert len(image_decoders.idle) == image_decoders.PROCESSES
    assert Ready.closed == 3


def test_more_images_than_one_request_takes_keep_their_order(tmp_path: Path):
    paths = [saved(tmp_path / f"{k}.png", value=k) for k in range(100)]
    paths[50].write_bytes(b"damaged")
    found = [image for _, image in image_files.decode_each(paths, greyscale=True)]
    assert isinstance(found[50], UserError)
    values = [round(255 * float(x.item(0))) for x in found if not isinstance(x, UserError)]
    assert values == [*range(50), *range(51, 100)]


def test_a_relative_path_is_that_of_the_folder_that_the_user_is_in_now(tmp_path: Path, monkeypatch):
    for value in (3, 9):
        folder = tmp_path / str(value)
        folder.mkdir()
        saved(folder / "a.png", value=value)
        monkeypatch.chdir(folder)
        assert outcome(image_decoders.answer(Path("a.png"), COLOURS)) == value
    with pytest.raises(UserError, match=r"^b.png: no such file"):
        image_decoders.answer(Path("b.png"), COLOURS)


def test_decoding_imports_no_library_of_images_here(tmp_path: Path):
    path = saved(tmp_path / "a.png")
    code = (
        "import sys; from pathlib import Path; from mlphys.io import image_files; "
        "print(image_files.decode(Path(sys.argv[1]), True).item(0), 'PIL' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert printed.stdout == f"{np.float32(51) / np.float32(255)} False\n"
    assert printed.stderr == ""

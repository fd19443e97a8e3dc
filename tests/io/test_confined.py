"""Files of C libraries' formats, read in a process with limits."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from mlphys.errors import UserError
from mlphys.io import confined, reading_process
from mlphys.io.confined import Limits
from mlphys.io.formats import hdf5
from mlphys.io.formats.content import Unreadable
from tests.helpers.extras import needs

pytestmark = pytest.mark.slow
needs("astropy")
from astropy.io import fits  # noqa: E402

X = np.arange(12, dtype=np.float64).reshape(4, 3) / 7
TEXT = np.array(["star", "galaxy", "star", "quasar"])


def message(path: Path, kind: str, *names: str, limits: Limits | None = None) -> str:
    with pytest.raises(UserError) as error:
        confined.read(path, kind, names, limits)
    return str(error.value).removeprefix(f"{path}: ")


def test_datasets_of_an_hdf5_file_are_read_by_their_paths(tmp_path: Path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = X
        file.create_dataset("run/7/counts", data=X.astype(">u2"), compression="gzip", shuffle=True)
        file.create_dataset("packed", data=X.astype(np.float16), compression="lzf")
        file["kind"] = [str(name) for name in TEXT]
        file["bytes"] = TEXT.astype("S")
        file["flag"] = X > 0.5
    found = confined.read(path, "hdf5", ["kind", "run/7/counts", "packed", "x", "bytes", "flag"])
    assert np.array_equal(found["x"], X)
    assert found["run/7/counts"].dtype == np.uint16
    assert np.array_equal(found["run/7/counts"], X.astype("u2"))
    assert np.array_equal(found["packed"], X.astype(np.float16))
    assert list(found["kind"]) == list(found["bytes"]) == list(TEXT)
    assert np.array_equal(found["flag"], X > 0.5)


def test_what_of_an_hdf5_file_leads_out_of_it_or_is_no_number_is_refused_by_its_name(tmp_path: Path):
    path, other = tmp_path / "a.h5", tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["secret"] = X
    layout = h5py.VirtualLayout((4, 3), "f8")
    layout[:] = h5py.VirtualSource(str(other), "secret", (4, 3))
    with h5py.File(path, "w") as file:
        file["link"] = h5py.ExternalLink(str(other), "secret")
        file["soft"] = h5py.SoftLink("/complex")
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("outside", (4, 3), "f8", external=[(str(tmp_path / "raw"), 0, 96)])
        file.create_dataset("checked", data=X, fletcher32=True)
        file["complex"] = X + 1j
        file.create_dataset("references", (2,), h5py.ref_dtype)
        file.create_dataset("huge", (10**6, 10**6), "f8", chunks=(100, 100))
        file["circle/back"] = file["/"]
        file["x"] = X
    expected = {
        "link": "link is a link into another file; copy what it leads to",
        "soft": "soft is a link inside the file; name what it leads to",
        "virtual": "virtual is virtual: its numbers are in other files; copy them into this one",
        "outside": "outside has its numbers in another file; copy them into this one",
        "checked": "checked is packed with fletcher32; mlphys reads gzip, shuffle and lzf; "
        "`h5repack -f GZIP=4 IN OUT` repacks it",
        "complex": "complex holds complex128; expected real numbers or text",
        "references": "references holds object; expected real numbers or text",
        "huge": "huge claims the shape (1000000, 1000000) of float64, which is more than the file can hold",
    }
    found = confined.described(path, "hdf5")
    assert {name: f"{name} {why}" for name, (_, why) in found.items() if why} == expected
    assert message(path, "hdf5", "x", "virtual") == expected["virtual"]
    assert list(confined.headers(path, "hdf5")) == ["x"]


def test_text_that_an_hdf5_file_announces_and_does_not_hold_is_not_read_where_it_is_parsed(tmp_path: Path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("letters", (4 * 10**8,), "S1", chunks=(1000,), compression="gzip")
        file.create_dataset("words", (4 * 10**8,), h5py.string_dtype(), chunks=(1000,))
        file.create_dataset("half", (100, 2), "S3", chunks=(10, 2), compression="gzip")[:50] = b"abc"
    assert path.stat().st_size < 20_000
    for name in ("letters", "words"):
        expected = f"{name} claims the shape (400000000,) of text, which is more than the file can hold"
        assert message(path, "hdf5", name) == expected
        with path.open("rb") as file, pytest.raises(Unreadable, match="more than the file can hold"):
            reading_process._answer(io.BytesIO(), hdf5, file, [name])
    assert confined.read(path, "hdf5", ["half"])["half"][[0, 99]].tolist() == [["abc"] * 2, [""] * 2]


def test_arrays_of_matlab_files_are_read_as_matlab_shows_them(tmp_path: Path):
    old, new = tmp_path / "old.mat", tmp_path / "new.mat"
    cube = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    scipy.io.savemat(old, {"x": X, "y": np.arange(4), "cube": cube, "s": {"a": 1}}, do_compression=True)
    with h5py.File(new, "w", userblock_size=512) as file:  # version 7.3 stores the axes the other way round
        file["x"], file["y"], file["cube"] = X.T, np.arange(4.0)[:, None], cube.T
    for path in (old, new):
        found = confined.read(path, "mat", ["cube", "x", "y"])
        assert np.array_equal(found["x"], X)
        assert np.array_equal(found["y"], np.arange(4))
        assert np.array_equal(found["cube"], cube)
        assert confined.headers(path, "mat")["y"].shape == (4,)
    assert message(old, "mat", "s") == "s is a struct; expected real numbers; in MATLAB: cell2mat, or x = s.x"


def test_images_and_columns_of_fits_files_are_read_in_the_units_of_their_headers(tmp_path: Path):
    images, table = tmp_path / "images.fits", tmp_path / "table.fits.gz"
    counts = np.arange(12, dtype=np.uint16).reshape(3, 4) + 40_000  # stored with BZERO
    packed = fits.CompImageHDU(counts.astype(np.int16), name="PACKED")
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(counts, name="SCI"), packed]).writeto(images)
    columns = [
        fits.Column("flux", "3E", array=X),
        fits.Column("z", "D", array=X[:, 0]),
        fits.Column("class", "6A", array=TEXT),
        fits.Column("list", "PE()", array=np.array([[1.0], [1.0, 2.0], [], [3.0]], dtype=object)),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(table)
    found = confined.read(images, "fits", ["SCI", "PACKED"])
    assert found["SCI"].dtype == np.uint16
    assert np.array_equal(found["SCI"], counts)
    assert np.array_equal(found["PACKED"], counts.astype(np.int16))
    found = confined.read(table, "fits", ["flux", "class", "z"])
    assert np.array_equal(found["flux"], X.astype(np.float32))
    assert np.array_equal(found["z"], X[:, 0])
    assert list(found["class"]) == list(TEXT)
    assert message(table, "fits", "list").startswith("list has rows of different lengths")
    assert message(table, "fits", "mag") == "no array mag; it has flux, z, class, list"


@pytest.mark.parametrize("packed", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("before", [0, 3], ids=["alone", "behind others"])
def test_a_fits_header_of_more_axes_than_the_standard_has_is_refused_at_once(
    before: int, packed: Callable[[bytes], bytes], tmp_path: Path
):
    path = tmp_path / "a.fits"
    sound = [fits.PrimaryHDU(np.zeros(1000)), *(fits.ImageHDU(X) for _ in range(before))]
    fits.HDUList(sound[:before]).writeto(path) if before else path.touch()
    cards = (f"{'XTENSION= ' + repr('IMAGE   ') if before else 'SIMPLE  = T'}", "BITPIX  = -32", f"NAXIS   = {10**20}")
    content = path.read_bytes() + "".join(f"{card:80}" for card in (*cards, "END")).ljust(2880).encode()
    path.write_bytes(packed(content))
    text = message(path, "fits", "x", limits=Limits(4_000_000_000, 10))
    assert text.startswith(f"a header with {10**20} axes, more than 999")


@pytest.mark.parametrize("kind", ["hdf5", "mat", "fits"])
@pytest.mark.parametrize("part", [0, 0.3, 0.9])
def test_a_truncated_file_is_one_message(kind: str, part: float, tmp_path: Path):
    path = tmp_path / "a"
    match kind:
        case "hdf5":
            with h5py.File(path, "w") as file:
                file["x"] = np.random.default_rng(0).normal(size=(100, 100))
        case "mat":
            scipy.io.savemat(path, {"x": np.random.default_rng(0).normal(size=(100, 100))}, appendmat=False)
        case "fits":
            fits.PrimaryHDU(np.random.default_rng(0).normal(size=(100, 100))).writeto(path)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    name = "PRIMARY" if kind == "fits" else "x"
    expected = message(path, kind, name)
    assert "\n" not in expected
    assert "Traceback" not in expected


def test_more_memory_than_the_limit_is_refused_before_or_while_a_file_is_read(tmp_path: Path):
    plain, bomb = tmp_path / "a.h5", tmp_path / "a.fits.gz"
    with h5py.File(plain, "w") as file:
        file.create_dataset("x", data=np.zeros((1000, 1000)), compression="gzip")
    assert message(plain, "hdf5", "x", limits=Limits(7_000_000, 60)) == (
        "its arrays take 0.008 GB, more than the memory of 0.007 GB; save fewer samples, or each array as an npy file "
        "in a folder, x_train.npy and so on"
    )
    fits.PrimaryHDU(np.zeros((4000, 4000))).writeto(tmp_path / "a.fits")
    bomb.write_bytes(gzip.compress((tmp_path / "a.fits").read_bytes(), 1))
    assert message(bomb, "fits", "PRIMARY", limits=Limits(20_000_000, 60)) == (
        "takes more than 0.02 GB of memory to read; save fewer samples"
    )


def test_a_small_file_that_announces_a_text_of_a_gigabyte_gets_no_such_memory(tmp_path: Path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = "galaxy" * 200
    content, length = path.read_bytes(), struct.pack("<I", 1200)
    place = next(
        i for i in range(len(content)) if content[i:].startswith(length) and content[i + 12 :][:4] == b"\x01\0\0\0"
    )
    path.write_bytes(content[:place] + struct.pack("<I", 1_600_000_000) + content[place + 4 :])
    assert Limits.of(path).memory < 400_000_000
    assert "memory" in message(path, "hdf5", "x")


def test_more_time_than_the_limit_ends_the_reading(tmp_path: Path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = X
    assert message(tmp_path / "a.h5", "hdf5", "x", limits=Limits(10**9, 0)) == (
        "takes more than 0 s of processor time to read; copy it again, or save it again"
    )


def test_the_reading_process_imports_nothing_from_the_folder_that_the_user_is_in(tmp_path: Path, monkeypatch):
    (tmp_path / "h5py.py").write_text("open('was_here', 'w')")
    (tmp_path / "json.py").write_text("open('was_here', 'w')")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = X
    monkeypatch.chdir(tmp_path)
    assert np.array_equal(confined.read(Path("a.h5"), "hdf5", ["x"])["x"], X)
    assert not (tmp_path / "was_here").exists()

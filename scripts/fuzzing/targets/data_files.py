"""Data files of every format, read as a command reads them; those of C libraries as their own process does."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import resource
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mlphys.errors import UserError
from mlphys.io import resource_limits
from scripts.fuzzing import members
from scripts.fuzzing.contract import Open, Target

MOST_PIXELS = 1_000_000
X = np.arange(12, dtype=np.float64).reshape(4, 3) / 7
TEXT = np.array(["star", "galaxy", "star", "quasar"])


def _file(
    name: str, read: Callable[[Path], object], packed: Callable[[bytes], bytes] = bytes
) -> Callable[[Path], Open]:
    """A target whose input, `packed`, is a file of this name."""

    def begin(folder: Path) -> Open:
        path = Path(name)

        def opened(content: bytes) -> object:
            path.write_bytes(packed(content))
            return read(path)

        return opened

    return begin


def _arrays(path: Path) -> object:
    """All arrays, and the file as a table."""
    from mlphys.io import array_files, column_files

    arrays = array_files.read(path, array_files.headers(path))
    if column_files.is_table(path):
        _, rows = column_files.rows(path)
        return arrays, list(rows)
    return arrays


def _samples(path: Path) -> object:
    """The file as samples for a prediction."""
    from mlphys.io.csv_table import Cells
    from mlphys.io.sample_files import Expected, read

    cells = Cells(("mass", "detector"), {"detector": ("H1", "L1")}, ("-999",))
    return read(path, Expected((3,), 0, 1, cells if path.suffix == ".csv" else None, ("kind",)))


def _arrays_and_samples(path: Path) -> object:
    try:
        found = _arrays(path)
    except UserError:
        found = None
    return found, _samples(path)


def _table(path: Path) -> object:
    """A CSV file as the data of a config, with a column of text and without."""
    from mlphys.io import csv_table, csvfile

    layout = csvfile.find_layout(path)
    layout.note()
    with csvfile.opened(path, layout) as rows:
        names, rows = csv_table.header(path, layout, rows, None)
        cells = csv_table.Cells(tuple(names), layout=layout)
        read = [cells.features(row, range(len(names))) for _, row in rows if len(row) == len(names)]
    return read, _samples(path)


def _npy(values: Any, **options: Any) -> bytes:
    content = io.BytesIO()
    np.save(content, np.asarray(values), allow_pickle=False, **options)
    return content.getvalue()


def _npy_seeds() -> list[bytes]:
    fortran = np.asfortranarray(X)
    return [_npy(X), _npy(np.arange(4)), _npy(X.astype(">f4")), _npy(fortran), _npy(TEXT), _npy(np.ones((2, 3), "?"))]


def _npz_seeds() -> list[bytes]:
    one = members.listed([("x.npy", _npy(X)), ("y.npy", _npy(np.arange(4)))])
    names = members.listed([("mass.npy", _npy(X[:, 0])), ("kind.npy", _npy(TEXT)), ("note.txt", b"a")])
    return [one, names, members.RAW + members.as_zip(one)]


def _idx_seeds() -> list[bytes]:
    images = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (2, 3, 1)) + bytes(6)
    return [images, b"\0\0\x0d\x01\0\0\0\2" + np.ones(2, ">f4").tobytes(), gzip.compress(images, mtime=0)]


def _packed_idx(folder: Path) -> Open:
    from mlphys.io import idx

    paths = {True: Path("train-images-idx3-ubyte.gz"), False: Path("x.idx")}

    def opened(content: bytes) -> object:
        path = paths[content.startswith(b"\x1f\x8b")]
        path.write_bytes(content)
        return idx.header(path), idx.read(path)

    return opened


CSV_SEEDS = (
    b"mass,detector,kind\n1.5,H1,a\n2,L1,b\n-999,H1,a\n", b"1;2,5;3\n4;5,5;6\n",
    b"# made by hand\n# mass detector\n1 2\n3 4\n",
    b"mass,detector\nkg,\n1,H1\n", b'"a, b","c"\n"1","2"\n', b"\xef\xbb\xbfmass\tdetector\n1\tH1\n",
    "a,b\n1,2\n".encode("utf-16"),
    b"1,2,3\n4,5,6\n7,8,9\n", b"0,1\n0.5,1e-3\nnan,\n",
)  # fmt: skip


def _hdf5_seeds() -> list[bytes]:
    import h5py

    found = []
    for options in ({"libver": "earliest"}, {"libver": "latest"}):
        content = io.BytesIO()
        with h5py.File(content, "w", **options) as file:
            file["x"] = X.astype(np.float32)
            file.create_dataset("run/7/counts", data=X.astype(">u2"), compression="gzip", shuffle=True)
            file["kind"] = [str(name) for name in TEXT]
            file["soft"] = h5py.SoftLink("/x")
        found.append(content.getvalue())
    return found


def _mat_seeds() -> list[bytes]:
    import scipy.io

    found = []
    for packed in (False, True):
        content = io.BytesIO()
        scipy.io.savemat(content, {"x": X, "y": np.arange(4), "s": {"a": 1}, "t": "text"}, do_compression=packed)
        found.append(content.getvalue())
    old = io.BytesIO()
    scipy.io.savemat(old, {"x": X}, format="4")
    return [*found, old.getvalue()]


def _fits_seeds() -> list[bytes]:
    from astropy.io import fits

    image, table = io.BytesIO(), io.BytesIO()
    fits.PrimaryHDU(np.arange(12, dtype=np.uint16).reshape(3, 4) + 40_000).writeto(image)
    columns = [
        fits.Column("flux", "3E", array=X),
        fits.Column("z", "D", array=X[:, 0]),
        fits.Column("class", "6A", array=TEXT),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(table)
    return [image.getvalue(), table.getvalue()]


def _confined(kind: str) -> Callable[[Path], Open]:
    """What the process does that parses this format, and what the command does with its answer.

    That process turns every exception into a message, so only what it answers, memory and time can be wrong.
    """

    def begin(folder: Path) -> Open:
        from mlphys.io import confined, reading_process

        path = Path("content")

        def opened(content: bytes) -> object:
            path.write_bytes(content)
            out = io.BytesIO()
            try:
                with path.open("rb") as file, warnings.catch_warnings(), _within(confined.Limits.of(path).memory):
                    warnings.simplefilter("ignore")
                    found = list(reading_process.FORMATS[kind].describe(file))
                    file.seek(0)
                    reading_process._answer(out, reading_process.FORMATS[kind], file, found[:3])
            except Exception as error:  # as in reading_process.main
                reading_process._line(out, {"error": str(error)[:200]})
            return _understood(confined, path, out.getvalue())

        return opened

    return begin


@contextlib.contextmanager
def _within(memory: int) -> Iterator[None]:
    """With so many bytes more of address space, as `resource_limits.hold` gives the parsing process."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    most = resource_limits.mapped() + memory + resource_limits.RESERVE
    resource.setrlimit(resource.RLIMIT_AS, (most if before[0] < 0 else min(most, before[0]), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _understood(confined: Any, path: Path, answer: bytes) -> object:
    """What the command makes of an answer of a reading process; wrong ones are refused."""
    content = io.BytesIO(answer)
    try:
        known = confined._checked(path, content.readline(confined.LONGEST_LINE))
        readable = [name for name, (_, refusal) in known.items() if not refusal]
        return [confined._array(content, confined.Limits(10_000_000, 1)) for _ in readable[:3]]
    except confined._Reported as reported:
        raise UserError(f"{path}: {reported}") from None
    except confined.WRONG_ANSWER:
        raise UserError(f"{path}: damaged") from None


def _answer_seeds() -> list[bytes]:
    facts = {"arrays": {"x": [[2, 3], "<f4", ""], "run/7": [[4], "<U1", "is empty"], "s": [[], "<f8", "is a link"]}}
    line = json.dumps({"shape": [2, 3], "dtype": "<f4"}).encode()
    return [json.dumps(facts).encode() + b"\n" + line + b"\n" + bytes(24), b'{"error": "damaged"}\n']


def _answers(folder: Path) -> Open:
    """Answers of a reading process that a file has taken over."""
    from mlphys.io import confined

    path = Path("content")
    path.write_bytes(bytes(1000))
    return lambda content: _understood(confined, path, content)


class _Pipe:
    """The output of a process that has ended, as a decoder reads it."""

    def __init__(self, content: bytes):
        read, write = os.pipe()
        os.write(write, content[:60_000])
        os.close(write)
        self.stdout = os.fdopen(read, "rb")
        self.pid = self.returncode = None

    def poll(self) -> int:
        return 0

    def wait(self, timeout: float | None = None) -> int:
        return 0


def _image_answers(folder: Path) -> Open:
    """Answers of a decoding process that an image has taken over; the first letter says what was wanted."""
    from mlphys.io import image_decoders
    from mlphys.io.confined import Limits

    always = {"most_pixels": MOST_PIXELS, "greyscale": True, "size": None, "crop": None}
    requests = {b"h": {"wanted": "header", **always}, b"l": {"wanted": "largest", **always}}

    def opened(content: bytes) -> object:
        decoder = image_decoders.Decoder.__new__(image_decoders.Decoder)
        decoder.process = _Pipe(content[1:])  # type: ignore[assignment]
        try:
            request = requests.get(content[:1], {"wanted": "pixels", **always})
            answer = decoder._next(request, Limits(10_000_000, 1))
            if "error" in answer[0]:
                raise UserError(answer[0]["error"] or "damaged")
            return answer
        except image_decoders.Failed as failed:
            raise UserError(str(failed)) from None
        except image_decoders.WRONG_ANSWER:
            raise UserError("damaged") from None
        finally:
            decoder.process.stdout.close()  # type: ignore[union-attr]

    return opened


def _image_answer_seeds() -> list[bytes]:
    pixels = json.dumps({"shape": [2, 3], "dtype": "|u1"}).encode()
    size = json.dumps({"size": [2, 3], "frames": 1}).encode()
    texts = [b"h" + _with_length(size), b"l" + _with_length(b'{"largest": 65535}')]
    return [*texts, b"p" + _with_length(pixels) + bytes(6), b"p" + _with_length(b'{"error": "damaged"}')]


def _with_length(text: bytes) -> bytes:
    return len(text).to_bytes(4, "little") + text


KINDS = (
    ("PNG", "RGBA"), ("PNG", "I;16"), ("JPEG", "RGB"), ("TIFF", "L"), ("BMP", "RGB"), ("GIF", "P"), ("WEBP", "RGB"),
)  # fmt: skip


def _image_seeds() -> list[bytes]:
    from PIL import Image

    found = []
    for kind, mode in KINDS:
        content = io.BytesIO()
        Image.new(mode, (5, 4)).save(content, kind)
        found.append(content.getvalue())
    return found


def _image(folder: Path) -> Open:
    """What the process does that decodes images."""
    from mlphys.io import decoding_process

    decoding_process._import()
    path = Path("image")

    def opened(content: bytes) -> object:
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for wanted in ("header", "largest", "pixels"):
                request = {
                    "wanted": wanted,
                    "most_pixels": MOST_PIXELS,
                    "greyscale": len(content) % 2,
                    "size": [3, 3],
                    "crop": None,
                }
                facts, values = decoding_process._answer(path, request)
                json.dumps(facts)
                if "error" in facts or "out_of_memory" in facts:
                    raise UserError(f"{path}: {facts.get('error', 'takes more memory')}")
                if values is not None and values.shape[:2] != (3, 3):
                    raise AssertionError(f"an image of {values.shape}")
        return None

    return opened


TARGETS = (
    Target("npy", _npy_seeds, _file("x.npy", _arrays_and_samples), longest=2048),
    Target("npz", _npz_seeds, _file("x.npz", _arrays_and_samples, members.as_zip)),
    Target("idx", _idx_seeds, _packed_idx, longest=1024),
    Target("csv", lambda: list(CSV_SEEDS), _file("x.csv", _table), longest=2048),
    Target("hdf5", _hdf5_seeds, _confined("hdf5"), longest=16_384, lasts=100),
    Target("mat", _mat_seeds, _confined("mat"), lasts=1000),
    Target("fits", _fits_seeds, _confined("fits"), longest=16_384),
    Target("image", _image_seeds, _image, longest=2048),
    Target("answers", _answer_seeds, _answers, longest=1024),
    Target("image_answers", _image_answer_seeds, _image_answers, longest=1024),
)

import io
import math
import struct
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mlphys.errors import UserError
from mlphys.io import npz

REMEDY = "copy it again, or write it with np.savez"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "own.npz"


def refusal(path) -> str:
    with pytest.raises(UserError) as error:
        npz.read(path, npz.headers(path))
    return str(error.value)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_was_saved_is_read(path, save):
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array(5), "c": np.zeros((0, 4), np.int8)}
    save(path, **arrays)
    headers = npz.headers(path)
    assert {name: header.shape for name, header in headers.items()} == {"a": (2, 3), "b": (), "c": (0, 4)}
    read = npz.read(path, headers)
    assert all(np.array_equal(read[name], array) for name, array in arrays.items())


def test_only_the_arrays_that_are_asked_for_are_read(path):
    np.savez(path, a=np.arange(3), b=np.array([{}]))
    assert npz.read(path, {"a": npz.headers(path)["a"]})["a"].tolist() == [0, 1, 2]


def test_objects_are_not_unpickled(path):
    np.savez(path, b=np.array([{}]))
    assert refusal(path) == (f"{path}: damaged: Object arrays cannot be loaded when allow_pickle=False; {REMEDY}")


def test_something_else_is_refused(path):
    path.write_text("x,y\n1,2\n")
    assert refusal(path) == f"{path}: not an npz file, or a truncated one (File is not a zip file); {REMEDY}"


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(path, kept):
    np.savez(path, a=np.arange(1000))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    assert refusal(path).startswith(f"{path}: not an npz file, or a truncated one")


def test_every_flipped_byte_is_noticed_or_harmless(path):
    array = np.arange(20)
    np.savez_compressed(path, a=array)
    content = path.read_bytes()
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            headers = npz.headers(path)
            read = npz.read(path, headers)
        except UserError:
            continue
        assert all(np.array_equal(value, array) for value in read.values())


def bytes_claimed(*shape: int) -> bytes:
    """An npy header that announces bytes of this shape."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return header.getvalue()


def test_two_negative_lengths_are_refused_though_their_product_is_right(path, tmp_path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", bytes_claimed(-2, -3) + bytes(6))
    assert " claims the shape (-2, -3) of uint8" in refusal(path)
    (tmp_path / "a.npy").write_bytes(bytes_claimed(-2, -3) + bytes(6))
    with pytest.raises(UserError, match=r"claims the shape \(-2, -3\) of uint8"):
        npz.npy_header(tmp_path / "a.npy")


@pytest.mark.parametrize("zip_lies_too", [False, True])
def test_an_array_that_claims_more_than_there_is_is_refused_before_memory_is_taken(path, zip_lies_too):
    header = bytes_claimed(10**12)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", header)
        if zip_lies_too:
            archive.filelist[0].file_size = len(header) + 10**12
    assert refusal(path) == (
        f"{path}: a.npy claims the shape (1000000000000,) of uint8, which is not what the file holds; "
        "save it again with np.savez"
    )


def test_arrays_larger_than_the_memory_are_refused(path):
    np.savez_compressed(path, a=np.zeros(10**6, np.uint8))
    with pytest.raises(UserError) as error:
        npz.read(path, npz.headers(path), memory=900_000)
    assert str(error.value) == (
        f"{path}: its arrays take 0.001 GB, more than the memory of 0.0009 GB; save fewer samples, "
        "or each array as an npy file in a folder, x_train.npy and so on"
    )


def test_a_longer_header_than_numpy_writes_is_refused(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", 10**8) + b" " * 10**8)
    assert refusal(path).startswith(f"{path}: damaged: EOF: reading array header")


def test_a_header_of_python_2_is_read_without_a_warning(tmp_path):
    path = tmp_path / "old.npy"
    np.save(path, np.arange(3, dtype="<i4"))
    path.write_bytes(path.read_bytes().replace(b"(3,), }  ", b"(3L,), } "))
    assert npz.npy_header(path).shape == (3,)
    assert npz.read_npy(path).tolist() == npz.mapped_npy(path).tolist() == [0, 1, 2]


@pytest.mark.parametrize("dtype", ["<f4", ">i2", "?", "<U5", "<M8[s]"])
@pytest.mark.parametrize("shape", [(3, 4), (2, 0), ()])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_read_as_numpy_reads_them(tmp_path, dtype, shape, order):
    array = np.asarray((np.arange(math.prod(shape)) % 2).reshape(shape).astype(dtype), order=order)
    for path, save in ((tmp_path / "a.npy", np.save), (tmp_path / "a.npz", np.savez_compressed)):
        save(path, array)
        found = npz.read_npy(path) if save is np.save else npz.read(path, npz.headers(path))["arr_0"]
        expected = np.load(path) if save is np.save else np.load(path)["arr_0"]
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert not found.size or found.strides == expected.strides
        assert found.tobytes() == expected.tobytes()
        assert found.flags.writeable


def test_only_numbers_of_a_header_lose_the_l_of_python_2(tmp_path):
    path = tmp_path / "fields.npy"
    array = np.zeros(3, [("1L", "<f4")])
    np.save(path, array)
    assert npz.npy_header(path).dtype == array.dtype


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"'shape'", b"'sh\np'"), (b", 'shape'", b",b'shape'"), (b"False, 'shape'", b"False  'shape'")],
)
def test_a_header_that_numpy_would_repair_with_a_warning_or_cannot_sort_is_refused(tmp_path, before, after):
    path = tmp_path / "x.npy"
    np.save(path, np.zeros(3))
    path.write_bytes(path.read_bytes().replace(before, after))
    with warnings.catch_warnings(action="error"), pytest.raises(UserError, match="not an npy file, or a damaged one"):
        npz.read_npy(path)


def test_threads_that_read_at_once_leave_the_filters_of_warnings_as_they_were(tmp_path):
    path = tmp_path / "old.npy"
    np.save(path, np.arange(3, dtype="<i4"))
    path.write_bytes(path.read_bytes().replace(b"(3,), }  ", b"(3L,), } "))
    before, own = warnings.filters, list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        for array in pool.map(lambda _: npz.read_npy(path) if warnings.filters is before else None, range(200)):
            assert array is not None
    assert warnings.filters is before
    assert warnings.filters == own


def test_more_axes_than_numpy_has_are_refused(tmp_path):
    header = io.BytesIO()
    facts = {"descr": "|u1", "fortran_order": False, "shape": (1,) * 99}
    np.lib.format.write_array_header_1_0(header, facts)
    path = tmp_path / "x.npy"
    path.write_bytes(header.getvalue() + b"\0")
    with pytest.raises(UserError) as error:
        npz.npy_header(path)
    assert str(error.value) == (
        f"{path}: not an npy file, or a damaged one: an array of 99 axes, more than 32; write it with np.save"
    )

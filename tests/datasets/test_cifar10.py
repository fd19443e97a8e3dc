import gzip
import io
import tarfile

import numpy as np
import pytest

from mlphys.datasets import cifar10
from mlphys.errors import UserError
from mlphys.io import checksum
from mlphys.io.download import places

SPEC = cifar10.CIFAR10(name="cifar10")
RECORDS = 4  # in each file, where the real ones have 10 000
LABELS = np.arange(6 * RECORDS, dtype=np.uint8) % 10
PIXELS = np.random.default_rng(0).integers(0, 256, (6 * RECORDS, 3, 32, 32), np.uint8)
NAMES = [f"cifar-10-batches-bin/{name}.bin" for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch")]
REMEDY = "remove it, then `mlphys data fetch cifar10` downloads it again"


def batches(labels=LABELS):
    """The archive's six files: a byte of label and 3072 of pixels a record."""
    records = [bytes([label]) + pixels.tobytes() for label, pixels in zip(labels, PIXELS, strict=True)]
    return {name: b"".join(records[k * RECORDS : (k + 1) * RECORDS]) for k, name in enumerate(NAMES)}


@pytest.fixture
def save(tmp_path):
    """Write files into an archive; gives its path."""

    def save(files):
        path = tmp_path / "cifar-10-binary.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return path

    return save


def refusal(path) -> str:
    with pytest.raises(UserError) as error:
        cifar10.read(path, RECORDS)
    return str(error.value)


def test_the_five_files_are_the_training_samples_and_the_sixth_the_test_set(save):
    samples = cifar10.read(save(batches()), RECORDS)
    assert samples.y.tolist() == LABELS[: 5 * RECORDS].tolist()
    assert samples.y_test.tolist() == LABELS[5 * RECORDS :].tolist()
    assert (samples.y.dtype, samples.y_test.dtype) == (np.int32, np.int32)


def test_images_are_float32_from_0_to_1_with_the_channels_last(save):
    samples = cifar10.read(save(batches()), RECORDS)
    assert samples.x.shape == (5 * RECORDS, 32, 32, 3)
    assert samples.x_test.shape == (RECORDS, 32, 32, 3)
    images = np.concatenate([samples.x, samples.x_test])
    assert images.dtype == np.float32
    assert samples.x.flags.c_contiguous
    for channel in range(3):
        assert np.array_equal(images[..., channel], PIXELS[:, channel] / np.float32(255))


def test_the_order_of_the_files_and_what_lies_beside_them_does_not_matter(save):
    others = {"cifar-10-batches-bin/readme.html": b"<html>", "data_batch_1.bin": b"", "../test_batch.bin": b"0"}
    samples = cifar10.read(save(others | dict(reversed(batches().items()))), RECORDS)
    assert samples.y.tolist() == LABELS[: 5 * RECORDS].tolist()


def test_nothing_is_extracted(save, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = save(batches())
    cifar10.read(path, RECORDS)
    assert list(tmp_path.rglob("*")) == [path]


def test_an_archive_without_a_file_is_refused(save):
    files = batches()
    del files[NAMES[1]], files[NAMES[5]]
    path = save(files)
    assert refusal(path) == (
        f"{path}: damaged or not the archive of CIFAR-10: without {NAMES[1]}, {NAMES[5]}; {REMEDY}"
    )


def test_a_file_of_another_size_is_refused(save):
    path = save(batches() | {NAMES[2]: b"short"})
    assert refusal(path) == (
        f"{path}: damaged or not the archive of CIFAR-10: {NAMES[2]} has 5 bytes; expected {4 * 3073}; {REMEDY}"
    )


def test_a_link_is_not_taken_for_a_file(tmp_path):
    path = tmp_path / "links.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in NAMES:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(member)
    assert refusal(path) == (f"{path}: damaged or not the archive of CIFAR-10: without {', '.join(NAMES)}; {REMEDY}")


def test_a_label_of_no_class_is_refused(save):
    path = save(batches(np.where(np.arange(6 * RECORDS) == 7, np.uint8(12), LABELS)))
    assert refusal(path) == (
        f"{path}: damaged or not the archive of CIFAR-10: a label is 12; expected 0 to 9; {REMEDY}"
    )


@pytest.mark.parametrize("part", [0, 1, 20, 600, 20_000])
def test_a_truncated_archive_is_refused(save, part):
    path = save(batches())
    path.write_bytes(path.read_bytes()[:part])
    text = refusal(path)
    assert text.startswith(f"{path}: damaged or not the archive of CIFAR-10: ")
    assert text.endswith(f"; {REMEDY}")


def test_bytes_that_are_not_the_authors_are_refused_by_their_checksum(save, tmp_path, monkeypatch):
    monkeypatch.setenv("MLPHYS_DATA", str(tmp_path))
    path = save(batches())
    with pytest.raises(UserError) as error:
        SPEC.load()
    found = checksum.sha256(path)
    assert str(error.value).startswith(f"{path}: damaged or another file (sha256 of the file: {found}); remove it")


@pytest.mark.parametrize(
    "content",
    [b"no archive", gzip.compress(b"no archive"), gzip.compress(bytes(10_240))],  # gzip writes the time of day
    ids=["text", "zipped text", "zipped zeros"],
)
def test_what_is_no_archive_is_refused(tmp_path, content):
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(content)
    assert refusal(path).startswith(f"{path}: damaged or not the archive of CIFAR-10: ")


def test_its_file_is_the_binary_version_of_its_author(monkeypatch, tmp_path):
    monkeypatch.setenv("MLPHYS_DATA", str(tmp_path))
    (source,) = SPEC.sources()
    assert source.url == "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    assert len(source.sha256) == 64
    assert places(source)[0] == tmp_path / "cifar-10-binary.tar.gz"
    assert cifar10.sources("http://host/")[0].url == "http://host/cifar-10-binary.tar.gz"


def test_it_is_described_without_a_file():
    description = SPEC.describe()
    assert (description.shape, description.samples, description.test_samples) == ((32, 32, 3), 50_000, 10_000)
    assert (description.classes[0], description.classes[9]) == ("airplane", "truck")

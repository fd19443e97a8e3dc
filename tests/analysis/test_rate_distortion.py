"""Bytes and errors of quantized codes, and of JPEG where they are known."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from mlphys.analysis import rate_distortion
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult
from mlphys.runs.run import Run
from tests.analysis.runs import CLASSIFIER, CODES, TIED, WHITENED, random_run
from tests.plots.runs import written

MNIST = Path(os.environ.get("MLPHYS_DATA", "")) / "mnist.npz"
PCA = """
    data: {name: digits, train: 900, validation: 100, test: 20}
    model: {kind: pca, components: 61}
"""


def found(run: Run, **settings: int) -> AnalysisResult:
    spec = rate_distortion.RateDistortion(**settings)
    spec.check(run.loaded)
    with theme.applied():
        return spec.measure(run)


@pytest.mark.skipif(not MNIST.is_file(), reason="MLPHYS_DATA names no folder with mnist.npz")
def test_jpeg_and_png_of_mnist_have_the_known_sizes_and_errors():
    images = np.load(MNIST)["x_test"][:1000, :, :, None] / 255
    rows = rate_distortion.jpeg(images, (2, 5, 10, 20, 50))
    known = [(38, 0.0129), (49, 0.00877), (70, 0.0051), (100, 0.00295), (162, 0.00114)]
    assert [row["payload_bytes"] for row in rows] == pytest.approx([size for size, _ in known], rel=0.01)
    assert [row["mse"] for row in rows] == pytest.approx([mse for _, mse in known], rel=0.01)
    assert [row["bytes"] - row["payload_bytes"] for row in rows] == pytest.approx([330] * 5)
    assert rate_distortion.png(images)["bytes"] == pytest.approx(268, rel=0.02)


def test_a_file_is_its_pixels_and_what_stands_around_them():
    pixels = np.random.default_rng(0).random((16, 16, 3))
    header = {len(file) - rate_distortion.scan(file) for file in (_jpeg(pixels), _jpeg(np.zeros((16, 16, 3))))}
    assert len(header) == 1
    assert _jpeg(pixels)[: header.pop() - 2][-3:] == b"\x00\x3f\x00"  # of the last header, in every baseline file
    png = rate_distortion._file(pixels, "PNG")
    assert rate_distortion.pixel_chunks(png) == len(png) - 8 - 25 - 12 - 12  # signature, IHDR, IDAT's own, IEND


def _jpeg(image: np.ndarray) -> bytes:
    return rate_distortion._file(image, "JPEG", quality=50)


@pytest.mark.parametrize("bits", [1, 3, 6])
def test_numbers_that_are_evenly_spread_take_all_their_bits_and_err_by_a_twelfth_of_the_interval(bits: int):
    codes = np.random.default_rng(0).random((200_000, 2)) * (1, 10)
    quantized, cost = rate_distortion.quantizer(codes, bits)(codes)
    assert cost.mean() == pytest.approx(2 * bits, rel=1e-3)
    width = np.array([1, 10]) / 2**bits
    assert ((quantized - codes) ** 2).mean(axis=0) == pytest.approx(width**2 / 12, rel=0.02)


def test_the_bits_are_those_of_the_entropy():
    codes = np.random.default_rng(0).normal(size=(100_000, 1))
    _, cost = rate_distortion.quantizer(codes, 5)(codes)
    entropy = stats.entropy(np.histogram(codes, 32)[0], base=2)
    assert cost.mean() == pytest.approx(entropy, rel=1e-3)
    assert entropy < 4


def test_a_number_that_never_changes_costs_nothing_and_one_out_of_range_is_taken_to_the_nearest():
    quantize = rate_distortion.quantizer(np.array([[2.0, 0], [2, 1]]), 1)
    quantized, cost = quantize(np.array([[2.0, 0], [2, 9], [5, -9]]))
    assert quantized.tolist() == [[2, 0], [2, 1], [2, 0]]
    assert cost == pytest.approx([1, 1, 1])


def test_with_many_bits_the_error_is_that_of_the_net(tmp_path: Path):
    run = random_run(tmp_path, CODES)
    numbers = found(run, bits=12).numbers
    x = run.dataset().validation.x
    r = run.trained.image_outputs(x)["reconstructions"]
    assert numbers["mse_not_quantized"] == pytest.approx(((r - x) ** 2).mean(), rel=1e-4)
    assert numbers["code"][-1]["mse"] == pytest.approx(numbers["mse_not_quantized"], rel=1e-3)
    assert [row["bits"] for row in numbers["code"]] == list(range(1, 13))
    assert all(row["bytes"] <= 5 * (row["bits"] + 2) / 8 for row in numbers["code"])


def test_principal_components_are_a_code_themselves_and_all_of_them_lose_nothing(tmp_path: Path):
    (tmp_path / "f.yaml").write_text("name: f\n" + PCA.replace("\n    ", "\n"))
    run = _trained(tmp_path)
    numbers = found(run, bits=12).numbers
    assert "pca" not in numbers
    assert numbers["mse_not_quantized"] < 1e-5
    errors, sizes = ([row[name] for row in numbers["code"]] for name in ("mse", "bytes"))
    assert errors == sorted(errors, reverse=True)
    assert sizes == sorted(sizes)
    assert errors[0] > 1e-3
    assert errors[-1] < 1e-4


def _trained(folder: Path) -> Run:
    from click.testing import CliRunner

    from mlphys.cli import main

    done = CliRunner().invoke(main, ["train", str(folder / "f.yaml"), "--out", str(folder / "run"), "--quiet"])
    assert done.exit_code == 0, done.output
    return Run(folder / "run")


def test_what_jpeg_needs_lies_between_its_points():
    rows = [{"mse": 0.01, "bytes": 40.0}, {"mse": 0.0001, "bytes": 160.0}]
    assert rate_distortion._needed(rows, 0.001, "bytes") == "80"
    assert rate_distortion._needed(rows, 0.1, "bytes") == "less than 40"
    assert rate_distortion._needed(rows, 0.00001, "bytes") == "more than 160"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (CLASSIFIER, "kind: classifier has no decoder; train one of kind: autoencoder"),
        (TIED, "a sample of 2 is no image of 1 or 3 channels"),
        (
            WHITENED.replace("[{whiten", "[contrast_normalize, {whiten"),
            "data.preprocess cannot be undone: what the net gives back are no images",
        ),
    ],
)
def test_what_is_no_code_of_images_is_refused_with_the_reason(text: str, reason: str, tmp_path: Path):
    with pytest.raises(NotApplicable) as refused:
        rate_distortion.RateDistortion().check(written(tmp_path, text).loaded)
    assert str(refused.value) == reason

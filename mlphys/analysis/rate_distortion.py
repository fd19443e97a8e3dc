"""Rate-distortion curves (Shannon 1959)."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from mlphys.errors import NotApplicable
from mlphys.figures import log_axis, theme
from mlphys.figures.analysis_result import AnalysisResult, SampledAnalysis
from mlphys.figures.example_experiments import autoencoder_of_images
from mlphys.figures.picture import Picture
from mlphys.figures.requirements import need_decoder, need_images
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.numerics import pca
from mlphys.numerics.uncertainty import mean_stderr, rounded
from mlphys.schema.fields import Count, Shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes

QUALITIES = (2, 5, 10, 20, 30, 50, 70, 85, 95)
NEAR = 1.1  # times the error without quantization
MOST_FITTED = 20_000_000  # values of training samples, or of their codes: 160 MB


class RateDistortion(SampledAnalysis):
    """Error of images against their bytes (Shannon 1959): quantized codes compared with JPEG, PNG and PCA.

    Each number of a code is divided into 2^b equal intervals of its range in training, b = 1 ... `bits`.

    An interval is decoded as the mean of the training values in it. The bytes of an image are those of an ideal entropy
    coder with the training samples' frequencies of the intervals:

        bytes = 1/8 sum_j -log2 q_j(k_j),   q_j(k) = (n_jk + 1) / (n + 2^b)

    with n_jk of n training samples, `fitted` of them, whose number j is in interval k. The weights of the decoder are
    not counted, as JPEG's tables of cosines are not. PCA of the images with as many components is quantized in
    the same way. JPEG and PNG are written by Pillow, 8 bits per value, counted with and without headers.
    Values are scaled to 0 ... 1 by the training samples' range, and decoded ones clipped to it.
    """

    samples: Count = 1000
    fitted: Count = 10_000
    """How many training samples the quantizer is fitted on."""
    bits: Annotated[int, Field(ge=1, le=12)] = 8
    """The largest number of bits for each number of the code."""

    def check(self, resolved: ResolvedView) -> None:
        if not resolved.experiment.model.PROJECTS_LINEARLY:
            need_decoder(resolved)
        need_images(resolved)

    def measure(self, run: RunView) -> AnalysisResult:
        split, some = self.samples_of(run)
        net, size = run.trained, math.prod(_code_shape(run))
        fitted = (
            run.dataset().train.some(min(self.fitted, max(2, MOST_FITTED // max(size, math.prod(some.x.shape[1:]))))).x
        )
        low, high = _range(run, fitted)
        images = ((some.x - low) / (high - low)).clip(0, 1).astype(np.float64)

        def error(decoded: np.ndarray) -> np.ndarray:
            """Mean squared error of each decoded image."""
            scaled = ((decoded - low) / (high - low)).clip(0, 1)
            return np.square(scaled - images).reshape(len(images), -1).mean(axis=1)

        z, train_points = net.to_points(some.x), net.to_points(fitted)
        codes, known = net.output("codes")(z).astype(np.float64), net.output("codes")(train_points).astype(np.float64)
        decode = _decoder(run)
        numbers: dict[str, Any] = {
            "split": split, "samples": len(images), "code_size": size,
            "mse_not_quantized": float(error(decode(codes)).mean()),
            "code": _curve(codes, known, lambda q: error(decode(q)), self.bits),
        }  # fmt: skip
        if not run.config.model.PROJECTS_LINEARLY and size < min(len(fitted) - 1, math.prod(images.shape[1:])):
            components = pca.fit(fitted, size)
            own, others = ((x.reshape(len(x), -1) - components.mean) @ components.vectors.T for x in (some.x, fitted))
            back = _linear(components.vectors, components.mean, images.shape[1:])
            numbers["pca"] = _curve(own, others, lambda q: error(back(q)), self.bits)
        numbers |= {"jpeg": jpeg(images, QUALITIES), "png": png(images)}
        summary = f"{_summary(numbers)}; {len(images)} {split} samples"
        return AnalysisResult(numbers, summary, [_picture(run.name, numbers)])

    @classmethod
    def example(cls) -> dict[str, Any]:
        return autoencoder_of_images()


@dataclass(frozen=True)
class Quantizer:
    """Uniform quantizer of m numbers; `values` and `bits`, (m, intervals), are the decoded value and the cost of
    each interval."""

    low: np.ndarray
    width: np.ndarray
    values: np.ndarray
    bits: np.ndarray

    def __call__(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Quantized codes (n, m), and the bits of each sample (n,)."""
        k, j = self._intervals(codes), np.arange(len(self.low))
        return self.values[j, k], self.bits[j, k].sum(axis=1)

    def _intervals(self, codes: np.ndarray) -> np.ndarray:
        return _intervals(codes, self.low, self.width, self.values.shape[1])


def quantizer(codes: np.ndarray, bits: int) -> Quantizer:
    """A quantizer with 2^bits intervals, fitted to codes (n, m). A constant number costs nothing."""
    n, m = codes.shape
    count = 2**bits
    low, high = codes.min(axis=0), codes.max(axis=0)
    width = (high - low) / count
    k = _intervals(codes, low, width, count)
    values, costs = low[:, None] + width[:, None] * (np.arange(count) + 0.5), np.zeros((m, count))
    for j in np.flatnonzero(width > 0):
        counts = np.bincount(k[:, j], minlength=count)
        sums = np.bincount(k[:, j], weights=codes[:, j], minlength=count)
        np.divide(sums, counts, out=values[j], where=counts > 0)
        costs[j] = -np.log2((counts + 1) / (n + count))
    return Quantizer(low, width, values, costs)


def _intervals(codes: np.ndarray, low: np.ndarray, width: np.ndarray, count: int) -> np.ndarray:
    place = np.divide(codes - low, width, out=np.zeros_like(codes), where=width > 0)
    return place.astype(int).clip(0, count - 1)


def _code_shape(run: RunView) -> Shape:
    shapes: dict[str, Shape] = run.config.model.prediction_shapes(run.loaded.net_input)
    return shapes["codes"]


def _range(run: RunView, fitted: np.ndarray) -> tuple[float, float]:
    """Minimum and maximum of the training values; for runs of earlier versions, of some samples."""
    low, high = run.data["splits"]["train"].get("range") or (float(fitted.min()), float(fitted.max()))
    if high <= low:
        raise NotApplicable("all training values are the same")
    return low, high


def _decoder(run: RunView) -> Callable[[np.ndarray], np.ndarray]:
    """The decoder as a function from codes (n, m) to images."""
    if not run.config.model.PROJECTS_LINEARLY:
        return run.trained.decoded
    back = _linear(run.weights["components"], run.weights["mean"], run.loaded.net_input.shape)
    return lambda codes: run.preprocessing.inverse(back(codes))


def _linear(vectors: np.ndarray, mean: np.ndarray, shape: Shape) -> Callable[[np.ndarray], np.ndarray]:
    """A function from coordinates (n, m) along vectors (m, d) to samples of a shape."""
    return lambda codes: (codes @ vectors + mean).astype(np.float32).reshape(-1, *shape)


def _curve(
    codes: np.ndarray, known: np.ndarray, error: Callable[[np.ndarray], np.ndarray], most: int
) -> list[dict[str, Any]]:
    """Bytes and error of quantized codes for each number of bits; quantizers are fitted to the codes `known`."""
    rows = []
    for bits in range(1, most + 1):
        quantized, cost = quantizer(known, bits)(codes)
        rows.append({"bits": bits, **_measured("bytes", cost / 8), **_measured("mse", error(quantized))})
    return rows


def _measured(name: str, values: np.ndarray) -> dict[str, float | None]:
    return {name: float(values.mean()), f"{name}_stderr": mean_stderr(values)}


def jpeg(images: np.ndarray, qualities: Sequence[int]) -> list[dict[str, Any]]:
    """Bytes of the JPEG files, of their pixel data alone, and errors of images (n, height, width, 1 or 3) in [0, 1]."""
    rows = []
    for quality in qualities:
        files = [_file(image, "JPEG", quality=quality) for image in images]
        errors = np.array(
            [((_read(file, image.shape) - image) ** 2).mean() for file, image in zip(files, images, strict=True)]
        )
        rows.append({"quality": quality, **_bytes(files, scan), **_measured("mse", errors)})
    return rows


def png(images: np.ndarray) -> dict[str, Any]:
    """Bytes of the PNG files, and of their pixel data alone: lossless after rounding to 8 bits per value."""
    return _bytes([_file(image, "PNG", optimize=True) for image in images], pixel_chunks)


def _bytes(files: list[bytes], payload: Callable[[bytes], int]) -> dict[str, Any]:
    whole, pixels = (np.array([size(file) for file in files], float) for size in (len, payload))
    return {**_measured("bytes", whole), **_measured("payload_bytes", pixels)}


def _file(image: np.ndarray, kind: str, **options: Any) -> bytes:
    from PIL import Image

    values = np.rint(255 * image).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values).save(content, kind, **options)
    return content.getvalue()


def _read(file: bytes, shape: tuple[int, ...]) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(file)), np.float64).reshape(shape) / 255


def scan(file: bytes) -> int:
    """The bytes of a JPEG file between the header of its one scan and the marker of its end (ITU-T T.81, annex B)."""
    place = 2
    while file[place + 1] != 0xDA:  # start of scan
        place += 2 + int.from_bytes(file[place + 2 : place + 4], "big")
    return len(file) - 2 - (place + 2 + int.from_bytes(file[place + 2 : place + 4], "big"))


def pixel_chunks(file: bytes) -> int:
    """The bytes of the IDAT chunks of a PNG file, without their lengths, names and checksums (ISO/IEC 15948)."""
    place, total = 8, 0
    while place < len(file):
        length = int.from_bytes(file[place : place + 4], "big")
        total += length if file[place + 4 : place + 8] == b"IDAT" else 0
        place += 12 + length
    return total


def _summary(numbers: dict[str, Any]) -> str:
    best = min(row["mse"] for row in numbers["code"])
    code = next(row for row in numbers["code"] if row["mse"] <= NEAR * best)
    summary = f"mse {rounded(code['mse'], code['mse_stderr'])} with {code['bytes']:.3g} bytes an image "
    summary += f"({numbers['code_size']} numbers of {code['bits']} bits)"
    if "pca" in numbers:
        beside = numbers["pca"][code["bits"] - 1]
        summary += f", PCA {beside['mse']:.3g} with {beside['bytes']:.3g}"
    payload, whole = (_needed(numbers["jpeg"], code["mse"], name) for name in ("payload_bytes", "bytes"))
    return f"{summary}; JPEG needs {payload} for it, {whole} with its header"


def _needed(rows: list[dict[str, Any]], mse: float, name: str) -> str:
    """The bytes at which a curve reaches an error, interpolated on logarithmic axes."""
    errors, sizes = np.array([row["mse"] for row in rows]), np.array([row[name] for row in rows])
    if mse > errors.max():
        return f"less than {sizes.min():.3g}"
    if mse < errors.min():
        return f"more than {sizes.max():.3g}"
    return f"{math.exp(np.interp(-math.log(mse), -np.log(errors), np.log(sizes))):.3g}"


def _picture(name: str, numbers: dict[str, Any]) -> Picture:
    caption = f"mean squared error per value of {numbers['samples']:,} {numbers['split']} images, values from 0 to 1; "
    caption += "a code's bytes are those of an ideal entropy coder, without the decoder's weights; PNG loses nothing"
    figure = theme.figure(10.5, 6.6, f"{name}: error against size", caption)
    axes = figure.subplots()
    bits, qualities = f"1 to {len(numbers['code'])} bits each", f"quality {QUALITIES[0]} to {QUALITIES[-1]}"
    curves = [
        (f"code of {numbers['code_size']}", bits, numbers["code"], "bytes", theme.BLUE, "-"),
        ("PCA", bits, numbers.get("pca", []), "bytes", theme.GREY, "-"),
        ("JPEG, pixels only", qualities, numbers["jpeg"], "payload_bytes", theme.VERMILLION, "-"),
        ("JPEG files", qualities, numbers["jpeg"], "bytes", theme.VERMILLION, "--"),
    ]
    table: dict[str, list[Any]] = {"what": [], "setting": [], "bytes": [], "mse": []}
    for label, setting, rows, size, colour, style in curves:
        if rows:
            sizes, errors = [row[size] for row in rows], [row["mse"] for row in rows]
            axes.plot(sizes, errors, style, color=colour, marker="o", markersize=5, label=f"{label}\n{setting}")
            settings = [row.get("bits", row.get("quality")) for row in rows]
            for key, values in zip(table, ([label] * len(rows), settings, sizes, errors), strict=True):
                table[key] += values
    for label, size, style in (("PNG, pixels only", "payload_bytes", "-"), ("PNG files", "bytes", "--")):
        axes.axvline(numbers["png"][size], color=theme.GREEN, linestyle=style, linewidth=1.5, label=label)
        for key, value in zip(table, (label, None, numbers["png"][size], 0.0), strict=True):
            table[key].append(value)
    _scales(axes)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), labelspacing=0.9)
    return Picture("rate_distortion", figure, table)


def _scales(axes: Axes) -> None:
    axes.set(xscale="log", yscale="log", xlabel="bytes an image", ylabel="mean squared error")
    for axis in (axes.xaxis, axes.yaxis):
        log_axis.label(axis)
    axes.yaxis.set_minor_formatter("")
    axes.grid(color=theme.PALE, linewidth=0.8)

"""Power spectra of filters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from mlphys.errors import NotApplicable
from mlphys.figures import image_pairs, theme, weight_images
from mlphys.figures.analysis_result import Analysis, AnalysisResult
from mlphys.figures.example_experiments import classifier_of_images
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.numerics.uncertainty import mean_stderr, rounded
from mlphys.schema.fields import Count, Whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMALLEST = 3  # pixels
HIGHEST = 0.5  # cycles per pixel: what two pixels hold
RINGS = 16
SHOWN, ACROSS = 40, 10


class Spectra(Analysis):
    """The power spectrum of each filter, its peak frequency, and the mean spectrum by frequency (Fourier).

    |sum_xy w(x, y) exp(-2 pi i (f_x x + f_y y))|^2 of the weights w of each filter: its power transmission.

    Computed at `size` frequencies in each direction, from -.5 to .5 cycles per pixel: more than the filter has
    weights, which interpolates. A filter's peak is the largest value: its frequency, and the orientation of this
    wave's stripes in degrees from horizontal, counterclockwise, null at frequency 0. The mean over the filters,
    each divided by its sum, is taken in rings of equal frequency.

    `layer` is a number as `config explain` has it, null the first one that sees images; weights on components of
    images, as after `whiten: pca`, are transformed back to pixels. `filters`: their number, evenly spaced, with all
    channels.
    """

    layer: Whole | None = None
    """The number of the layer, as `mlphys config explain` counts; null is the first that sees images. Example: 0"""
    filters: Count = 200
    """How many filters are used, evenly from all."""
    size: Annotated[int, Field(ge=16, le=512)] = 64
    """The number of frequencies in each direction."""

    def check(self, resolved: ResolvedView) -> None:
        weight_images.chosen(resolved, self.layer, SMALLEST)

    def measure(self, run: RunView) -> AnalysisResult:
        layer = weight_images.chosen(run.loaded, self.layer, SMALLEST)
        kernels, channels = weight_images.each_of_run(layer, run)
        selected = [i for i in image_pairs.evenly(len(kernels), self.filters) if kernels[i].any()]
        if not selected:
            raise NotApplicable(f"the weights of {layer.title} are all zero")
        size = max(self.size, *kernels.shape[1:])
        spectra = [spectrum(kernels[i], size) for i in selected]
        peaks = [peak(power) for power in spectra]
        rings, mean, error = _radial(spectra)
        frequencies = np.array([frequency for frequency, _ in peaks])
        middle = float(frequencies.mean()), mean_stderr(frequencies)
        numbers: dict[str, Any] = {
            "layer": layer.number,
            "filters": len(selected),
            "mean_peak_frequency": middle[0],
            "mean_peak_frequency_stderr": middle[1],
            "peaks": [
                {"filter": i // channels, "channel": i % channels, "frequency": frequency, "orientation": orientation}
                for i, (frequency, orientation) in zip(selected, peaks, strict=True)
            ],
            "radial": {"frequency": rings, "mean_power": mean, "mean_power_stderr": error},
        }
        summary = (
            f"{len(selected)} filters of {layer.title} answer most to {rounded(*middle)} cycles per pixel on average"
        )
        shown = [kernels[i] for i in selected]
        return AnalysisResult(
            numbers, summary, [_picture(f"{run.name}: filters and their spectra", summary, shown, spectra, numbers)]
        )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_images()


def spectrum(kernel: np.ndarray, size: int) -> np.ndarray:
    """The power (size, size) at frequencies from -.5, down and to the right, 0 in the middle."""
    return np.fft.fftshift(np.abs(np.fft.fft2(kernel, (size, size))) ** 2)


def peak(power: np.ndarray) -> tuple[float, float | None]:
    """The frequency of the largest power, and the orientation of its stripes, which a constant has not."""
    down, along = _frequencies(len(power))
    half = np.where((along > 0) | ((along == 0) & (down >= 0)), power, -1)  # the other half is the same
    at = np.unravel_index(half.argmax(), power.shape)
    frequency = math.hypot(down[at], along[at])
    angle = math.atan2(down[at], along[at])  # of the wave, rows counting downwards
    return frequency, math.degrees(math.pi / 2 - angle) % 180 if frequency else None


def _frequencies(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Down and to the right, each (size, size)."""
    line = np.fft.fftshift(np.fft.fftfreq(size))
    down, along = np.meshgrid(line, line, indexing="ij")
    return down, along


def _radial(spectra: list[np.ndarray]) -> tuple[list[float], list[float], list[float | None]]:
    """Middle of each ring, the mean over the filters of their part of the power in a place of it, and its error."""
    radius = np.hypot(*_frequencies(len(spectra[0])))
    ring = np.floor(radius / HIGHEST * RINGS).astype(int)
    within = ring < RINGS  # the corners have incomplete rings
    counts = np.bincount(ring[within], minlength=RINGS)
    means = np.array([np.bincount(ring[within], power[within], RINGS) / counts / power.sum() for power in spectra])
    middles = [(i + 0.5) * HIGHEST / RINGS for i in range(RINGS)]
    return middles, [float(m) for m in means.mean(axis=0)], [mean_stderr(values) for values in means.T]


def _picture(
    title: str, summary: str, kernels: list[np.ndarray], spectra: list[np.ndarray], numbers: dict[str, Any]
) -> Picture:
    order = sorted(range(len(kernels)), key=lambda i: numbers["peaks"][i]["frequency"])
    shown = [order[i] for i in image_pairs.evenly(len(order), SHOWN)]
    across = min(ACROSS, len(shown))
    lines = math.ceil(len(shown) / across)
    caption = (
        f"{summary.replace('+-', '±')}; above the filter, in its own colours around zero, below its power, black is 0, "
    )
    caption += "from -½ to ½ cycles per pixel both ways, and the frequency of its peak"
    if len(shown) < len(order):
        caption += f"; here {len(shown)} of them, evenly by this frequency"
    figure = theme.figure(0.75 * across + 6.6, max(1.75 * lines + 1.8, 6.2), title, caption)
    left, right = figure.subplots(1, 2, width_ratios=[0.75 * across, 5])
    labels = [f"{numbers['peaks'][i]['frequency']:.2f}" for i in shown]
    image_pairs.draw(left, [kernels[i] for i in shown], [spectra[i] for i in shown], labels, across, lower_signed=False)
    _curve(right, numbers["radial"])
    return Picture("spectra", figure, {key: list(values) for key, values in numbers["radial"].items()})


def _curve(axes: Axes, radial: dict[str, list[Any]]) -> None:
    mean, error = np.array(radial["mean_power"]), np.array([e or 0.0 for e in radial["mean_power_stderr"]])
    relative = mean.max()
    axes.plot(radial["frequency"], mean / relative, color=theme.BLUE, marker="o", markersize=5)
    low, high = (mean - error) / relative, (mean + error) / relative
    axes.fill_between(radial["frequency"], low, high, color=theme.BLUE, alpha=0.3, linewidth=0)
    axes.set(xlabel="cycles per pixel", ylabel="mean power, largest = 1", xlim=(0, HIGHEST), ylim=(0, None))
    axes.grid(axis="y", color=theme.PALE, linewidth=0.8)

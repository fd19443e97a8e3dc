"""Gabor functions fitted to kernels (Ringach 2002)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from mlphys.errors import NotApplicable
from mlphys.figures import image_pairs, theme, weight_images
from mlphys.figures.analysis_result import Analysis, AnalysisResult
from mlphys.figures.example_experiments import classifier_of_images
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.numerics.randomness import rng
from mlphys.numerics.uncertainty import fraction_stderr, rounded
from mlphys.schema.fields import Count, Whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMALLEST = 5  # pixels: 3 x 3 numbers are hardly more than a Gabor function's eight
GOOD = 0.8
FLAT = 1e-3  # kernels with a smaller standard deviation, relative to the largest one, are left out
LOWEST, HIGHEST = 0.005, math.sqrt(0.5)  # cycles per pixel: still a wave; two pixels in both directions
NARROWEST = 0.3  # pixels
PADDED = 64  # samples per direction of the Fourier transform for initial values
STARTS = 4
SCALES = (1, 1, 1, 1, 0.3, 0.05)  # of steps in the six parameters
WIDTHS = (1.0, 1.8, 3.2)  # pixels: initial widths of the envelope
MOST_STEPS = 200
SHOWN, ACROSS = 40, 10


class Gabor(Analysis):
    """Fit of a Gabor function to each kernel: R^2, frequency, orientation, phase and shape (Ringach 2002).

    A Gabor function fitted to each kernel by least squares (Gabor 1946; Jones & Palmer 1987; Ringach 2002):

        g(x, y) = A exp(-u^2 / (2 sigma_x^2) - v^2 / (2 sigma_y^2)) cos(2 pi f u + phase)

    u goes along the wave and v across it, both from the envelope's centre. R^2 is the share of the weights' variance
    within the kernel, 0 for a fit worse than the mean. `frequency` f is in cycles per pixel; `orientation` that of
    the stripes, in degrees from horizontal, counterclockwise; the phase is folded: 0 is even, 90 odd. (n_x, n_y) =
    (sigma_x f, sigma_y f) is the envelope in periods: blobs are near 0, filters of many stripes far from it.

    `layer` is a number as `config explain` has it, null the first one that sees images; weights on components of
    images, as after `whiten: pca`, are transformed back to pixels. `kernels`: the number of kernels, evenly spaced over
    all filters and channels. For comparison, `shuffled` of them are fitted with shuffled weights.
    """

    layer: Whole | None = None
    """The number of the layer, as `mlphys config explain` counts; null is the first that sees images. Example: 0"""
    kernels: Count = 200
    """How many kernels are fitted, evenly from all."""
    shuffled: Annotated[int, Field(ge=0, le=1000)] = 30
    """How many kernels are fitted with shuffled weights, for comparison."""

    def check(self, resolved: ResolvedView) -> None:
        weight_images.chosen(resolved, self.layer, SMALLEST)

    def measure(self, run: RunView) -> AnalysisResult:
        layer = weight_images.chosen(run.loaded, self.layer, SMALLEST)
        kernels, channels = weight_images.each_of_run(layer, run)
        spread = kernels.std(axis=(1, 2))
        selected = [i for i in image_pairs.evenly(len(kernels), self.kernels) if spread[i] > FLAT * spread.max()]
        if not selected:
            raise NotApplicable(f"the weights of {layer.title} do not vary")
        fits = {i: fitted(kernels[i]) for i in selected}
        ranked = sorted(selected, key=lambda i: -fits[i][0].r2)
        r2 = np.array([fits[i][0].r2 for i in ranked])
        good, error = float((r2 > GOOD).mean()), fraction_stderr(int((r2 > GOOD).sum()), len(r2))
        numbers: dict[str, Any] = {
            "layer": layer.number, "kernels": len(selected),
            "left_out_as_flat": min(len(kernels), self.kernels) - len(selected),
            "good_share": good, "good_share_stderr": error, "median_r2": float(np.median(r2)),
        }  # fmt: skip
        summary = f"R^2 > {GOOD:g} for {rounded(good, error)} of {len(selected)} kernels of {layer.title}"
        summary += f", median {numbers['median_r2']:.2f}"
        if self.shuffled:
            random = rng(run.config.seed, "analysis/gabor")
            some = [kernels[selected[i]] for i in image_pairs.evenly(len(selected), self.shuffled)]
            control = np.array(
                [fitted(random.permutation(kernel.ravel()).reshape(kernel.shape))[0].r2 for kernel in some]
            )
            numbers["shuffled"] = {
                "kernels": len(some), "good_share": float((control > GOOD).mean()),
                "median_r2": float(np.median(control)),
            }  # fmt: skip
            summary += f"; of shuffled ones {numbers['shuffled']['good_share']:.2g}, median {np.median(control):.2f}"
        numbers["fits"] = [{"filter": i // channels, "channel": i % channels, **asdict(fits[i][0])} for i in ranked]
        return AnalysisResult(numbers, summary, [_picture(run.name, summary, kernels, fits, ranked, channels)])

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_images()


@dataclass(frozen=True)
class Fit:
    """A Gabor function: the centre and sigmas in pixels, x to the right, y down; c cos + s sin in the wave."""

    r2: float
    x: float
    y: float
    sigma_x: float
    sigma_y: float
    frequency: float
    orientation: float
    phase: float
    amplitude: float
    n_x: float
    n_y: float


def fitted(kernel: np.ndarray) -> tuple[Fit, np.ndarray]:
    """The best Gabor function of a kernel (height, width), and its values.

    Amplitude and phase are linear and follow from the other six by projection (Golub & Pereyra 1973), with the
    derivatives of Kaufman (1975). A fit starts from each of the highest maxima of the Fourier transform, with the
    best of some envelopes.
    """
    from scipy.optimize import least_squares

    y, x = (axis.ravel().astype(float) for axis in np.indices(kernel.shape))
    scale = float(np.abs(kernel).max())
    w = kernel.ravel().astype(float) / scale
    size = max(kernel.shape)
    low = np.array([-0.5, -0.5, NARROWEST, NARROWEST, -np.inf, LOWEST])
    high = np.array([kernel.shape[1] - 0.5, kernel.shape[0] - 0.5, size, size, np.inf, HIGHEST])

    def residual(p: np.ndarray) -> np.ndarray:
        q, _ = np.linalg.qr(_waves(p, x, y))
        return w - q @ (q.T @ w)

    def derivatives(p: np.ndarray) -> np.ndarray:
        q, r = np.linalg.qr(_waves(p, x, y))
        changes = _changes(p, x, y, np.linalg.lstsq(r, q.T @ w, rcond=None)[0])
        return q @ (q.T @ changes) - changes

    starts = [start.clip(low + 1e-6, high - 1e-6) for start in _starts(w.reshape(kernel.shape), x, y)]
    tries = [
        least_squares(residual, start, derivatives, (low, high), x_scale=SCALES, max_nfev=MOST_STEPS)
        for start in starts
    ]
    best = min(tries, key=lambda fit: fit.cost).x
    waves = _waves(best, x, y)
    (c, s), *_ = np.linalg.lstsq(waves, w, rcond=None)
    values = waves @ [c, s]
    r2 = max(0.0, 1 - float(((w - values) ** 2).sum() / ((w - w.mean()) ** 2).sum()))
    x0, y0, sigma_x, sigma_y, angle, frequency = (float(value) for value in best)
    fit = Fit(
        r2, x0, y0, sigma_x, sigma_y, frequency,
        orientation=math.degrees(math.pi / 2 - angle) % 180,  # rows count downwards
        phase=math.degrees(math.atan2(abs(s), abs(c))),
        amplitude=scale * math.hypot(c, s),
        n_x=sigma_x * frequency, n_y=sigma_y * frequency,
    )  # fmt: skip
    return fit, scale * values.reshape(kernel.shape)


def _waves(p: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Cosine and sine below the envelope, (..., pixels, 2), for parameters (..., 6)."""
    x0, y0, sigma_x, sigma_y, angle, frequency = (p[..., i, None] for i in range(6))
    cos, sin = np.cos(angle), np.sin(angle)
    u, v = (x - x0) * cos + (y - y0) * sin, (y - y0) * cos - (x - x0) * sin
    envelope = np.exp(-(u**2) / (2 * sigma_x**2) - v**2 / (2 * sigma_y**2))
    return np.stack([envelope * np.cos(2 * np.pi * frequency * u), envelope * np.sin(2 * np.pi * frequency * u)], -1)


def _changes(p: np.ndarray, x: np.ndarray, y: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Derivatives of c cosine + s sine, (pixels, 6), by the parameters."""
    x0, y0, sigma_x, sigma_y, angle, frequency = p
    cos, sin = np.cos(angle), np.sin(angle)
    u, v = (x - x0) * cos + (y - y0) * sin, (y - y0) * cos - (x - x0) * sin
    waves, (c, s) = _waves(p, x, y), factors
    values, quarter = waves @ [c, s], waves @ [s, -c]  # and a quarter of a period on
    along = -u / sigma_x**2 * values + 2 * np.pi * frequency * quarter
    across = -v / sigma_y**2 * values
    return np.stack(
        [
            -cos * along + sin * across,
            -sin * along - cos * across,
            u**2 / sigma_x**3 * values,
            v**2 / sigma_y**3 * values,
            v * along - u * across,
            2 * np.pi * u * quarter,
        ],
        axis=-1,
    )


def _starts(kernel: np.ndarray, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """For each of the highest maxima of the Fourier transform the best of some centres and widths."""
    w = kernel.ravel()
    power = w**2 / (w**2).sum()
    largest = int(np.abs(w).argmax())
    centres = [(power @ x, power @ y), (x[largest], y[largest])]
    starts = []
    for along, down in _maxima(kernel):
        angle, frequency = math.atan2(down, along), max(LOWEST, math.hypot(along, down))
        candidates = np.array([(*c, a, b, angle, frequency) for c in centres for a in WIDTHS for b in WIDTHS])
        q, _ = np.linalg.qr(_waves(candidates, x, y))
        starts.append(candidates[((w @ q) ** 2).sum(axis=-1).argmax()])
    return starts


def _maxima(kernel: np.ndarray) -> list[tuple[float, float]]:
    """The highest maxima of the power spectrum without the mean: cycles per pixel to the right and down."""
    n = max(PADDED, *kernel.shape)
    power = np.abs(np.fft.fft2(kernel - kernel.mean(), (n, n))) ** 2
    frequencies = np.fft.fftfreq(n)
    down, along = np.meshgrid(frequencies, frequencies, indexing="ij")
    power[along < 0] = 0  # the other half is the same
    maxima = []
    for _ in range(STARTS):
        row, column = np.unravel_index(power.argmax(), power.shape)
        maxima.append((float(along[row, column]), float(down[row, column])))
        near = np.hypot(along - along[row, column], down - down[row, column]) < 0.7 / max(kernel.shape)
        power[near] = 0
    return maxima


def _picture(
    name: str,
    summary: str,
    kernels: np.ndarray,
    fits: dict[int, tuple[Fit, np.ndarray]],
    ranked: list[int],
    channels: int,
) -> Picture:
    shown = [ranked[i] for i in image_pairs.evenly(len(ranked), SHOWN)]
    across = min(ACROSS, len(shown))
    lines = math.ceil(len(shown) / across)
    caption = summary.replace("R^2", "R²").replace("+-", "±")
    caption += "; above the kernel, below the fit, each in its own colours around zero, and R²"
    if len(shown) < len(ranked):
        caption += f"; here {len(shown)} of them, evenly from the best to the worst"
    figure = theme.figure(
        0.75 * across + 6.6, max(1.65 * lines + 1.6, 6.2), f"{name}: kernels and Gabor functions", caption
    )
    left, right = figure.subplots(1, 2, width_ratios=[0.75 * across, 5])
    image_pairs.draw(
        left,
        [kernels[i] for i in shown],
        [fits[i][1] for i in shown],
        [f"{fits[i][0].r2:.2f}" for i in shown],
        across,
    )
    _shapes(right, [fits[i][0] for i in ranked])
    table = {"filter": [i // channels for i in ranked], "channel": [i % channels for i in ranked]}
    rows = [asdict(fits[i][0]) for i in ranked]
    return Picture("gabor", figure, {**table, **{key: [row[key] for row in rows] for key in rows[0]}})


def _shapes(axes: Axes, fits: list[Fit]) -> None:
    """The plane of (n_x, n_y), as far as those reach that are well fitted."""
    good, others = ([fit for fit in fits if (fit.r2 > GOOD) == is_good] for is_good in (True, False))
    most = 1.05 * max(max(fit.n_x, fit.n_y) for fit in good or fits)
    beyond = sum(max(fit.n_x, fit.n_y) > most for fit in others)
    label = f"others, {beyond} beyond" if beyond else "others"
    style: dict[str, Any] = {"marker": "o", "linestyle": "", "markersize": 6}
    for of, name, fill, edge in (
        (others, label, "none", theme.GREY),
        (good, f"R² > {GOOD:g}", theme.BLUE, theme.BLUE),
    ):
        n_x, n_y = [fit.n_x for fit in of], [fit.n_y for fit in of]
        axes.plot(n_x, n_y, label=name, markerfacecolor=fill, markeredgecolor=edge, **style)
    axes.plot([0, most], [0, most], color=theme.PALE, linewidth=1, zorder=0)
    axes.set(
        xlim=(0, most), ylim=(0, most), aspect="equal",
        xlabel="waves within σ, along the wave", ylabel="waves within σ, along the stripes",
    )  # fmt: skip
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)

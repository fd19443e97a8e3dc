"""The convolution theorem: a convolution is the inverse Fourier transform of a product."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult, SampledAnalysis, before_activation
from mlphys.figures.example_experiments import classifier_of_images
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.schema.layers import Conv2D, FixedConv2D
from mlphys.schema.shapes import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_FILTERS = 4  # in the picture
COLUMNS = (
    "input",
    "kernel",
    "|product of\ntransforms|",
    "direct sum",
    "inverse transform\nof the product",
    "difference",
)


class ConvolutionTheorem(SampledAnalysis):
    """Convolution theorem: the direct sum compared with the inverse Fourier transform of a product.

    Of the first convolution, or of the `layer` with this number, with x its input and K its kernel,

        sum_ab x(i + a, j + b) K(a, b) = F^-1[ F[x] F[K]* ](i, j),

    summed over input channels. Layers, as those of Keras, do not flip their kernels, hence the complex conjugate; the
    convolution of the theorem, with x(i - a, j - b), has F[K] itself. x and K are padded with zeros, so that what
    the discrete transform wraps around is zero. Both sides in float64, and the network's own output, before bias and
    activation, in float32; differences are relative to the largest value of the direct sum.
    """

    samples: Annotated[int, Field(ge=1, le=1000)] = 10
    layer: Annotated[int, Field(ge=0)] | None = None
    """The number of the convolution; null is the first one. Example: 2"""

    def check(self, resolved: ResolvedView) -> None:
        _chosen(resolved.rows(), self.layer)

    def measure(self, run: RunView) -> AnalysisResult:
        split, some = self.samples_of(run)
        number, row = _chosen(run.rows, self.layer)
        before = run.trained.to_points(some.x) if not number else run.trained.layers(some.x)[run.rows[number - 1].name]
        x = before.reshape(-1, *row.input_shape).astype(np.float64)
        kernel = run.weights[f"{row.name}.kernel"].astype(np.float64)
        same = getattr(row.layer, "padding", "valid") == "same"
        direct, transformed = direct_sum(x, kernel, same), by_transforms(x, kernel, same)
        net = before_activation(run, row)(run.trained.to_points(some.x)).reshape(direct.shape)
        net = net - run.weights.get(f"{row.name}.bias", np.float32(0))
        largest = float(np.abs(direct).max()) or 1.0
        error, of_net = (float(np.abs(other - direct).max()) / largest for other in (transformed, net))
        numbers: dict[str, Any] = {
            "split": split, "samples": len(x), "layer": row.name, "input": list(row.input_shape),
            "kernel": list(kernel.shape), "padding": "same" if same else "valid", "largest_value": largest,
            "difference": error, "rounding_float64": float(np.finfo(np.float64).eps),
            "difference_of_the_network": of_net, "rounding_float32": float(np.finfo(np.float32).eps),
        }  # fmt: skip
        summary = (
            f"direct sum and inverse transform of the product differ by {error:.1e} of the largest value at most "
            f"(float64), the network's float32 output by {of_net:.1e}; {row.name}, {len(x)} {split} samples"
        )
        shown = x[0], kernel, direct[0], transformed[0]
        figure = _figure(run.name, *shown, f"the first of {len(x)} {split} samples; {summary.partition(';')[0]}")
        return AnalysisResult(numbers, summary, [Picture("convolution_theorem", figure, _table(*shown[2:]))])

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_images()


def _chosen(rows: Any, number: int | None) -> tuple[int, Row]:
    """Number and row of a convolution of stride 1. Raises NotApplicable."""
    convolutions = {i: row for i, row in enumerate(rows) if isinstance(row.layer, Conv2D | FixedConv2D)}
    if not convolutions:
        raise NotApplicable("it has no layer Conv2D or FixedConv2D")
    number = min(convolutions) if number is None else number
    if number not in convolutions:
        known = ", ".join(map(str, convolutions))
        raise NotApplicable(f"layer {number} is no convolution; those with the numbers {known} are")
    layer = convolutions[number].layer
    if layer.strides != (1, 1) or getattr(layer, "dilation_rate", (1, 1)) != (1, 1):
        raise NotApplicable("the theorem is of convolutions with strides and dilation_rate 1; name another layer")
    if number and rows[number - 1].output_shape != convolutions[number].input_shape:
        raise NotApplicable(f"the input of layer {number} is not the output of the layer before; name another layer")
    return number, convolutions[number]


def direct_sum(x: np.ndarray, kernel: np.ndarray, same: bool) -> np.ndarray:
    """sum_abc x(i + a, j + b, c) K(a, b, c, f) of x (n, h, w, c): (n, rows, columns, f); `same` pads with zeros."""
    if same:
        before, after = zip(*((((k - 1) // 2), k // 2) for k in kernel.shape[:2]), strict=True)
        x = np.pad(x, ((0, 0), (before[0], after[0]), (before[1], after[1]), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))
    return np.einsum("nijcab,abcf->nijf", windows, kernel, optimize=True)


def by_transforms(x: np.ndarray, kernel: np.ndarray, same: bool) -> np.ndarray:
    """The same by F^-1[F[x] F[K]*], summed over channels."""
    sides = tuple(n + k - 1 for n, k in zip(x.shape[1:3], kernel.shape[:2], strict=True))
    product = np.einsum("nuvc,uvcf->nuvf", np.fft.rfft2(x, sides, (1, 2)), np.fft.rfft2(kernel, sides, (0, 1)).conj())
    outputs = np.fft.irfft2(product, sides, (1, 2))
    for axis, (n, k) in enumerate(zip(x.shape[1:3], kernel.shape[:2], strict=True), 1):
        first, count = (-((k - 1) // 2), n) if same else (0, n - k + 1)
        outputs = outputs.take(np.arange(first, first + count), axis, mode="wrap")
    return outputs


def _figure(
    name: str, x: np.ndarray, kernel: np.ndarray, direct: np.ndarray, transformed: np.ndarray, caption: str
) -> Figure:
    """A row for each filter, of the first input channel where it has several."""
    filters = min(direct.shape[-1], MOST_FILTERS)
    if direct.shape[-1] > filters:
        caption += f"; {filters} of {direct.shape[-1]} filters"
    if x.shape[-1] > 1:
        caption += "; input, kernel and product: the first channel"
    figure = theme.figure(13, 2.25 * filters + 2.2, f"{name}: the convolution theorem", caption)
    axes = figure.subplots(filters, len(COLUMNS), squeeze=False)
    sides = tuple(n + k - 1 for n, k in zip(x.shape[:2], kernel.shape[:2], strict=True))
    spectrum = np.fft.fft2(x[..., 0], sides)
    for f, panels in enumerate(axes):
        product = np.abs(spectrum * np.fft.fft2(kernel[..., 0, f], sides).conj())
        difference = transformed[..., f] - direct[..., f]
        _grey(panels[0], x[..., 0])
        _signed(panels[1], kernel[..., 0, f])
        _grey(panels[2], np.fft.fftshift(np.log10(product + 1e-12 * (product.max() or 1.0))))
        _signed(panels[3], direct[..., f])
        _signed(panels[4], transformed[..., f])
        largest = _signed(panels[5], difference)
        panels[0].set_ylabel(f"filter {f}")
        panels[5].set_xlabel(f"up to {largest:.0e}")
    for panel, title in zip(axes[0], COLUMNS, strict=True):
        panel.set_title(title, fontsize=13)
    return figure


def _grey(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(image, cmap="gray_r")
    axes.set(xticks=[], yticks=[])


def _signed(axes: Axes, image: np.ndarray) -> float:
    """Blue below zero, red above, on a scale of its own, whose end is returned."""
    largest = float(np.abs(image).max())
    axes.imshow(image, cmap=theme.SIGNED, vmin=-(largest or 1.0), vmax=largest or 1.0)
    axes.set(xticks=[], yticks=[])
    return largest


def _table(direct: np.ndarray, transformed: np.ndarray) -> dict[str, list[Any]]:
    rows, columns, filters = np.indices(direct.shape).reshape(3, -1).tolist()
    return {
        "filter": filters, "row": rows, "column": columns, "direct": direct.ravel().tolist(),
        "by_transforms": transformed.ravel().tolist(),
    }  # fmt: skip

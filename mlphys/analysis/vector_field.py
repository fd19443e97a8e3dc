"""The vector field r(x) - x (Alain & Bengio 2014; Memisevic)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from mlphys.errors import NotApplicable
from mlphys.figures import named_values, theme
from mlphys.figures.analysis_result import AnalysisResult, SampledAnalysis, needs_reconstructions
from mlphys.figures.example_experiments import autoencoder_of_points
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import ResolvedView, RunView, TrainedView
from mlphys.numerics.randomness import rng
from mlphys.numerics.uncertainty import mean_stderr, rounded
from mlphys.schema.fields import Count, NotNegative
from mlphys.schema.layers import text
from mlphys.schema.samples import SplitInMemory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN = 0.25  # around the samples, as a fraction of their range
FINE = 41  # places along each side where the field is computed
NEWTON = 40  # steps
SAME = 1e-3  # of the range: closer fixed points are the same
AT_REST = 1e-4  # of the range: |r(x) - x| at a fixed point
MOST_POINTS = 200
CHAINS, LINES = 10, 6
KINDS = ("attracting", "saddle", "repelling")


class VectorField(SampledAnalysis):
    """The field r(x) - x: its fixed points in the plane, and images that follow it (Alain & Bengio 2014; Memisevic).

    x <- x + eta (r(x) - x), from `samples` on for `steps` steps.

    In the plane: stream lines; fixed points r(x) = x, found by this iteration from samples and a grid, followed by
    Newton's method; the eigenvalues of dr/dx there and at the samples. A fixed point is attractive if all eigenvalues
    have a real part below 1, as denoising and contraction favour near the data. For images: the sequence of images
    from samples with added noise N(0, noise^2), and their distances from the samples and from rest. Coordinates are
    those of the network's input.
    """

    eta: Annotated[float, Field(gt=0, le=1)] = 0.1
    """The step size along r(x) - x."""
    steps: Count = 200
    """The number of steps."""
    noise: NotNegative = 0.3
    """The standard deviation of the noise on the samples from which steps begin."""

    def check(self, resolved: ResolvedView) -> None:
        needs_reconstructions(resolved)
        shape, input_shape = resolved.description.shape, resolved.net_input.shape
        image = len(shape) == 3 and shape[-1] in (1, 3)
        if input_shape != (2,) and not image:
            raise NotApplicable(
                f"a field on samples of {text(input_shape)} cannot be drawn; it takes 2 features, or images"
            )
        if image and not all(step.invertible for step in resolved.experiment.data.preprocess):
            raise NotApplicable("data.preprocess cannot be undone: what follows the field are no images")

    def measure(self, run: RunView) -> AnalysisResult:
        split, some = self.samples_of(run)
        planar = run.loaded.net_input.shape == (2,)
        return self._in_the_plane(run, split, some) if planar else self._of_images(run, split, some)

    @classmethod
    def example(cls) -> dict[str, Any]:
        return autoencoder_of_points()

    def _in_the_plane(self, run: RunView, split: str, some: SplitInMemory) -> AnalysisResult:
        net, z = run.trained, run.trained.to_points(some.x)
        low, high, extent = _frame(z)
        columns, rows = np.linspace(low, high, FINE).T
        places = np.stack([values.ravel() for values in np.meshgrid(columns, rows)], axis=1).astype(np.float32)
        field = net.output("reconstructions")(places) - places
        points = _fixed_points(net, np.concatenate([z, _coarser(places)]), self, (low, high), extent)
        jacobians = net.output("reconstructions").jacobians(np.concatenate([points, z]))
        eigenvalues = np.linalg.eigvals(jacobians.astype(np.float64))
        of_points, of_samples = eigenvalues[: len(points)], np.sort(eigenvalues[len(points) :].real)
        kinds = [_kind(values) for values in of_points]
        speeds = np.linalg.norm(net.output("reconstructions")(z) - z, axis=1)
        across, along = of_samples.T
        below = float((along < 1).mean())
        numbers: dict[str, Any] = {
            "split": split, "samples": len(z),
            "fixed_points": [
                {"x": point, "kind": kind, "eigenvalues": [[value.real, value.imag] for value in values]}
                for point, kind, values in zip(points.tolist(), kinds, of_points.tolist(), strict=True)
            ],
            **{kind: kinds.count(kind) for kind in KINDS},
            "largest_eigenvalue_at_samples": float(along.mean()),
            "largest_eigenvalue_at_samples_stderr": mean_stderr(along),
            "smallest_eigenvalue_at_samples": float(across.mean()),
            "smallest_eigenvalue_at_samples_stderr": mean_stderr(across),
            "samples_below_1": below,
            "speed_at_samples": float(speeds.mean()),
            "speed_in_the_frame": float(np.linalg.norm(field, axis=1).mean()),
        }  # fmt: skip
        smallest, largest = (rounded(float(values.mean()), mean_stderr(values)) for values in (across, along))
        summary = (
            f"{_counted(kinds)}; eigenvalues of dr/dx at samples {smallest} and {largest}, both below 1 at "
            f"{100 * below:.0f} %; {len(z)} {split} samples"
        )
        figure = _plane(run, summary, (columns, rows, field), z, points, kinds)
        of_kinds = [(kind, [point], None) for kind, point in zip(kinds, points, strict=True)]
        table = _places([("grid", places, field), ("sample", z, None), *of_kinds])
        return AnalysisResult(numbers, summary, [Picture("vector_field", figure, table)])

    def _of_images(self, run: RunView, split: str, some: SplitInMemory) -> AnalysisResult:
        net, clean = run.trained, run.trained.to_points(some.x)
        drawn = rng(run.config.seed, "analysis/vector_field").standard_normal(clean.shape, dtype=np.float32)
        z = clean + np.float32(self.noise) * drawn
        followed, distances, speeds = self._descent(net, z, clean)
        means = {"distance": [float(d.mean()) for d in distances], "speed": [float(s.mean()) for s in speeds]}
        best = int(np.argmin(means["distance"]))
        shown = sorted({best, *(round(step) for step in np.linspace(0, self.steps, LINES))})
        in_data_space = [net.to_data_space(followed[step]) for step in shown]
        numbers: dict[str, Any] = {
            "split": split, "samples": len(clean), "eta": self.eta, "noise": self.noise,
            "squared_distance_from_the_sample": means["distance"], "squared_speed": means["speed"],
            "nearest_after": best,
        }  # fmt: skip
        first, least, last = (rounded(float(distances[i].mean()), mean_stderr(distances[i])) for i in (0, best, -1))
        summary = (
            f"squared distance from the sample {first} at the start, {least} after {best} steps, {last} after "
            f"{self.steps}; squared length of r(x) - x {means['speed'][0]:.3g} at first, "
            f"{means['speed'][-1]:.3g} at last; {len(clean)} {split} samples"
        )
        images = np.stack([some.x[:CHAINS], *in_data_space], axis=1)
        labels = ["sample", *(_line(step, best) for step in shown)]
        title = f"{run.name}: x ← x + {self.eta:g} (r(x) − x)"
        caption = (
            f"each column is a {split} sample with N(0, {self.noise:g}²) added, the number of steps beside the rows; "
            f"mean squared distance from the sample {means['distance'][0]:.3g} at the start, "
            f"{means['distance'][-1]:.3g} at the end, smallest after {best} steps"
        )
        curve: dict[str, list] = {"step": list(range(self.steps + 1)), **means}
        strip = _strip(images, labels, title, caption)
        return AnalysisResult(
            numbers,
            summary,
            [Picture("vector_field", strip, _pixels(images, labels)), _curves(run.name, self, split, curve, numbers)],
        )

    def _descent(
        self, net: TrainedView, z: np.ndarray, clean: np.ndarray
    ) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
        """After each step from z on: the first points; the squared distance of each from `clean`; its squared speed."""
        points, distances, speeds = [], [], []
        for _ in range(self.steps + 1):
            moved = _step(net, z, self.eta)
            distances.append(((z - clean).astype(np.float64) ** 2).mean(axis=1))
            speeds.append((((moved - z) / self.eta).astype(np.float64) ** 2).mean(axis=1))
            points.append(z[:CHAINS])
            z = moved
        return points, distances, speeds


def _line(step: int, best: int) -> str:
    """The label of a line of images."""
    return f"{step or 'start'}{', nearest' if step == best else ''}"


def _frame(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The lower and the upper corner of what is drawn, and the range of the samples z."""
    low, high = z.min(axis=0), z.max(axis=0)
    extent = float((high - low).max()) or 1.0
    return low - MARGIN * extent, high + MARGIN * extent, extent


def _fixed_points(
    net: TrainedView, starts: np.ndarray, settings: VectorField, box: tuple[np.ndarray, np.ndarray], extent: float
) -> np.ndarray:
    """The distinct fixed points (k, 2) r(x) = x in the box, float64, ordered by the first coordinate.

    Newton's method starts both from the starts and from the ends of their iterations; steps are at most a tenth of
    the range.
    """
    ends = starts
    for _ in range(settings.steps):
        ends = _step(net, ends, settings.eta)
    x = np.concatenate([starts, ends]).astype(np.float64)
    for _ in range(NEWTON):
        field = net.output("reconstructions")(x).astype(np.float64) - x.astype(np.float32)
        jacobian = net.output("reconstructions").jacobians(x).astype(np.float64) - np.eye(2)
        step = -np.einsum("bij,bj->bi", np.linalg.pinv(jacobian, rcond=1e-6), field)
        length = np.linalg.norm(step, axis=1, keepdims=True)
        x += step * np.minimum(1, 0.1 * extent / np.maximum(length, 1e-30))
    rest = np.linalg.norm(net.output("reconstructions")(x) - x, axis=1)
    inside = ((x >= box[0]) & (x <= box[1])).all(axis=1)
    points: list[np.ndarray] = []
    for point in x[inside & (rest < AT_REST * extent)]:
        if len(points) < MOST_POINTS and all(np.linalg.norm(point - other) > SAME * extent for other in points):
            points.append(point)
    return np.array(sorted(points, key=lambda point: tuple(np.round(point / extent, 3)))).reshape(-1, 2)


def _coarser(places: np.ndarray) -> np.ndarray:
    """Every other place of the grid along each side."""
    return places.reshape(FINE, FINE, 2)[::2, ::2].reshape(-1, 2)


def _step(net: TrainedView, z: np.ndarray, eta: float) -> np.ndarray:
    return (z + np.float32(eta) * (net.output("reconstructions")(z) - z)).astype(np.float32)


def _kind(eigenvalues: np.ndarray) -> str:
    """The type of a fixed point of the flow dx/dt = r(x) - x."""
    below = (eigenvalues.real < 1).sum()
    return "attracting" if below == len(eigenvalues) else "saddle" if below else "repelling"


def _counted(kinds: Sequence[str]) -> str:
    """`3 fixed points: 2 attracting, 1 saddle, 0 repelling`."""
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in KINDS)
    return f"{len(kinds)} fixed point{'s' * (len(kinds) != 1)}: {counts}"


def _plane(
    run: RunView, summary: str, grid: tuple[np.ndarray, np.ndarray, np.ndarray], z: np.ndarray, points: np.ndarray,
    kinds: Sequence[str],
) -> Figure:  # fmt: skip
    """Stream lines of the field on the `grid` (columns, rows, field), samples z and fixed points."""
    columns, rows, field = grid
    behind = "; behind data.preprocess" if run.preprocessing.steps else ""
    caption = f"{summary.replace('+-', '±')}; a line is the darker the longer r(x) − x{behind}"
    low, high = (columns[0], rows[0]), (columns[-1], rows[-1])
    ratio = min(max((high[1] - low[1]) / (high[0] - low[0]), 0.4), 1.2)
    figure = theme.figure(9, 7.6 * ratio + 1.9, f"{run.name}: the field r(x) − x and its fixed points", caption)
    axes = figure.subplots()
    _streams(axes, columns, rows, field.reshape(FINE, FINE, 2))
    _dots(axes, z, points, kinds)
    across, up = named_values.of_plane(run)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal", xlabel=across, ylabel=up)
    return figure


def _streams(axes: Axes, columns: np.ndarray, rows: np.ndarray, field: np.ndarray) -> None:
    speed = np.linalg.norm(field, axis=2)
    axes.streamplot(
        columns, rows, field[..., 0], field[..., 1], color=np.sqrt(speed), cmap="Greys", density=1.8, linewidth=1.1,
        arrowsize=1.1, norm=_from_zero(float(np.sqrt(speed.max())) or 1.0),
    )  # fmt: skip


def _from_zero(largest: float) -> Any:
    from matplotlib.colors import Normalize

    return Normalize(-0.6 * largest, largest)  # avoid white


def _dots(axes: Axes, z: np.ndarray, points: np.ndarray, kinds: Sequence[str]) -> None:
    axes.plot(*z.T, ".", color=theme.SKY, markersize=5, zorder=2, label="samples")
    styles = {"attracting": ("o", theme.BLUE), "saddle": ("X", theme.VERMILLION), "repelling": ("o", "white")}
    for kind, (marker, colour) in styles.items():
        some = points[[other == kind for other in kinds]]
        if len(some):
            axes.plot(
                *some.T, marker, color=colour, markeredgecolor=theme.INK, markeredgewidth=1.2, markersize=10, zorder=4,
                label=f"{kind} ({len(some)})",
            )  # fmt: skip
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2, columnspacing=1)


def _places(parts: Sequence[tuple[str, Any, np.ndarray | None]]) -> dict[str, list]:
    rows = [
        (what, *place, *(("", "") if field is None else field[i]))
        for what, places, field in parts
        for i, place in enumerate(places)
    ]
    return dict(zip(("what", "x1", "x2", "field1", "field2"), map(list, zip(*rows, strict=True)), strict=True))


def _strip(images: np.ndarray, labels: Sequence[str], title: str, caption: str) -> Figure:
    """One column per chain: images (n, lines, height, width, channels)."""
    count, lines, height, width, channels = images.shape
    tile = 0.85 * min(max(height / width, 0.3), 2)
    figure = theme.figure(max(0.9 * count + 1.4, 9), (tile + 0.06) * lines + 1.5, title, caption)
    axes = figure.subplots(lines, count, squeeze=False)
    low, high = min(0.0, float(images[:, 0].min())), max(1.0, float(images[:, 0].max()))
    for line, panels in enumerate(axes):
        for panel, image in zip(panels, images[:, line], strict=True):
            if channels == 3:
                panel.imshow(((image - low) / (high - low)).clip(0, 1))
            else:
                panel.imshow(image[..., 0], cmap="gray_r", vmin=low, vmax=high)
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set(visible=True, color=theme.PALE if line else theme.INK)
        panels[0].set_ylabel(labels[line], rotation=0, ha="right", va="center")
    return figure


def _pixels(images: np.ndarray, labels: Sequence[str]) -> dict[str, list]:
    chain, line, row, column, channel = np.indices(images.shape).reshape(5, -1)
    return {
        "sample": chain.tolist(), "step": [labels[i] for i in line], "row": row.tolist(), "column": column.tolist(),
        "channel": channel.tolist(), "value": list(images.ravel()),
    }  # fmt: skip


def _curves(name: str, settings: VectorField, split: str, curve: dict[str, list], numbers: dict[str, Any]) -> Picture:
    caption = f"means over the values of {numbers['samples']:,} {split} samples with N(0, {settings.noise:g}²) added"
    figure = theme.figure(9, 5.2, f"{name}: descent along r(x) − x", caption)
    axes = figure.subplots()
    axes.plot(curve["step"], curve["distance"], color=theme.BLUE, label="squared distance from the sample")
    axes.plot(curve["step"], curve["speed"], color=theme.VERMILLION, label="squared length of r(x) − x")
    axes.set(xlabel=f"steps of {settings.eta:g}", ylim=(0, None))
    axes.legend()
    return Picture("vector_field_descent", figure, curve)

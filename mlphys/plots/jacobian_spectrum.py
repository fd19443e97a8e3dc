"""Spectrum of the encoder's Jacobian (Rifai et al. 2011)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import log_axis, theme
from mlphys.figures.example_experiments import autoencoder_of_images
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.numerics import chunked
from mlphys.schema.layers import text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLES = 100
LARGEST = 2_000_000  # values of a Jacobian
ROUNDING = 1e-6  # of the largest singular value; smaller ones are float32 rounding of zero
DOTTED = 40  # singular values up to which each has a dot


class JacobianSpectrum(Plot):
    """Singular values of dh/dx: how far an encoder stretches or contracts small changes (Rifai et al. 2011)."""

    def check(self, resolved: ResolvedView) -> None:
        """Raise NotApplicable without an encoder, or if its Jacobian is too large."""
        model = resolved.experiment.model
        encoder = model.encoder_rows(resolved.net_input)
        if not encoder:
            raise NotApplicable(
                f"kind: {model.kind} has no encoder; train a model of kind: autoencoder for this picture"
            )
        shape, code = resolved.net_input.shape, encoder[-1].output_shape
        if math.prod(shape) * math.prod(code) > LARGEST:
            raise NotApplicable(
                f"the Jacobian of a code of {text(code)} of {text(shape)} has more than {LARGEST:,} values"
            )

    def draw(self, run: RunView) -> Iterator[Picture]:
        self.check(run.loaded)
        split = run.shown_split()
        x = chunked.read(getattr(run.dataset(), split).x[:SAMPLES])
        values = run.trained.output("codes").jacobians(run.trained.to_points(x), _singular)
        norms = np.sqrt((values**2).sum(axis=1))
        title = f"{run.name}: singular values of dh/dx, mean |dh/dx| {norms.mean():.3g}"
        caption = f"mean over the first {len(x)} {split} samples; shaded: from the first to the third quartile"
        if run.config.data.preprocess:
            caption += "; x is behind data.preprocess"
        mean = values.mean(axis=0)
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
        number = list(range(1, len(mean) + 1))
        columns = {"mean": mean, "first_quartile": low, "median": middle, "third_quartile": high}
        table = {"number": number, **{name: list(column) for name, column in columns.items()}}
        yield Picture("jacobian_spectrum", _figure(mean, low, high, title, caption), table)

    @classmethod
    def example(cls) -> dict[str, Any]:
        return autoencoder_of_images()


def _singular(jacobians: np.ndarray) -> np.ndarray:
    """Singular values of each Jacobian, largest first: roots of the eigenvalues of the smaller of J J^T and J^T J."""
    j = jacobians.astype(np.float64)
    back = j.transpose(0, 2, 1)
    squares = j @ back if j.shape[1] <= j.shape[2] else back @ j
    return np.sqrt(np.linalg.eigvalsh(squares)[:, ::-1].clip(0))


def _figure(mean: np.ndarray, low: np.ndarray, high: np.ndarray, title: str, caption: str) -> Figure:
    floor = ROUNDING * (float(mean.max()) or 1.0)
    rank = int((mean > floor).sum())
    if rank < len(mean):
        last = "the last is" if len(mean) - rank == 1 else f"the last {len(mean) - rank} of {len(mean)} are"
        caption += f"; {last} zero up to rounding"
    figure = theme.figure(9.5, 6, title, caption)
    axes = figure.subplots()
    number = np.arange(1, rank + 1)
    axes.fill_between(
        number, low[:rank].clip(floor), high[:rank].clip(floor), color=theme.BLUE, alpha=0.25, linewidth=0
    )
    axes.plot(number, mean[:rank], color=theme.BLUE, marker="o" if rank <= DOTTED else "", markersize=6, label="mean")
    axes.set_yscale("log")
    axes.axhline(1, color=theme.GREY, linewidth=1, linestyle=":", label="1: length kept")
    log_axis.label(axes.yaxis)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2)
    axes.set(xlabel="number, largest first", ylabel="singular value of dh/dx")
    axes.locator_params(axis="x", integer=True)
    return figure

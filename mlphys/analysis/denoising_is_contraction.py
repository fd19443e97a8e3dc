"""Denoising as contraction (Alain & Bengio 2014)."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field

from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult, SampledAnalysis, needs_matrices, needs_reconstructions
from mlphys.figures.example_experiments import autoencoder_of_points
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import ResolvedView, RunView, TrainedView
from mlphys.numerics.activations import KINKED
from mlphys.numerics.randomness import rng
from mlphys.numerics.uncertainty import mean_stderr, rounded
from mlphys.schema.fields import Count, Positive, as_tuple


class DenoisingIsContraction(SampledAnalysis):
    """Denoising is contraction: the error with noisy inputs against the Jacobian's norm (Alain & Bengio 2014).

    E|x - r(x + e)|^2 for e from N(0, s^2), for each s of `noise` in the units of the network's input.

    With r(x + e) = r + J e + e H e / 2 + ... odd terms in e have zero mean, and

        E|x - r(x + e)|^2 = |x - r|^2 + s^2 (|J|_F^2 + (r - x) Laplacian r) + O(s^4).

    The contractive penalty |J|_F^2 is the complete s^2 term if r is linear or r = x; the second term is of the
    same order in s, and is measured too. Where r has kinks, as with relu, a sample within s of one sees its slope
    change, which the Laplacian of automatic differentiation is blind to: the mean over samples has a third term of
    order s^2. Each of `samples` gets `draws` pairs e and -e.
    """

    samples: Count = 100
    noise: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=100), BeforeValidator(as_tuple)] = (
        0.01, 0.02, 0.05, 0.1, 0.2, 0.5,
    )  # fmt: skip
    """The standard deviations of the noise that is tried."""
    draws: Count = 50
    """How many times the noise is drawn for each sample."""

    def check(self, resolved: ResolvedView) -> None:
        needs_reconstructions(resolved)
        needs_matrices(resolved.net_input.shape)

    def measure(self, run: RunView) -> AnalysisResult:
        split, some = self.samples_of(run)
        net, noise = run.trained, sorted(self.noise)
        z = net.to_points(some.x)
        r = net.output("reconstructions")(z).astype(np.float64)
        clean = ((z - r) ** 2).sum(axis=1)
        norms = net.output("reconstructions").jacobians(z, _squared_norms)
        bends = net.output("reconstructions").laplacians(z, r - z).astype(np.float64)
        noisy = [_noisy(net, z, s, self.draws, run.config.seed) for s in noise]
        rows = [_row(s, errors, clean, norms, bends) for s, errors in zip(noise, noisy, strict=True)]
        numbers: dict[str, Any] = {
            "split": split,
            "samples": len(z),
            "error": float(clean.mean()),
            "squared_jacobian_norm": float(norms.mean()),
            "curvature_term": float(bends.mean()),
            "noise": rows,
        }
        least = rows[0]
        off = abs(least["contraction_only"] / least["error"] - 1)
        summary = (
            f"at noise {least['s']:g} {rounded(least['error'], None)} against |x - r|^2 + s^2 |J|^2 = "
            f"{rounded(least['contraction_only'], None)} ({100 * off:.2g} % apart); what noise adds, over s^2, "
            f"{rounded(least['excess'], least['excess_stderr'])}: |J|^2 = {rounded(norms.mean(), None)} and "
            f"(r - x) Laplacian r = {rounded(bends.mean(), None)}; {len(z)} {split} samples"
        )
        kinks = _kinks(run)
        return AnalysisResult(numbers, summary + kinks, [_picture(run.name, numbers, kinks)])

    @classmethod
    def example(cls) -> dict[str, Any]:
        return autoencoder_of_points()


def _squared_norms(jacobians: np.ndarray) -> np.ndarray:
    return np.square(jacobians, dtype=np.float64).sum(axis=(1, 2))


def _noisy(net: TrainedView, z: np.ndarray, s: float, draws: int, seed: int) -> np.ndarray:
    """The mean of |x - r(x + e)|^2 over pairs e and -e at each point (n, d); e is the same for all s but for scale."""
    generator = rng(seed, "analysis/denoising_is_contraction")
    total = np.zeros(len(z))
    for _ in range(draws):
        e = np.float32(s) * generator.standard_normal(z.shape, dtype=np.float32)
        for shifted in (z + e, z - e):
            total += ((z - net.output("reconstructions")(shifted).astype(np.float64)) ** 2).sum(axis=1)
    return total / (2 * draws)


def _row(s: float, noisy: np.ndarray, clean: np.ndarray, norms: np.ndarray, bends: np.ndarray) -> dict[str, Any]:
    """Both sides of the equation for one s: means over the samples, and the increase by noise over s^2."""
    excess = (noisy - clean) / s**2
    return {
        "s": s,
        "error": float(noisy.mean()),
        "contraction_only": float((clean + s**2 * norms).mean()),
        "with_curvature": float((clean + s**2 * (norms + bends)).mean()),
        "excess": float(excess.mean()),
        # of the residual after subtracting each sample's prediction: the sampling error of the draws
        "excess_stderr": mean_stderr(excess - norms - bends),
    }


def _kinks(run: RunView) -> str:
    """What is missing in the curvature of a network with kinks: there the slope changes at once, by order s as well."""
    kinked = sorted({name for row in run.rows if (name := row.layer.activation_name()) in KINKED})
    return f"; the Laplacian leaves out the kinks of {' and '.join(kinked)}, which add to s² as well" if kinked else ""


def _picture(name: str, numbers: dict[str, Any], kinks: str) -> Picture:
    rows = numbers["noise"]
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    s = np.array(columns["s"])
    caption = (
        f"means over {numbers['samples']:,} {numbers['split']} samples, sums over the values of a sample; what noise "
        f"adds is the error minus that without noise, divided by s²{kinks}"
    )
    figure, (left, right) = theme.row(2, 13, 5.4, f"{name}: is denoising contraction?", caption)
    fine = np.geomspace(s[0], s[-1], 100)
    norm, bend, clean = numbers["squared_jacobian_norm"], numbers["curvature_term"], numbers["error"]
    terms = {"|J|²": (norm, theme.VERMILLION, "--"), "|J|² + (r − x) Δr": (norm + bend, theme.GREEN, "-")}
    for label, (value, colour, style) in terms.items():
        left.plot(fine, clean + fine**2 * value, style, color=colour, label=f"|x − r|² + s² [{label}]")
        right.plot([s[0], s[-1]], [value, value], style, color=colour, label=label)
    left.plot(s, columns["error"], "o", color=theme.BLUE, markersize=8, label="E|x − r(x + e)|²")
    errors = [error or 0 for error in columns["excess_stderr"]]
    right.errorbar(s, columns["excess"], errors, fmt="o", color=theme.BLUE, markersize=8, label="measured")
    for axes in (left, right):
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.set_xticks(s, [f"{value:g}" for value in s])
        axes.set_xlabel("noise s")
        axes.legend(fontsize=12)
    left.set_ylabel("squared error of a sample")
    left.set_ylim(0, 1.08 * max(columns["error"]))
    right.set_ylabel("what noise adds / s²")
    reached = [norm, norm + bend, *(value + error for value, error in zip(columns["excess"], errors, strict=True))]
    right.set_ylim(min(0, *columns["excess"]), 1.08 * max(reached))
    return Picture("denoising_is_contraction", figure, columns)

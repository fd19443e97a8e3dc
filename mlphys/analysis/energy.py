"""The energy of an autoencoder (Kamyshanska & Memisevic 2015)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from mlphys.analysis._energy_plane import descent
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult, SampledAnalysis, relative
from mlphys.figures.example_experiments import autoencoder_of_points
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.networks import energies
from mlphys.networks.energies import Output
from mlphys.numerics.randomness import rng
from mlphys.numerics.uncertainty import mean_stderr, rounded
from mlphys.schema.fields import Count

AT_ONCE = 500  # samples, in float64
BINS = 60
SHUFFLED = "shuffled"
FORMULAS = {  # by the activation of the output: E(x), and what minus its gradient is
    "linear": ("|x - b|^2 / 2 - sum_k H(x W_k + c_k)", "r(x) - x"),
    "sigmoid": ("-b x - sum_k H(x W_k + c_k)", "logit r(x)"),
}
LECTURE = {
    "linear": "sum_k H(x W_k + c_k) - |x - b|^2 / 2",
    "sigmoid": "sum_k H(x W_k + c_k) + b x",
}


class Energy(SampledAnalysis):
    """The energy with gradient x - r(x), of tied autoencoders and Boltzmann machines (Kamyshanska & Memisevic 2015).

    E(x) = |x - b|^2 / 2 - sum_k H(x W_k + c_k) of r(x) = f(x W + c) W^T + b, with H the antiderivative of f.

    Its sign is that of physics: low is plausible, -grad E = r(x) - x, and x <- x + eta (r(x) - x) descends. With a
    sigmoid output -b x replaces the square, and -grad E = logit r(x). For f = sigmoid, and so for a Boltzmann machine,
    it is the free energy. The lecture has the opposite sign, sum_k H(x W_k + c_k) - |x - b|^2 / 2, as Kamyshanska and
    Memisevic have. Measured for samples, by class, and for samples in which every value comes from another sample
    (`shuffled`: the same values without correlations), with the fraction of pairs in which the
    sample has the lower energy; and how well the gradient, by automatic differentiation, agrees with r(x). In the
    plane, with a linear output, also contours of E, and paths x <- x + eta (r(x) - x) of `steps` steps on them.
    """

    eta: Annotated[float, Field(gt=0, le=1)] = 0.1
    """The size of a step along r(x) - x, in the plane."""
    steps: Count = 100
    """The number of steps of a path, in the plane."""

    def check(self, resolved: ResolvedView) -> None:
        resolved.experiment.model.energy_form()

    def measure(self, run: RunView) -> AnalysisResult:
        split, some = self.samples_of(run)
        z = run.trained.to_points(some.x)
        net = _net(run)
        energies = net.energies(z)
        shuffled = net.energies(rng(run.config.seed, "analysis/energy").permuted(z, axis=0))
        above = _above(energies, shuffled)
        formula, field = FORMULAS[net.output]
        numbers: dict[str, Any] = {
            "split": split, "samples": len(z), "activation": net.activation, "output": net.output,
            "sign": f"as in physics: low is plausible, -grad E = {field}", "formula": f"E(x) = {formula}",
            "lecture_formula": f"{LECTURE[net.output]}, which is -E(x) and high where plausible",
            "energy": _summary(energies), SHUFFLED: _summary(shuffled), "above_shuffled": above,
            "below_shuffled": 1 - above,
        }  # fmt: skip
        classes = run.data["classes"]
        if classes:
            numbers["per_class"] = {
                name: _summary(energies[some.y == k]) for k, name in enumerate(classes) if k in some.y
            }
        wrong = _gradient_errors(run, net, z)
        numbers["gradient_error"] = {"mean": float(wrong.mean()), "max": float(wrong.max())}
        summary = (
            f"{rounded(float(energies.mean()), mean_stderr(energies))}, below that of shuffled values in "
            f"{100 * (1 - above):.1f} %"
        )
        if "free_energies" in run.config.model.prediction_shapes(run.loaded.net_input):
            numbers["free_energy_error"] = error = _free_energy_error(run, z, energies)
            summary += f"; the free energy to {error:.0e} of it"
        summary += f"; low is plausible, -gradient = {field} to {numbers['gradient_error']['mean']:.0e} of it"
        summary += f"; {len(z)} {split} samples"
        labels = some.y if classes else np.zeros(len(z), int)
        pictures = [_picture(run, (split, net.output), energies, shuffled, labels)]
        if z.shape[1] == 2 and net.output == "linear":
            r = run.trained.output("reconstructions")
            picture, numbers["plane"] = descent(run.name, net.energies, r, z, self.eta, self.steps)
            pictures.append(picture)
            summary += f"; {100 * numbers['plane']['steps_downhill']:.4g} % of steps along r(x) - x go downhill"
        return AnalysisResult(numbers, summary, pictures)

    @classmethod
    def example(cls) -> dict[str, Any]:
        return autoencoder_of_points()


@dataclass(frozen=True)
class Net:
    """kernel (d, m), biases (m,) and (d,), float64; f and the output's activation."""

    kernel: np.ndarray
    hidden_bias: np.ndarray
    visible_bias: np.ndarray
    activation: str
    output: Output

    def energy(self, x: Any) -> Any:
        """Low where x is plausible, the sign of physics."""
        return -energies.energy(x, self.kernel, self.hidden_bias, self.visible_bias, self.activation, self.output)

    def energies(self, z: np.ndarray) -> np.ndarray:
        """E at points (n, d), float64 (n,)."""
        pieces = [z[start : start + AT_ONCE].astype(np.float64) for start in range(0, len(z), AT_ONCE)]
        return np.concatenate([np.asarray(self.energy(piece)) for piece in pieces])


def _free_energy_error(run: RunView, z: np.ndarray, energies: np.ndarray) -> float:
    """The largest difference of energies (n,) from the network's free energies, relative to the largest of these."""
    free = run.trained.output("free_energies")(z)[:, 0]
    return float(abs(energies - free).max() / max(abs(free).max(), 1e-30))


def _net(run: RunView) -> Net:
    form = run.config.model.energy_form()
    kernel = run.weights[form.kernel].astype(np.float64)
    visible, hidden = kernel.shape
    hidden_bias, visible_bias = (
        run.weights.get(name, np.zeros(n)).astype(np.float64)
        for name, n in ((form.hidden_bias, hidden), (form.visible_bias, visible))
    )
    return Net(kernel, hidden_bias, visible_bias, form.activation, form.output)


def _gradient_errors(run: RunView, net: Net, z: np.ndarray) -> np.ndarray:
    """|-grad E - (r(x) - x)| / |r(x) - x|, of a sigmoid output |sigmoid(-grad E) - r(x)| / |r(x)|, at each point."""
    from mlphys.networks.autodiff import gradient

    r = run.trained.output("reconstructions")(z)
    errors = []
    for start in range(0, len(z), AT_ONCE):
        x, reconstruction = (values[start : start + AT_ONCE].astype(np.float64) for values in (z, r))
        force = -gradient(net.energy, x)
        expected = reconstruction if net.output == "sigmoid" else reconstruction - x
        actual = np.exp(-np.logaddexp(0, -force)) if net.output == "sigmoid" else force
        errors.append(relative(actual - expected, expected))
    return np.concatenate(errors)


def _above(values: np.ndarray, others: np.ndarray) -> float:
    """The fraction of all pairs in which the first is the larger, ties as one half (Mann & Whitney 1947)."""
    ordered = np.sort(others)
    below, up_to = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return float((below + up_to).mean() / (2 * len(others)))


def _summary(values: np.ndarray) -> dict[str, Any]:
    return {
        "samples": len(values), "mean": float(values.mean()), "mean_stderr": mean_stderr(values),
        "std": float(values.std()),
    }  # fmt: skip


def _picture(
    run: RunView, of: tuple[str, Output], sample_energies: np.ndarray, shuffled: np.ndarray, labels: np.ndarray
) -> Picture:
    """A histogram for each class and one for shuffled values, each scaled to its maximum."""
    (split, output), below = of, 1 - _above(sample_energies, shuffled)
    formula, field = (text.replace("-", "−").replace("^2", "²") for text in FORMULAS[output])
    names = [theme.short(name) for name in run.data["classes"]] or ["samples"]
    rows = {name: sample_energies[labels == k] for k, name in enumerate(names)} | {SHUFFLED: shuffled}
    edges = np.histogram_bin_edges(np.concatenate([sample_energies, shuffled]), BINS)
    caption = (
        f"{len(sample_energies):,} {split} samples, each row at its own height; the sign of physics, −∇E = {field}: "
        f"low is plausible (the lecture's has the opposite sign); H' is the activation, "
        f"{run.config.model.energy_form().activation}; {SHUFFLED}: every value from another sample; a sample has the "
        f"lower energy in {100 * below:.1f} % of pairs"
    )
    figure = theme.figure(10, min(max(0.55 * len(rows), 3.5), 9) + 1.7, f"{run.name}: energy of a sample", caption)
    axes = figure.subplots()
    for k, (name, values) in enumerate(rows.items()):
        counts = np.histogram(values, edges)[0]
        colour = theme.GREY if name == SHUFFLED else theme.BLUE
        axes.stairs(0.85 * counts / max(1, counts.max()) - k, edges, baseline=-k, fill=True, color=colour)
        if len(values):
            axes.plot([values.mean()] * 2, [-k, 0.85 - k], color=theme.INK, linewidth=2)
    axes.plot([], [], color=theme.INK, linewidth=2, label="mean")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    axes.set_yticks(range(0, -len(rows), -1), list(rows))
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel=f"energy E(x) = {formula}", ylim=(0.95 - len(rows), 1))
    classes = run.data["classes"] or [""]
    table = {
        "what": ["sample"] * len(sample_energies) + [SHUFFLED] * len(shuffled),
        "label": [*(classes[label] for label in labels), *[""] * len(shuffled)],
        "energy": [*sample_energies, *shuffled],
    }
    return Picture("energy", figure, table)

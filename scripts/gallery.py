"""Draw every picture and every analysis once into docs/images/gallery, and write docs/gallery.md.

python -m scripts.gallery              what is not drawn yet; runs are kept in runs/gallery, half an hour
python -m scripts.gallery NAME...      these pictures anew
python -m scripts.gallery --render     only the page
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlphys.schema import registry
from scripts.marked_tables import ROOT, write_table
from scripts.pictures import scaled

DOCUMENT, IMAGES = ROOT / "docs" / "gallery.md", ROOT / "docs" / "images" / "gallery"
RUNS = ROOT / "runs" / "gallery"
LARGEST = 145_000  # bytes


@dataclass(frozen=True)
class Shown:
    """A config, what is changed to train it in a minute or two, and what its run shows; `shift`: by how many pixels."""

    config: str
    pictures: Sequence[str] = ()
    analyses: Sequence[str] = ()
    sets: Sequence[str] = ()
    shift: int | None = None

    def path(self) -> Path:
        return ROOT / "configs" / f"{self.config}.yaml"

    def commands(self, name: str) -> list[str]:
        sets = "".join(f" --set {override}" for override in self.sets)
        evaluated = [f"mlphys evaluate --shift {self.shift}"] if self.shift else ["mlphys evaluate"]
        drawn = "plot" if name in self.pictures else "analyze"
        needed = evaluated if drawn == "plot" else []
        return [f"mlphys train configs/{self.config}.yaml{sets}", *needed, f"mlphys {drawn} --only {name}"]


# In the order in which they are trained: those that the pages of the lectures show come first.
GALLERY = (
    Shown("conv_digits", ("learning_curves", "misclassified", "reliability", "roc",
                          "precision_recall", "feature_maps")),
    Shown("spirals", ("decision_boundary",)),
    Shown("pca_cloud", ("data_cloud",)),
    Shown("gradient_descent_line", ("fit_1d", "loss_surface")),
    Shown("bottleneck_circles", ("reconstructions", "latent", "reconstructions_by_code_size")),
    Shown("dense_mnist_mse", (), ("cost_slope",)),
    Shown("integrable_moons", (), ("vector_field", "integrability")),
    Shown("linear_sparse_patches", ("code_histogram",), ("gabor", "spectra", "ica_comparison")),
    Shown("squares_two_kinds", ("latent_tsne",)),
    Shown("stacked_circles", ("stages",)),
    Shown("dense_mnist", ("confusion_matrix",), ("class_evidence", "occlusion")),
    Shown("pca_mnist", ("components",)),
    Shown("conv_mnist", ("filters", "accuracy_against"), ("invariance", "saliency", "maximal_excitation"), shift=8),
    Shown("vanishing_gradients", ("gradient_norms",), ("activations", "gradient_flow"), ("training.epochs=3",)),
    Shown("dense_mnist_sigmoid", ("saturation", "weight_norms"), (), ("training.track=[saturation,weight_norms]",)),
    Shown("kmeans_mnist", ("centroids",), (), ("data.train=10000",)),
    Shown("dense_autoencoder_mnist", (), ("pca_comparison",), ("data.train=10000",)),
    Shown("decoder_smoothing_patches", (), ("decoder_smoothing",)),
    Shown("image_as_function", ("image_fit",), (), ("training.optimizer=adam",)),
    Shown("energy_mnist", ("jacobian_spectrum",), ("denoising_is_contraction",),
          ("data.train=10000", "training.epochs=5")),
    Shown("energy_moons", (), ("energy",)),
    Shown("memorizing_mnist", (), ("jacobian_eigenvalues",)),
    Shown("second_derivative", ("signal_maps",)),
    Shown("dense_and_conv_weights", ("weight_matrix",)),
    Shown("convolution_theorem", (), ("convolution_theorem",)),
    Shown("fit_absolute", ("residuals", "predicted_against_true")),
    Shown("rbm_mnist", ("samples",), (), ("data.train=10000", "training.epochs=1")),
    Shown("autoencoder_8_mnist", ("interpolation", "traversals")),
    Shown("not_competitive_with_jpeg", (), ("rate_distortion",), ("data.train=10000", "training.epochs=10")),
    Shown("ising_pca", (), ("transition",)),
)  # fmt: skip

NOT_DRAWN = {
    "size": "It compares runs that differ in their size: train `size_mnist` with several `--set data.train=N`, then",
    "ensemble": "It takes the members of a study together: `mlphys train configs/conv_digits.yaml --seeds 5`, then",
}


def draw(shown: Shown, wanted: Sequence[str]) -> None:
    """Train a config where its run is not there, and keep the wanted pictures of it."""
    from mlphys.commands import analyze, plot
    from mlphys.errors import NotApplicable, UserError
    from mlphys.runs.run import Run

    run = Run(_trained(shown))
    for name in wanted:
        try:
            if name in shown.pictures:
                plot.draw(run, [name], ("png",))
                keep(run.path / "figures" / f"{name}.png", name)
            else:
                result = analyze.made_one(run, name, _analysis(run, name), ("png",))
                for number, picture in enumerate(result.pictures):
                    keep(run.path / "figures" / f"{picture.name}.png", picture.name if number else name)
        except (NotApplicable, UserError) as error:
            print(f"{shown.config}: {name}: {error}", file=sys.stderr, flush=True)


def _analysis(run: object, name: str) -> object:
    from mlphys.config.experiment import ANALYSES, ANALYSIS

    listed = {ANALYSIS.names[type(analysis)]: analysis for analysis in run.config.analysis}  # type: ignore[attr-defined]
    return listed.get(name) or ANALYSES[name]()


def run_folder(shown: Shown) -> Path:
    """Where the run of a config is kept, as long as neither it nor what is changed in it is another; titles of pictures
    name the last two folders."""
    content = hashlib.sha256(repr((shown.path().read_bytes(), tuple(shown.sets))).encode()).hexdigest()
    return RUNS / content[:12] / shown.config / "1"


def _trained(shown: Shown) -> Path:
    from mlphys.commands import robustness, train
    from mlphys.config.load import load
    from mlphys.networks import tensorflow
    from mlphys.runs.run import Run
    from mlphys.training.progress import Silence

    folder = run_folder(shown)
    if not (folder / "status.json").exists() or Run(folder).status["state"] != "done":
        shutil.rmtree(folder, ignore_errors=True)  # of a training that was interrupted
        loaded = load(shown.path(), (*shown.sets, "plots=[]"))
        train.trained(loaded, folder, Silence(), print, None, ("test",))
        tensorflow.forget(frozenset())
    if shown.shift:
        robustness.measure(Run(folder), "test", shown.shift, None)
    return folder


def keep(picture: Path, name: str) -> None:
    """Scale a picture into docs/images/gallery, with fewer colours where it is too large."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    kept, image = IMAGES / f"{name}.png", scaled(picture)
    image.save(kept, optimize=True)
    for colours in (64, 16):
        if kept.stat().st_size > LARGEST:
            image.convert("RGB").quantize(colours).save(kept, optimize=True)
    print(f"{kept}: {kept.stat().st_size // 1000} kB", flush=True)


# The page


def page() -> str:
    """Every picture, then every analysis: what it shows, the picture, and the commands that made it."""
    plots, analyses = (registry.names(f"mlphys.{kind}") for kind in ("plots", "analysis"))
    parts = [
        "## Pictures", *(_entry("plots", name) for name in plots),
        "## Analyses", *(_entry("analysis", name) for name in analyses),
    ]  # fmt: skip
    return "\n\n".join(parts)


def _entry(kind: str, name: str) -> str:
    found = shown_by(name)
    lines = [f"### {name}", _sentence(kind, name)]
    if _drawn(name):
        lines.append(f"![{name} of {found.config}](images/gallery/{name}.png)" if found else "")
    verb = "plot" if kind == "plots" else "analyze"
    lines.append(NOT_DRAWN.get(name, ""))
    commands = found.commands(name) if found else [f"mlphys {verb} --only {name}"]
    lines.append("\n".join(f"    {command}" for command in commands))
    return "\n\n".join(line for line in lines if line)


def _drawn(name: str) -> bool:
    return (IMAGES / f"{name}.png").exists()


def shown_by(name: str) -> Shown | None:
    return next((shown for shown in GALLERY if name in (*shown.pictures, *shown.analyses)), None)


def _sentence(kind: str, name: str) -> str:
    """The first line of what an entry says of itself."""
    from mlphys.figures.analysis_result import Analysis
    from mlphys.figures.picture import Plot

    entry = registry.entry(f"mlphys.{kind}", name, Plot if kind == "plots" else Analysis)
    return (entry.__doc__ or "").strip().splitlines()[0]


def missing() -> Iterator[str]:
    for kind in ("plots", "analysis"):
        yield from (name for name in registry.names(f"mlphys.{kind}") if not _drawn(name) and name not in NOT_DRAWN)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="pictures and analyses; default: those that are not drawn")
    parser.add_argument("--render", action="store_true", help="only write the page")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if not shown_by(name)]:
        raise SystemExit(f"{', '.join(unknown)}: no picture and no analysis of GALLERY")
    wanted = set() if arguments.render else set(arguments.names or missing())
    for shown in GALLERY:
        if names := [name for name in (*shown.pictures, *shown.analyses) if name in wanted]:
            draw(shown, names)
    if not arguments.render:
        print(f"not drawn: {', '.join(missing()) or 'none'}")
    write_table(DOCUMENT, "gallery", page())


if __name__ == "__main__":
    main()

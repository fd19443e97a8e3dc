"""A run in a notebook: its numbers, its network as functions of arrays, its pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from mlphys.commands import analyze, export, plot, report
from mlphys.commands import evaluate as evaluation
from mlphys.config.experiment import ANALYSES, ANALYSIS
from mlphys.errors import NotApplicable, UserError
from mlphys.figures import theme
from mlphys.figures.picture import Picture
from mlphys.io.run_files import PAGE, WEIGHTS
from mlphys.notebook import run_page
from mlphys.notebook.analysis import AnalysisFigures
from mlphys.notebook.history import History
from mlphys.numerics import chunked
from mlphys.runs import run as runs
from mlphys.schema import registry
from mlphys.schema.document import Document
from mlphys.schema.messages import complain, problems_of
from mlphys.schema.suggestions import quoted, require_known, suggestion
from mlphys.studies.study_file import located

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

    from mlphys.runs.trained_network import TrainedNetwork

SPLITS = ("train", "validation", "test")


def load_run(run: str | os.PathLike[str] | None = None, data: str | os.PathLike[str] | None = None) -> Run:
    """The run at a path, or the newest one of a name under `runs/`; left out, the finished run that started last.

    `data`: where its samples are, if they have moved. Nothing but small files is read before it is used; TensorFlow is
    imported by what needs the network. Raises UserError where there is no such run.
    """
    try:
        stored_run = runs.find(None if run is None else os.fspath(run))
    except UserError:
        if run is not None and (study := located(os.fspath(run))):
            raise UserError(f"{study.path}: is a study of many runs; mlphys.load_study opens it") from None
        raise
    return Run(stored_run.path, data)


class Run:
    """A run directory: `mlphys.train` returns one, `mlphys.load_run` opens one.

    Samples x are those of the data, before preprocessing: float32 (n, *shape), channels last. Of an interrupted
    training everything is computed with the weights of its newest checkpoint. Every attribute raises UserError where
    a file of the run is missing or damaged, or the kind of model has no such thing.
    """

    def __init__(self, path: str | os.PathLike[str], data: str | os.PathLike[str] | None = None):
        self._run = runs.Run(Path(path), None if data is None else os.fspath(data))

    @property
    def path(self) -> Path:
        """The run directory."""
        return self._run.path

    @property
    def name(self) -> str:
        """The name of the experiment and the number of the run, such as `conv_mnist/3`."""
        return self._run.name

    @property
    def state(self) -> str:
        """`done`, `running`, `interrupted` or `diverged`."""
        return str(self._run.status["state"])

    @property
    def config(self) -> dict[str, Any]:
        """The complete config, every default filled in: a copy, which `mlphys.train` takes, too."""
        config: dict[str, Any] = self._run.config.model_dump()
        return config

    @property
    def history(self) -> History:
        """The columns of history.csv by name, each an array with a value for each epoch; empty for an untrained net."""
        return History.of(self._run.history)

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics by split, each with its `_stderr`: `run.metrics["test"]["accuracy"]`.

        Training measures validation; `evaluate()` adds test.
        """
        return self._run.metrics

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """Trained arrays by name, of Keras's shapes, such as `layers.0.Conv2D.kernel`, and those of preprocessing."""
        return dict(self._trained_run().weights)

    @property
    def layers(self) -> list[str]:
        """The names of the layers, such as `layers.0.Conv2D`; empty for a model without layers."""
        return [row.name for row in self._run.rows]

    def data(self, split: str = "train", most: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The samples of a split, x float32 (n, *shape) in the units of the data, and y: labels int32 (n,), or targets
        float32 (n, *shape of a target).

        At most `most` of them, evenly from the first to the last. Reads the data, and raises UserError where it is gone
        or has changed since the training.
        """
        require_known("split", [split], SPLITS)
        samples = getattr(self._run.dataset(), split)
        chosen = samples if most is None else samples.some(most)
        return chunked.read(chosen.x), chosen.y

    def predictions(self, split: str = "test") -> dict[str, np.ndarray]:
        """What the network gave for each of the n samples of a split when it was measured, without TensorFlow.

        `labels` (n,) or (n, *shape of a target), `losses` (n,), and what the kind of model gives: `probabilities`
        (n, classes), `outputs`, `codes`, `squared_errors`, ... `images` are those of the samples `shown`. Raises
        UserError for a split that was not measured.
        """
        require_known("split", [split], SPLITS)
        predictions = self._run.predictions(split)
        if predictions is None:
            raise UserError(f"{self.path}: has no predictions on {split}; run.evaluate({split!r}) makes them")
        return predictions

    def evaluate(self, split: str = "test") -> dict[str, Any]:
        """Measure the network on a split, keep metrics and predictions in the run, and return the metrics.

        Every choice should be made on validation, before this.
        """
        require_known("split", [split], SPLITS)
        metrics = evaluation.evaluate(self._trained_run(), split)
        if self._run.folder.has(PAGE):  # which would show what was measured before
            self.report()
        return metrics

    @property
    def model(self) -> keras.Model:
        """The Keras model with its weights. It takes preprocessed samples: `run.model(run.preprocess(x))`.

        Raises UserError for kinds of models that are no chain of Keras layers, such as pca and rbm.
        """
        return self._keras("model")

    @property
    def encoder(self) -> keras.Model:
        """The part of `model` up to the code. Raises UserError for a model without an encoder."""
        return self._keras("encoder")

    @property
    def decoder(self) -> keras.Model:
        """The part of `model` from the code on. Raises UserError for a model without a decoder."""
        return self._keras("decoder")

    def preprocess(self, x: np.ndarray) -> np.ndarray:
        """Samples x as `model` and `encoder` take them, float32 (n, *shape of the input)."""
        z = self._trained.preprocessed(self._samples(x))
        models = self._trained.network.keras_models()
        return z.reshape(len(z), *models["model"].input_shape[1:]) if models else z

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The output for each sample: probabilities (n, classes); outputs (n, *shape of a target) in the units of the
        targets; of an autoencoder and its relatives reconstructions (n, *shape) in the units of the data.

        Raises UserError for samples of another shape.
        """
        trained, x = self._trained, self._samples(x)
        shapes = self._run.config.model.prediction_shapes(self._run.loaded.net_input)
        known = next((name for name in ("probabilities", "outputs") if name in shapes), None)
        if known:
            return trained.predictions(x)[known]
        images = self._run.config.model.image_output_shapes(self._run.loaded.net_input)
        if not images:
            raise UserError(f"{self.path}: kind: {self._kind} has no output for each sample that could be returned")
        return trained.image_outputs(x)[next(iter(images))]

    def code(self, x: np.ndarray) -> np.ndarray:
        """The code of each sample, (n, *shape of a code): of an autoencoder, of components, of hidden units.

        Raises UserError for a model without a code.
        """
        self._code_shape()
        return self._trained.predictions(self._samples(x))["codes"]

    def decode(self, z: np.ndarray) -> np.ndarray:
        """What the decoder makes of codes z (n, *shape of a code), in the units of the data: (n, *shape).

        Raises UserError for a model without a decoder, and for codes of another shape.
        """
        if why := self._run.config.model.why_no_decoder():
            raise UserError(f"{self.path}: decode: {why}")
        return self._trained.decoded(_checked("z", z, self._code_shape()))

    def layer(self, x: np.ndarray, name: str) -> np.ndarray:
        """The output of a layer for samples x, (n, *shape of the output).

        `name` is one of `layers`, or short such as `Conv2D_0`: the first layer of this class, `Conv2D_1` the second.
        Raises UserError for a layer that is not there.
        """
        names = dict(zip(_short_names(self.layers), self.layers, strict=True))
        layer_name = names.get(name, name)
        if layer_name not in self.layers:
            hint = f"; there are {', '.join(names)}" if names else f"; kind: {self._kind} has no layers"
            raise UserError(f"{self.path}: no layer is called {quoted(name)}{hint}{suggestion(name, names)}")
        return self._trained.layer(layer_name, self._samples(x))

    def plot(self, name: str) -> Figure:
        """The first picture of a plot as matplotlib's Figure; `mlphys list plots` describes all of them.

        Nothing is written; `savefig` of the figure does. Raises UserError where the plot does not apply to the run.
        """
        return next(iter(self.plots(name).values()))

    def plots(self, name: str) -> dict[str, Figure]:
        """All pictures of a plot by name: `filters` are those of the first convolution, `filters_2` of the second."""
        require_known("plot", [name], registry.names(plot.PLOTS))
        try:
            with theme.applied():
                return laid_out(plot.pictures(self._run, name))
        except NotApplicable as reason:
            raise UserError(f"{self.path}: {name}: {reason}") from None

    def analyze(self, name: str, **settings: Any) -> AnalysisFigures:
        """Make an analysis; `mlphys list analyses` describes all of them, `settings` are the keys of its block.

        Numbers go into analysis/ and pictures into figures/ of the run, too. Without settings they are the config's, or
        the defaults. Raises UserError for unknown settings, and where the analysis does not apply to the run.
        """
        require_known("analysis", [name], list(ANALYSES))
        run = self._trained_run()
        listed = {ANALYSIS.names[type(each)]: each for each in run.config.analysis}
        try:
            analysis = listed[name] if name in listed and not settings else ANALYSES[name].model_validate(settings)
        except ValidationError as error:
            raise complain(problems_of(error), Document(settings, f"analyze({name!r})", {})) from None
        try:
            analysis.check(run.loaded)
            result = analyze.made_one(run, name, analysis, ("png",))
        except NotApplicable as reason:
            raise UserError(f"{self.path}: {name}: {reason}") from None
        pictures = {picture.name: picture.figure for picture in result.pictures}
        return AnalysisFigures(name, result.numbers, result.summary, pictures)

    def export(self, format: str, out: str | os.PathLike[str] | None = None, part: str = "whole") -> Path:
        """Write the net, or its `encoder` or `decoder`, as a `keras` or `onnx` file with a model card; return its path.

        Without `out` it is written into the current folder, named after the run. Raises UserError for a file that
        exists, a part that the kind of model lacks, and where the other program gives other numbers.
        """
        return export.export(self._trained_run(), format, None if out is None else Path(out), part).path

    def report(self) -> Path:
        """Write the page of the run, report.html: one file for a browser, without TensorFlow. Returns its path."""
        return report.write(self.path)

    def __repr__(self) -> str:
        return f"<run {self.path}: {', '.join([run_page.ending(self._run), *run_page.main_numbers(self._run)])}>"

    def _repr_html_(self) -> str:
        return run_page.page(self._run)

    @property
    def _kind(self) -> str:
        return self._run.config.model.kind

    def _trained_run(self) -> runs.Run:
        """The run, if it has weights. Raises UserError where its training left none, or is going on."""
        return self._run if self._run.folder.has(WEIGHTS) else runs.finished(self._run)

    @property
    def _trained(self) -> TrainedNetwork:
        return self._trained_run().trained

    def _keras(self, part: str) -> keras.Model:
        models = self._trained.network.keras_models()
        if part not in models:
            hint = f"; there is {', '.join(models)}" if models else "; weights has its arrays"
            raise UserError(f"{self.path}: kind: {self._kind} has no Keras model as {part}{hint}")
        return models[part]

    def _samples(self, x: np.ndarray) -> np.ndarray:
        return _checked("x", x, self._run.description.shape)

    def _code_shape(self) -> tuple[int, ...]:
        shapes = self._run.config.model.prediction_shapes(self._run.loaded.net_input)
        if "codes" not in shapes:
            raise UserError(f"{self.path}: kind: {self._kind} has no code; its layers' outputs are run.layer(x, name)")
        return tuple(shapes["codes"])


def laid_out(pictures: Iterable[Picture]) -> dict[str, Figure]:
    """The figures by name, with the layout and the ticks that the theme gives them; call within theme.applied()."""
    figures = {}
    for picture in pictures:
        picture.figure.draw_without_rendering()
        picture.figure.set_layout_engine("none")
        figures[picture.name] = picture.figure
    return figures


def _short_names(names: list[str]) -> list[str]:
    """`Conv2D_0` for the first layer of this class, `Conv2D_1` for the second."""
    classes = [name.rpartition(".")[2] for name in names]
    return [f"{each}_{classes[:i].count(each)}" for i, each in enumerate(classes)]


def _checked(name: str, values: Any, shape: tuple[int, ...]) -> np.ndarray:
    """An array float32 (n, *shape), n at least 1. Raises UserError for another shape, and for what is no numbers."""
    try:
        array = np.asarray(values, np.float32)
    except (TypeError, ValueError):
        raise UserError(f"{name}: expected an array of numbers; received {type(values).__name__}") from None
    if array.shape[1:] != shape or array.ndim != len(shape) + 1 or not len(array):
        one = f"; write {name}[None] for a single one" if array.shape == shape else ""
        expected = ", ".join(["n", *(str(length) for length in shape)])
        raise UserError(f"{name}: expected an array of shape ({expected}), n at least 1; received {array.shape}{one}")
    return array

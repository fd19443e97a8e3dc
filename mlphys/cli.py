"""The commands: parse, call, print."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import mlphys
from mlphys import terminal

if TYPE_CHECKING:
    from mlphys.commands.study import Request
    from mlphys.config.experiment import ResolvedExperiment
    from mlphys.runs.run import Run
    from mlphys.schema.document import Document
    from mlphys.studies.study_file import Study, StudyFile


class WholeSentences(click.Group):
    """A group whose help gives each command its whole sentence, where click cuts it at the end of the line."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, command.get_short_help_str(limit=1000)) for name, command in commands if command]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class Commands(WholeSentences):
    """Print a UserError in a few lines and exit with 2; any other exception is a bug."""

    group_class = WholeSentences

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Standard output or error may take nothing: a full disk, a pipe whose reader is gone."""
        terminal.open_streams()
        try:
            return super().main(*arguments, **options)
        except OSError as error:
            if error.filename is not None or error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF):
                raise
            terminal.give_up(sys.stdout)
            with contextlib.suppress(OSError):
                terminal.complain(f"standard output: cannot be written: {error.strerror}; print to another place")
            terminal.give_up(sys.stderr)
            sys.exit(2)

    def invoke(self, ctx: click.Context) -> Any:
        from mlphys.errors import UserError

        try:
            _require_folder()
            return super().invoke(ctx)
        except UserError as error:
            terminal.complain(str(error))
            ctx.exit(2)
        except click.UsageError as error:
            if not isinstance(error, click.BadParameter) and (hint := _as_override(error)):
                raise click.UsageError(f"{error.format_message().rstrip('.')}{hint}", error.ctx) from None
            raise
        except KeyboardInterrupt:
            terminal.complain("interrupted")
            ctx.exit(130)
        except BrokenPipeError:  # `mlphys ... | head`
            terminal.give_up(sys.stdout)
            ctx.exit(0)


def _as_override(error: click.UsageError) -> str:
    """How a key of the config is set that was written as an option or as an argument; nothing for other mistakes."""
    takes_overrides = error.ctx and any(parameter.name == "overrides" for parameter in error.ctx.command.params)
    word = re.search(r"(?:--|\()([\w.-]+)(?:=([^)]*))?", error.message)
    if not takes_overrides or not word:
        return ""
    from mlphys.config.reference import path_of

    path = path_of(word[1].replace("-", "_"))
    return f"; write --set {path}={word[2] or 'VALUE'}" if path else ""


def _require_folder() -> None:
    from mlphys.errors import UserError

    try:
        os.getcwd()
    except OSError:
        raise UserError("the folder that the command was given in is gone; change into another one") from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(mlphys.__version__, prog_name="mlphys")
def main() -> None:
    """Machine-learning experiments for physics: one YAML file, one trained and measured network.

    Start with `mlphys train conv_digits`; `mlphys explain KEY` says what a key of a config means.
    """


CONFIG = click.argument("config", type=click.Path(path_type=Path))  # a file, a run, or the name of a shipped one
SET = click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Override a key of the config.")
SEEDS = click.option(
    "--seeds", type=click.IntRange(min=1), help="Train a study of N seeds, counted up from the config's."
)
WORKERS = click.option(
    "--workers", type=click.IntRange(0, 1024), help="Members trained at once; default one per core. 0: in this process."
)
EVALUATE = click.option(
    "--evaluate",
    type=click.Choice(["validation", "test"]),
    help="The split on which members are measured. Default: test for seeds alone, else validation.",
)
QUIET = click.option("--quiet", is_flag=True, help="Show no progress; train and resume print the run's path only.")
RUN = click.argument("run", required=False)
FORMATS = click.option("--format", "formats", default="png", help="png, pdf, svg; several separated by commas.")
DATA = click.option("--data", "path", metavar="PATH", help="The run's data, if it has moved.")


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C exits with 130 and says how to resume."""
    from mlphys.commands.train import Interrupted

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # sent by batch systems to end a job
    try:
        yield
    except Interrupted as interrupted:
        terminal.complain(str(interrupted))
        sys.stdout.flush()
        os._exit(130)  # TensorFlow's threads may still be busy with the rest of a chunk


def _loaded(config: Path, overrides: tuple[str, ...] = (), of_run: bool = True) -> ResolvedExperiment:
    """The experiment of a config; stderr says which file was meant, and which words were taken in another meaning.

    The config of a run is read as the run's, whose data may be gone, unless something new is made of it.
    """
    from mlphys.config.load import load, load_run
    from mlphys.config.sources import is_of_run

    path = _config_path(config)
    loaded = load_run(path.parent) if of_run and is_of_run(path) and not overrides else load(path, overrides)
    return _with_notes(loaded)


def _config_path(config: Path) -> Path:
    """The file of a config, a run or a shipped name; stderr says which, if it is not the argument itself."""
    from mlphys.config.sources import config_file

    path = config_file(config)
    if path != config:
        terminal.complain(f"config {path}")
    return path


def _with_notes(loaded: ResolvedExperiment) -> ResolvedExperiment:
    for note in loaded.notes:
        terminal.complain(note)
    return loaded


def _measurable(run: str | None, data: str | None = None) -> Run:
    """A run that is trained; of an interrupted one stderr says which weights are used."""
    from mlphys.runs.run import Run, find, finished

    return _with_note(Run(finished(find(run)).path, data))


def _with_note(found: Run) -> Run:
    if left := found.unfinished:
        which = "best" if left.best else "last saved"
        terminal.complain(
            f"{found.path}: its training was interrupted: weights of epoch {left.epoch}, the {which} one; "
            f"`mlphys resume {found.path}` continues it"
        )
    return found


THREADS = click.option(
    "--threads", type=click.IntRange(1, 1024), help="Train with so many threads; default one a core."
)


def _one_seed(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> int | None:
    """The seed; several of them are a study."""
    if len(values) == 1 and values[0].isdecimal():
        return int(values[0])
    if values:
        received = " and ".join(values)
        raise click.BadParameter(f"expected one whole number; received {received}; --seeds 3 trains a study of 3 seeds")
    return None


@main.command()
@CONFIG
@SET
@click.option("--seed", metavar="N", multiple=True, callback=_one_seed, help="Override the seed.")
@click.option("--out", type=click.Path(path_type=Path), help="The run directory; default runs/NAME/NUMBER.")
@click.option("--resume", "go_on", is_flag=True, help="Resume the newest unfinished run of CONFIG.")
@SEEDS
@WORKERS
@THREADS
@QUIET
def train(
    config: Path,
    overrides: tuple[str, ...],
    seed: int | None,
    out: Path | None,
    go_on: bool,
    seeds: int | None,
    workers: int | None,
    threads: int | None,
    quiet: bool,
) -> None:
    """Train the experiment of CONFIG in a new run directory.

    On a terminal the values in brackets are those on validation; Ctrl-C keeps what is trained.
    With --seeds, data.folds or the block study it is a study of many runs.
    """
    from mlphys.config.load import load_document, overridden_document

    path = _config_path(config)
    document = overridden_document(path, (*overrides, f"seed={seed}") if seed is not None else overrides)
    loaded = _with_notes(load_document(document))
    if seeds or loaded.experiment.is_study():
        from mlphys.commands.study import Request

        _study(document, loaded, Request({}, seeds, None, threads, workers, out=out), go_on, quiet)
        return
    from mlphys import show
    from mlphys.commands import train
    from mlphys.training.progress import reporter

    unfinished = train.unfinished(loaded, out) if go_on else None
    if go_on and not unfinished:
        _say(quiet)("no unfinished run; starting a new one")
    with _interruptible():
        if unfinished:
            run = train.resume(unfinished, (), reporter(quiet), _say(quiet), threads)
        else:
            run = train.train(loaded, out, reporter(quiet), _say(quiet), threads)
    terminal.echo(str(run.path) if quiet else show.trained(run))


def _study(document: Document, loaded: ResolvedExperiment, request: Request, go_on: bool, quiet: bool) -> None:
    """Train a study, or resume it, and print what its members say together."""
    from mlphys.commands import study
    from mlphys.studies.progress import reporter

    unfinished = study.unfinished(document, loaded, request) if go_on else None
    if go_on and not unfinished:
        _say(quiet)("no study to resume: starting a new one")
    with _interruptible():
        if unfinished:
            content = study.resume(unfinished, request, False, reporter(quiet), _say(quiet))
            found = unfinished
        else:
            found, content = study.begin(document, loaded, request, reporter(quiet), _say(quiet))
    _studied(found, content, quiet)


def _studied(study: Study, content: StudyFile, quiet: bool) -> None:
    """Print what a study says. Raises UserError where all of its members failed."""
    from mlphys import show
    from mlphys.errors import UserError

    if all(record.state == "failed" for record in content.members):
        raise UserError(f"{study.path}: all members failed; the first: {content.members[0].reason}")
    terminal.echo(str(study.path) if quiet else show.studied(study.path, content))


@main.command()
@CONFIG
@SET
@click.option("--grid", "grids", metavar="KEY=VALUES", multiple=True, help="[16,32], or 1e-3:1:log7, or 0:1:lin6.")
@SEEDS
@EVALUATE
@click.option("--out", type=click.Path(path_type=Path), help="The study's folder; default runs/NAME/NUMBER.")
@click.option("--resume", "go_on", is_flag=True, help="Go on with the newest study of CONFIG.")
@WORKERS
@THREADS
@click.option("--shard", metavar="I/N", help="Train every N-th member only, from the I-th on: for job arrays.")
@click.option("--dry-run", is_flag=True, help="Print the members and train none.")
@click.option("--yes", is_flag=True, help="Train more than 200 members.")
@QUIET
def sweep(
    config: Path,
    overrides: tuple[str, ...],
    grids: tuple[str, ...],
    seeds: int | None,
    evaluate: str | None,
    out: Path | None,
    go_on: bool,
    workers: int | None,
    threads: int | None,
    shard: str | None,
    dry_run: bool,
    yes: bool,
    quiet: bool,
) -> None:
    """Train CONFIG for every combination of the values of some keys, and for several seeds.

    Several --grid make a product. They replace those of the config's block study.
    """
    from mlphys import show
    from mlphys.commands import study
    from mlphys.config.load import load_document, overridden_document
    from mlphys.studies import conduct, members

    request = study.Request(
        members.grid(grids), seeds, evaluate, threads, workers, conduct.parsed_shard(shard), yes or dry_run, out
    )
    document = overridden_document(_config_path(config), overrides)
    loaded = _with_notes(load_document(document))
    if dry_run:
        terminal.echo(show.members(study.checked_members(document, loaded, request)))
        return
    _study(document, loaded, request, go_on, quiet)


@main.command()
@RUN
@SET
@THREADS
@WORKERS
@click.option("--retry", is_flag=True, help="Of a study: try the members again that failed.")
@click.option("--shard", metavar="I/N", help="Of a study: every N-th member only, from the I-th on.")
@QUIET
def resume(
    run: str | None,
    overrides: tuple[str, ...],
    threads: int | None,
    workers: int | None,
    retry: bool,
    shard: str | None,
    quiet: bool,
) -> None:
    """Resume RUN from its newest checkpoint; --set training.epochs=N trains longer.

    RUN may be a study; without RUN it is the newest unfinished run.
    """
    from mlphys.studies.study_file import located

    if run and (study := located(run)):
        _resume_study(study, overrides, threads, workers, retry, shard, quiet)
        return
    _refuse_given(
        {"--workers": workers is not None, "--retry": retry, "--shard": bool(shard)}, f"{run or 'RUN'} is no study"
    )
    from mlphys import show
    from mlphys.commands import train
    from mlphys.runs.run import find, newest_unfinished
    from mlphys.training.progress import reporter

    with _interruptible():
        done = train.resume(find(run) if run else newest_unfinished(), overrides, reporter(quiet), _say(quiet), threads)
    terminal.echo(str(done.path) if quiet else show.trained(done))


def _resume_study(
    study: Study,
    overrides: tuple[str, ...],
    threads: int | None,
    workers: int | None,
    retry: bool,
    shard: str | None,
    quiet: bool,
) -> None:
    _refuse_given(
        {"--set": bool(overrides), "--threads": threads is not None},
        f"{study.path} is a study, whose members keep their configs and threads",
    )
    from mlphys.commands.study import Request, resume
    from mlphys.studies.conduct import parsed_shard
    from mlphys.studies.progress import reporter

    request = Request({}, workers=workers, shard=parsed_shard(shard))
    with _interruptible():
        content = resume(study, request, retry, reporter(quiet), _say(quiet))
    _studied(study, content, quiet)


def _refuse_given(options: Mapping[str, bool], why: str) -> None:
    from mlphys.errors import UserError

    given = [name for name, there in options.items() if there]
    if given:
        raise UserError(f"{given[0]}: {why}; leave it out")


@main.command()
@RUN
@click.option("--split", type=click.Choice(["test", "validation", "train"]), default="test", show_default=True)
@click.option(
    "--data",
    "path",
    metavar="PATH",
    help="The run's data, if it has moved; or another labelled set, measured apart.",
)
@click.option("--shift", type=click.IntRange(min=1), help="Also measure on images shifted by 0 to so many pixels.")
@click.option("--noise", type=float, help="Also measure with noise of standard deviations from 0 to this one.")
@click.option("--no-plots", is_flag=True, help="Draw no pictures.")
@click.option("--json", "as_json", is_flag=True, help="Print the metrics as JSON.")
def evaluate(
    run: str | None,
    split: str,
    path: str | None,
    shift: int | None,
    noise: float | None,
    no_plots: bool,
    as_json: bool,
) -> None:
    """Measure RUN (default: the newest finished one) on its untouched test split."""
    from mlphys import show
    from mlphys.commands import evaluate, labelled_set, plot, robustness
    from mlphys.errors import UserError
    from mlphys.runs.run import Run

    found = _measurable(run)
    robustness.check(found, shift, noise)
    if path and (other := labelled_set.unless_own(found, Path(path))):
        if shift or noise:
            raise UserError("--shift and --noise measure on the run's own splits; leave them out, or --data")
        metrics = evaluate.evaluate_other(found, other)
        terminal.echo(json.dumps(metrics, indent=2) if as_json else show.evaluated_other(found, other, metrics))
        return
    metrics = evaluate.evaluate(found, split, path)
    curves = robustness.measure(found, split, shift, noise, path) if shift or noise else {}
    terminal.echo(json.dumps({**metrics, **curves}, indent=2) if as_json else show.evaluated(found, split, metrics))
    if curves and not as_json:
        terminal.echo(show.changed(curves))
    if no_plots:
        return
    drawn = plot.draw(Run(found.path), [*found.config.plots, *(["accuracy_against"] if curves else [])], ("png",))
    if not as_json:
        terminal.echo(show.drawn(drawn))


@main.command()
@click.argument("run")
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--resize", is_flag=True, help="Scale image files to the size of the training images.")
@click.option("--invert", is_flag=True, help="Turn black into white: MNIST's digits are white on black.")
@click.option("--as-is", is_flag=True, help="Take photographs of digits as they are: no levelling, no centring.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of CSV.")
@click.option("--save-inputs", type=click.Path(path_type=Path), help="Write what the net saw as png into a new folder.")
@click.option("--out", type=click.Path(path_type=Path), help="Write to this new file instead of printing.")
@click.option("--save", type=click.Path(path_type=Path), help="Write all arrays, reconstructions too, to a new npz.")
def predict(
    run: str,
    paths: tuple[Path, ...],
    resize: bool,
    invert: bool,
    as_is: bool,
    as_json: bool,
    save_inputs: Path | None,
    out: Path | None,
    save: Path | None,
) -> None:
    """Predict the class, value or code of each sample in image, array or csv files, or in a folder of images."""
    from mlphys.commands import predict
    from mlphys.errors import UserError
    from mlphys.io import atomic

    found = _measurable(run)
    if save and save.suffix != ".npz":
        raise UserError(f"{save}: --save writes an npz file; name it so")
    if out and save and os.path.realpath(out) == os.path.realpath(save):
        raise UserError(f"--out and --save name the same file {save}; name two")
    for path in (out, save, save_inputs):
        if path:
            atomic.new(path)
    predictions = predict.predict(found, paths, resize, invert, as_is)
    text = predict.as_json(predictions) if as_json else predict.as_csv(predictions)
    for note in predictions.notes:
        terminal.complain(note)
    if save_inputs:
        predict.save_inputs(predictions, save_inputs)
    if save:
        atomic.write(save, predict.as_npz(found, predictions))
    if out:
        atomic.write(out, text)
    else:
        terminal.echo_data(text)


@main.command()
@RUN
@click.option("--only", help="Draw only these pictures, separated by commas.")
@FORMATS
def plot(run: str | None, only: str | None, formats: str) -> None:
    """Draw the pictures of RUN (default: the newest finished one)."""
    from mlphys import show
    from mlphys.commands import plot
    from mlphys.runs.run import find
    from mlphys.studies.study_file import located

    if run and (study := located(run)):
        _refuse_given({"--only": bool(only)}, f"{study.path} is a study, which has pictures of its own")
        _plot_study(study, formats.split(","))
        return
    found = _with_note(find(run))
    names = only.split(",") if only else found.config.plots
    terminal.echo(show.drawn(plot.draw(found, names, formats.split(","))))


def _plot_study(study: Study, formats: Sequence[str]) -> None:
    from mlphys import show
    from mlphys.figures.save import FORMATS
    from mlphys.schema.messages import require_known
    from mlphys.studies import pictures

    require_known("format", formats, list(FORMATS))
    title = f"{study.path.resolve().parent.name}/{study.path.resolve().name}"
    drawn = pictures.draw(pictures.of_study(title, study.read()), study.path / "figures", formats)
    terminal.echo(show.pictures(*drawn))


@main.command()
@RUN
@click.option("--only", help="Make only these analyses, separated by commas.")
@FORMATS
@DATA
@QUIET
def analyze(run: str | None, only: str | None, formats: str, path: str | None, quiet: bool) -> None:
    """Make the analyses of RUN (default: the newest finished one): those of its config, or all that apply."""
    from mlphys.commands import analyze

    found = _measurable(run, path)
    if analyze.analyze(found, only.split(",") if only else (), formats.split(","), _say(quiet)):
        _say(quiet)(f"numbers in {found.path / 'analysis'}, pictures in {found.path / 'figures'}")


@main.command("plot-filters")
@RUN
@FORMATS
@click.pass_context
def plot_filters(ctx: click.Context, run: str | None, formats: str) -> None:
    """Draw every kernel of RUN, on several sheets if needed: the same as plot --only filters."""
    ctx.invoke(plot, run=run, only="filters", formats=formats)


@main.command()
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@click.option("--against", metavar="CONFIG", type=click.Path(path_type=Path), help="Another config than the runs' own.")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
def check(runs: tuple[str, ...], against: Path | None, as_json: bool) -> None:
    """Compare runs with the ranges under `expect:` and with published numbers; exit code 2 if one is outside.

    A RUN may be a study. With --against, ranges and numbers are those of CONFIG, whatever the runs' own configs say.
    """
    from mlphys import show
    from mlphys.commands import check
    from mlphys.errors import UserError
    from mlphys.runs.run import finished

    found = [finished(run) for run in _every_run(runs)]
    checked = check.check(found, _loaded(against).experiment if against else None)
    check.require_any(checked, found)
    if as_json:
        terminal.echo(json.dumps(check.as_json(checked), indent=2))
    else:
        terminal.echo(show.checked(checked))
    if outside := checked.outside():
        where = "; ".join(f"{row.run.path}: {row.metric}" for row in outside)
        raise UserError(f"outside the expected range: {where}")


def _every_run(names: tuple[str, ...]) -> list[Run]:
    """The runs, and those of studies; without a name the newest finished one."""
    from mlphys.runs.run import find
    from mlphys.studies.member_runs import member_runs
    from mlphys.studies.study_file import located

    found: list[Run] = []
    for name in names or (None,):
        study = located(name) if name else None
        found += member_runs(study) if study else [find(name)]
    return found


@main.command()
@click.argument("folder", type=click.Path(path_type=Path), default="runs", required=False)
@click.option("--where", metavar="CONDITION", help="'test.accuracy > 0.98 and training.batch_size == 100'.")
@click.option("--sort", metavar="KEY", help="Sort by a key; with - before it, the largest first.")
@click.option("--columns", metavar="KEYS", help="Keys of the config, metrics, columns, separated by commas.")
@click.option("--members", is_flag=True, help="Also the members of studies.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the table as CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print all that is known of each run as JSON.")
def runs(
    folder: Path,
    where: str | None,
    sort: str | None,
    columns: str | None,
    members: bool,
    as_csv: bool,
    as_json: bool,
) -> None:
    """The table of all runs and studies in FOLDER (default: runs), the newest first."""
    from mlphys import show
    from mlphys.studies import run_table
    from mlphys.studies.where import parse

    condition = parse(where) if where else None
    named = [column.strip() for column in columns.split(",")] if columns else []
    with show.reading() as progress:
        found = run_table.rows(folder, members, progress)
    found = run_table.selected(found, condition, sort, named)
    if as_json:
        terminal.echo(json.dumps(found, indent=2))
    elif as_csv:
        terminal.echo(run_table.as_csv(found, named or run_table.COLUMNS))
    else:
        terminal.echo(show.runs(found, named))


@main.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option("--all-pairs", is_flag=True, help="Compare all pairs, not only each with the first.")
@click.option("--metric", help="Another metric than the first of the kind of model.")
@click.option("--format", "format_", type=click.Choice(["text", "json", "csv", "latex", "markdown"]), default="text")
@click.option("--out", metavar="FOLDER", type=click.Path(path_type=Path), help="Draw pictures of it into a folder.")
@click.option("--pictures", "formats", default="png", help="png, pdf, svg; several separated by commas.")
def compare(
    runs: tuple[str, ...], all_pairs: bool, metric: str | None, format_: str, out: Path | None, formats: str
) -> None:
    """Compare runs, or studies, on the same samples: what differs, by how much, and with which significance."""
    from mlphys import show
    from mlphys.studies import comparison, comparison_text, pictures
    from mlphys.studies.candidates import candidates

    found = comparison.compare(candidates(runs), all_pairs, metric)
    match format_:
        case "text":
            terminal.echo(show.compared(found))
        case "json":
            terminal.echo(json.dumps(comparison_text.as_json(found), indent=2))
        case "csv":
            terminal.echo(comparison_text.as_csv(*comparison_text.pairs_table(found)))
        case "latex":
            terminal.echo(comparison_text.as_latex(found))
        case _:
            terminal.echo(comparison_text.as_markdown(found))
    if out:
        drawn = pictures.draw(pictures.of_comparison(found), out, formats.split(","))
        terminal.complain(show.pictures(*drawn))


@main.group()
def config() -> None:
    """Check, show and compare configs."""


@config.command("check")
@CONFIG
@SET
def config_check(config: Path, overrides: tuple[str, ...]) -> None:
    """Validate CONFIG without training."""
    from mlphys.config.advice import advice

    loaded = _loaded(config, overrides)
    parameters = sum(math.prod(shape) for shape in loaded.weight_shapes().values())
    terminal.echo(f"{config}: OK ({loaded.experiment.data.name}, {parameters} parameters)")
    for warning in advice(loaded):
        terminal.echo(f"warning: {warning}")


@config.command("show")
@CONFIG
@SET
def config_show(config: Path, overrides: tuple[str, ...]) -> None:
    """Print CONFIG complete, with every default."""
    from mlphys.schema.document import dump

    terminal.echo_data(dump(_loaded(config, overrides).experiment.model_dump()))


@config.command("explain")
@CONFIG
@SET
def config_explain(config: Path, overrides: tuple[str, ...]) -> None:
    """Print the layers of CONFIG with shapes, and its cost as a formula."""
    from mlphys import show

    terminal.echo(show.explained(_loaded(config, overrides)))


@config.command("diff")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
def config_diff(first: Path, second: Path) -> None:
    """Print the keys in which two configs, or two runs, differ, defaults included."""
    from mlphys import show
    from mlphys.config.difference import difference

    terminal.echo(show.differing(difference(_loaded(first).experiment, _loaded(second).experiment)))


@config.command("schema")
def config_schema() -> None:
    """Print the JSON schema of the config language, for completion in editors."""
    from mlphys.config.json_schema import json_schema

    terminal.echo(json.dumps(json_schema(), indent=2))


@config.command("copy")
@click.argument("name")
@click.option("--to", type=click.Path(path_type=Path), default=Path("."), help="The folder; default: the current one.")
@click.option("--name", "new_name", help="The name of the copy; what the original was expected to reach is left out.")
def config_copy(name: str, to: Path, new_name: str | None) -> None:
    """Copy the config NAME that comes with mlphys, to change it."""
    from mlphys.config.examples import copy

    path = copy(name, to, new_name)
    terminal.echo(f"{path}: written; `mlphys train {path}` trains it")


@main.group()
def data() -> None:
    """List, fetch and look at datasets."""


@data.command("list")
def data_list() -> None:
    """List the datasets that a config can name."""
    from mlphys import show

    terminal.echo(show.datasets())


@data.command("fetch")
@click.argument("name")
def data_fetch(name: str) -> None:
    """Download the dataset NAME unless it is present; the checksum is verified either way."""
    from mlphys import show
    from mlphys.config.experiment import dataset
    from mlphys.io.download import fetch

    sources = dataset(name).sources()
    with show.download() as progress:
        paths = [fetch(source, progress) for source in sources]
    terminal.echo("\n".join(f"{path}: present, checksum OK" for path in paths) or f"{name}: needs no download")


@data.command("show")
@CONFIG
@SET
@click.option("--out", type=click.Path(path_type=Path), default=Path("samples.png"), show_default=True)
def data_show(config: Path, overrides: tuple[str, ...], out: Path) -> None:
    """Draw a sheet of samples of each class of CONFIG's data; of a table a histogram of each column."""
    from mlphys.data import inspection
    from mlphys.io import atomic

    atomic.new(out)
    loaded = _loaded(config, overrides)
    inspection.sheet(loaded.dataset(), loaded.description, out, loaded.experiment.data.feature_names())
    terminal.echo(f"{out}: written")


@data.command("check")
@CONFIG
@SET
def data_check(config: Path, overrides: tuple[str, ...]) -> None:
    """Check the samples of CONFIG's data: ranges, duplicates, class balance."""
    from mlphys import show
    from mlphys.config import sample_checks
    from mlphys.data import inspection

    loaded = _loaded(config, overrides)
    dataset = loaded.dataset()
    found = inspection.check(dataset, loaded.description, loaded.net_input.target_names)
    terminal.echo(show.inspected(found, sample_checks.all_remarks(loaded, dataset)))


LISTS = [
    "models", "layers", "datasets", "plots", "analyses", "configs", "optimizers", "schedules", "losses",
    "initializers", "regularizers", "preprocess", "metrics", "keys",
]  # fmt: skip


@main.command()
@click.argument("key")
def explain(key: str) -> None:
    """Say what KEY of a config means: training.epochs, or a name such as Conv2D, adam, moons."""
    from mlphys.commands import explain as explanation

    terminal.echo(explanation.explain(key))


@main.command("list")
@click.argument("what", type=click.Choice(LISTS), metavar="WHAT")
def list_(what: str) -> None:
    """List what a config can name: WHAT is one of its vocabularies."""
    from mlphys import show

    terminal.echo(show.listed(what))


def _say(quiet: bool) -> Any:
    return (lambda text: None) if quiet else terminal.echo

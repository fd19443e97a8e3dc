"""docs/results.md, the rows of README.md, and the headers of the configs: all rendered from docs/results."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib
from scipy import stats

from mlphys.numerics.comparison import holm
from mlphys.numerics.published import Deviation, chi_squared, deviation, sampling_variance
from mlphys.numerics.uncertainty import rounded
from mlphys.schema.published import Published
from scripts.catalogue import LECTURES as OF_LECTURES
from scripts.catalogue import Row
from scripts.marked_tables import ROOT, table, write_table
from scripts.measured import FOLDER, Measured

DOCUMENT, README = ROOT / "docs" / "results.md", ROOT / "README.md"
HISTOGRAM = ROOT / "docs" / "images" / "pulls.png"
PICTURES = FOLDER / "pictures"
IN_README = ("conv_digits", "dense_mnist", "conv_mnist", "spirals", "dense_autoencoder_mnist", "pca_mnist")
HEAD = (
    "id", "lecture", "what it shows", "config", "mean", "+- over seeds", "+- samples", "n", "published", "pull",
    "seconds", "processor", "picture",
)  # fmt: skip
IN_PERCENT = ("accuracy",)
FRACTIONS = ("accuracy", "balanced_accuracy", "error_rate")
ENOUGH = 5  # seeds for a range
ROUNDING = 1e-5  # of numbers that no seed and no sample changes
NAMED = 3.0  # sigma, corrected for the number of rows
NOT_YET = "not yet measured on this engine"


# What is said of one config


def value(measured: Measured) -> str:
    """Mean and standard deviation over seeds; for a single run its standard error; PCA's mse of reconstructions."""
    ours, pca = measured.beside("mse"), measured.beside("pca_mse")
    if pca is None:
        return _value(measured)
    beside = f"PCA {pca:.3g}" if measured.metric == "mse" else f"mse {ours:.3g}, PCA {pca:.3g}"
    return f"{_value(measured)} ({beside})"


def _value(measured: Measured) -> str:
    found = measured.main()
    scale, unit = _scale(measured.metric)
    if found.n == 1:
        return f"{measured.metric} {rounded(scale * found.mean, found.sampling and scale * found.sampling)}{unit}"
    return f"{measured.metric} {rounded(scale * found.mean, scale * (found.stdev or 0))}{unit} over {found.n} seeds"


def _scale(metric: str) -> tuple[int, str]:
    return (100, " %") if metric in IN_PERCENT else (1, "")


def seconds(measured: Measured) -> str:
    took = measured.took()
    if took is None:
        return "not kept"
    return f"{took:.0f}" if took >= 10 else f"{took:.2g}"


def published_text(row: Row) -> str:
    """`test accuracy 0.9324`, with what else must be said; words where nothing of it is a number."""
    numbers = [
        f"{key.replace('.', ' ')} {entry.text()}{f' ({entry.remark})' if entry.remark else ''}"
        for key, entry in row.published.items()
    ]
    return ", ".join(numbers) or row.words


def header(row: Row, measured: Measured) -> str:
    """What the second line of a config says after its command."""
    published = f"; published: {text}" if (text := published_text(row)) else ""
    took = f"{seconds(measured)} s of training on {measured.threads} cores, " if measured.seconds else ""
    return f"{took}{measured.split} {value(measured)}{published}"


def expected(measured: Measured) -> str | None:
    """`[low, high]` that holds another seed with 99.9 %, and three sampling errors to each side."""
    found = measured.main()
    if found.n < ENOUGH or found.stdev is None or found.sampling is None:
        return None
    another = float(stats.t.ppf(0.9995, found.n - 1)) * found.stdev * math.sqrt(1 + 1 / found.n)
    half = max(another, 3 * found.sampling, ROUNDING * abs(found.mean))
    if not half:
        return None
    digits = 1 - math.floor(math.log10(half))
    low, high = (
        round(outward((found.mean + sign * half) * 10**digits) / 10**digits, max(0, digits)) + 0.0
        for sign, outward in ((-1, math.floor), (1, math.ceil))
    )
    if measured.metrics[measured.quoted].lowest() >= 0:
        low = max(low, 0.0)
    return f"[{low:g}, {min(high, 1.0) if measured.metric in FRACTIONS else high:g}]"


def quote_in_config(row: Row, measured: Measured) -> None:
    """Write what was measured into the second line of a config, and its range where the config has none."""
    assert row.config
    lines = row.config.read_text().splitlines(keepends=True)
    if row.scan or not lines[1].startswith("# mlphys train configs/"):
        return
    lines[1] = f"# mlphys train configs/{row.config.name}        {header(row, measured)}\n"
    text = "".join(lines)
    if not re.search(r"^expect:", text, re.MULTILINE) and (low_high := expected(measured)):
        before, key, after = text.partition("\npublished:")
        text = f"{before.rstrip()}\nexpect: {{{measured.quoted}: {low_high}}}\n{key.lstrip()}{after}"
    row.config.write_text(text)


# Pulls


@dataclass(frozen=True)
class Pull:
    """A metric beside a published number; `counted` in chi^2: comparable, with a pull, its source not counted yet.

    `unknown`: the published number is of other samples, and the error that ours leave was not kept.
    """

    row: Row
    metric: str
    published: Published
    deviation: Deviation
    n: int
    counted: bool
    unknown: bool

    def text(self) -> str:
        if not self.published.comparable:
            return f"not comparable: {self.published.remark}"
        if self.deviation.pull is not None:
            return f"{self.deviation.pull:+.1f}"
        if self.unknown:
            return "no pull: of other samples, and the error of ours was not kept"
        if self.deviation.within_rounding:
            return "equal within rounding"
        few = f"{self.n} seeds are too few" if self.n > 1 else "one seed is too few"
        return f"no pull: {few}" if self.n < 3 else "no pull: nothing varies, and it differs beyond rounding"


def pulls(row: Row, measured: Measured, sources: set[str]) -> list[Pull]:
    """Of one row; `sources` are those that were counted before."""
    found = []
    for name, entry in row.published.items():
        if name not in measured.metrics and entry.comparable:
            continue
        over = measured.metrics[name].over_seeds() if name in measured.metrics else measured.main()
        samples = measured.samples.get(name.partition(".")[0], 0)
        theirs = None if isinstance(entry.samples, str) else entry.samples
        variance = sampling_variance(over.sampling, samples, theirs)
        away = deviation(over, entry.value, entry.last_digit(), entry.error, entry.runs, variance)
        unknown = theirs is not None and over.sampling is None
        if unknown:
            away = replace(away, pull=None)
        counted = entry.comparable and away.pull is not None and entry.source not in sources
        sources |= {entry.source} if counted else set()
        found.append(Pull(row, name, entry, away, over.n, counted, unknown))
    return found


def all_pulls(rows: Sequence[Row], known: Mapping[str, Measured]) -> list[Pull]:
    sources: set[str] = set()
    return [pull for row in rows if row.id in known for pull in pulls(row, known[row.id], sources)]


def far(counted: Sequence[Pull]) -> list[tuple[Pull, float]]:
    """The rows beyond NAMED sigma after Holm's correction, with the corrected p."""
    corrected = holm([2 * float(stats.norm.sf(abs(pull.deviation.pull or 0.0))) for pull in counted])
    limit = 2 * float(stats.norm.sf(NAMED))
    return [(pull, p) for pull, p in zip(counted, corrected, strict=True) if p < limit]


def consistency(found: Sequence[Pull]) -> str:
    """Whether the published numbers and ours go together."""
    counted = [pull for pull in found if pull.counted]
    if not counted:
        return "No row that is measured has a comparable published number yet: there is no chi^2."
    total, p = chi_squared([pull.deviation.pull or 0.0 for pull in counted])
    verdict = "they are consistent" if p > 0.01 else "they are not consistent"
    lines = [
        f"**chi^2 = {total:.1f} for {len(counted)} published numbers, p = {p:.2g}: {verdict}.** Each source counts "
        "once; those that are declared not comparable, with the reason below, do not count."
    ]
    named = [
        f"- **{pull.row.id}** ({pull.deviation.pull:+.1f}, p = {p:.2g} after Holm's correction): "
        f"{pull.row.explained or 'not explained yet'}"
        for pull, p in far(counted)
    ]
    lines += ["", f"Beyond {NAMED:g} sigma, corrected for {len(counted)} comparisons:", "", *named] if named else []
    return "\n".join(lines)


def draw_histogram(found: Sequence[Pull]) -> None:
    """The pulls that count, beside the normal distribution that they should have."""
    import numpy as np

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    values = [max(-6.0, min(6.0, pull.deviation.pull or 0.0)) for pull in found if pull.counted]
    figure, axes = plt.subplots(figsize=(7, 3.2), dpi=120, layout="constrained")
    x = np.linspace(-6, 6, 300)
    axes.plot(x, len(values) * stats.norm.pdf(x), color="0.4", label="normal distribution")
    axes.hist(values, bins=np.arange(-6, 6.5, 1), color="#4477aa", alpha=0.8, label=f"{len(values)} rows")
    axes.set(xlabel="pull: (measured - published) / error; beyond 6 in the last bin", ylabel="rows")
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False)
    figure.savefig(HISTOGRAM, metadata={"Software": None})
    plt.close(figure)


# The page


def page(rows: Sequence[Row], known: Mapping[str, Measured]) -> str:
    found = all_pulls(rows, known)
    missing = len(rows) - sum(row.id in known for row in rows)
    parts = [
        consistency(found),
        "![histogram of the pulls beside a normal distribution](images/pulls.png)",
        f"Of {len(rows)} rows {missing} are not measured yet." if missing else f"All {len(rows)} rows are measured.",
        _table(HEAD, (cells(row, known.get(row.id), found) for row in rows)),
    ]
    if scans := list(_scans(rows, known)):
        parts += ["Scans, point by point:", _table(("id", "varied", "mean", "+- over seeds", "+- samples", "n"), scans)]
    return "\n\n".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows])


def cells(row: Row, measured: Measured | None, found: Sequence[Pull]) -> list[str]:
    """One for each column, none of them empty."""
    about = [f'<a id="{row.id.lower()}"></a>{row.id}', row.lecture, _shows(row), _config(row)]
    published = _plain(published_text(row)) or "nothing"
    if measured is None:
        why = row.why or f"{NOT_YET}: `make results ID={row.id}`"
        return [*about, _plain(why), *["not yet"] * 3, published, "not yet", *["not yet"] * 3]
    if measured.points:
        n = f"{len(measured.seeds)} for each"
        points = "a point" if len(measured.points) == 1 else f"{len(measured.points)} points"
        numbers = [f"{points}, in the table below", "below", "below", n]
    else:
        numbers = _numbers(measured)
    return [*about, *numbers, published, _pulls(row, found), *_made(measured), _picture(row)]


def _shows(row: Row) -> str:
    """Without the lecture in parentheses, which the table says elsewhere."""
    return _plain(re.sub(r" \((Marquardt|Bianco|Memisevic|Yale|deeplearning)[^()]*\)$", "", row.shows))


def _config(row: Row) -> str:
    return f"[{row.config.stem}](../{row.config.relative_to(ROOT).as_posix()})" if row.config else "none"


def _numbers(measured: Measured) -> list[str]:
    found, (scale, unit) = measured.main(), _scale(measured.metric)
    error = found.stdev if found.n > 1 else found.sampling
    mean = _mean(scale * found.mean, error and scale * error)
    beside = value(measured).removeprefix(_value(measured))
    place = "" if measured.split == "test" else f"{measured.split} "
    failed = f"; {len(measured.failed)} more diverged or failed" if measured.failed else ""
    return [
        f"{place}{measured.metric} {mean}{unit}{beside}",
        f"{_error(scale, found.stdev)}{unit}" if found.stdev is not None else "one seed",
        f"{_error(scale, found.sampling)}{unit}" if found.sampling is not None else "none is known",
        f"{found.n}{failed}",
    ]


def _mean(value: float, error: float | None) -> str:
    """As many digits as the error leaves."""
    text = rounded(value, error)
    return re.sub(r"^\((\S+) \+- \S+\)", r"\1", text).partition(" +- ")[0]


def _error(scale: int, error: float) -> str:
    return f"{float(f'{scale * error:.2g}'):g}" if error else "0"


def _made(measured: Measured) -> list[str]:
    threads = "1 thread" if measured.threads == 1 else f"{measured.threads} threads"
    where = f"{measured.processor or 'processor not kept'}, {threads}"
    return [seconds(measured), where]


def _pulls(row: Row, found: Sequence[Pull]) -> str:
    own = [pull for pull in found if pull.row.id == row.id]
    texts = [f"{pull.metric.replace('.', ' ')}: {pull.text()}" if len(own) > 1 else pull.text() for pull in own]
    if texts:
        return _plain("; ".join(texts))
    if row.published:
        return "the published metric is not measured yet"
    return "published in words" if row.words else "nothing to compare with"


def _picture(row: Row) -> str:
    if (PICTURES / f"{row.id}.png").exists():
        return f"![picture of {row.id}](results/pictures/{row.id}.png)"
    if row.scan and row.config and (HISTOGRAM.parent / f"{row.config.stem}.png").exists():
        return f"[picture](images/{row.config.stem}.png)"
    return "not drawn yet"


def _scans(rows: Sequence[Row], known: Mapping[str, Measured]) -> Iterator[list[str]]:
    for row in rows:
        measured = known.get(row.id)
        if measured is None:
            continue
        scale, unit = _scale(measured.metric)
        for varied, found in measured.scanned():
            mean = _mean(scale * found.mean, scale * (found.stdev or found.sampling or 0))
            errors = [f"{_error(scale, e)}{unit}" if e is not None else "none" for e in (found.stdev, found.sampling)]
            yield [row.id, _plain(varied), f"{measured.metric} {mean}{unit}", *errors, str(found.n)]


def _plain(text: str) -> str:
    """Without what would end a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


# README.md


README_COLUMNS = "| config | on the test split | published | seconds |\n|---|---|---|---|"


def readme_table(rows: Sequence[Row], known: Mapping[str, Measured]) -> str:
    by_name = {row.config.stem: row for row in rows if row.config}
    lines = []
    for name in IN_README:
        row = by_name[name]
        found = known.get(row.id)
        text, took = (value(found), seconds(found)) if found else (NOT_YET, "not yet")
        lines.append(f"| {name} | {text} | {published_text(row)} | {took} |")
    return "\n".join([README_COLUMNS, *lines])


# The pages of the lectures


LECTURE_HEAD = ("id", "what it shows", "measured", "published", "pull", "command")
LECTURES = {
    "marquardt-5": lambda row: row.id.startswith("M") and row.lecture == "Marquardt 5",
    "marquardt-6": lambda row: row.id.startswith("M") and row.lecture != "Marquardt 5",
    "bianco-13": lambda row: row.id.startswith("B"),
    "memisevic-10": lambda row: row.id.startswith("D"),
    "yale": lambda row: row.id.startswith(("Y", "A4", "S")),
}


def lecture(name: str) -> Path:
    return ROOT / "docs" / "lectures" / f"{name}.md"


def lecture_table(name: str, rows: Sequence[Row], known: Mapping[str, Measured]) -> str:
    """The experiments of a lecture, each with its command."""
    found = all_pulls(rows, known)
    own = [row for row in rows if row.order[0] < len(OF_LECTURES) and LECTURES[name](row)]
    return _table(LECTURE_HEAD, (_lecture_cells(row, known.get(row.id), found) for row in own))


def _lecture_cells(row: Row, measured: Measured | None, found: Sequence[Pull]) -> list[str]:
    published = _plain(published_text(row)) or "nothing"
    about = [row.id, _shows(row)]
    if row.config is None:
        return [*about, "no number", published, "nothing to compare with", _plain(row.why)]
    verb = "sweep" if row.scan else "train"
    command = f"`mlphys {verb} {row.config.relative_to(ROOT).as_posix()}`"
    if measured is None:
        return [*about, NOT_YET, published, "not yet", command]
    what = f"{len(measured.points)} points: [results](../results.md)" if measured.points else value(measured)
    return [*about, what, published, _pulls(row, found), command]


def documents(rows: Sequence[Row], known: Mapping[str, Measured]) -> dict[Path, str]:
    """What stands between the marks of every page that quotes results."""
    lectures = {lecture(name): lecture_table(name, rows, known) for name in LECTURES}
    return {DOCUMENT: page(rows, known), README: readme_table(rows, known), **lectures}


def write_documents(rows: Sequence[Row], known: Mapping[str, Measured]) -> None:
    draw_histogram(all_pulls(rows, known))
    for document, text in documents(rows, known).items():
        if table(document, "results") != text:
            write_table(document, "results", text)
    for row in rows:
        if row.id in known and row.config:
            quote_in_config(row, known[row.id])


def thumbnail(picture: Path, identifier: str) -> None:
    """A small copy of a picture, for the table."""
    from PIL import Image

    PICTURES.mkdir(parents=True, exist_ok=True)
    with Image.open(picture) as image:
        small = image.convert("RGB")
    small.thumbnail((220, 140), Image.Resampling.LANCZOS)
    small.quantize(64, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        PICTURES / f"{identifier}.png", optimize=True
    )

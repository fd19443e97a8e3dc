"""docs/results: a file for each measured row of docs/results.md, and what its numbers depend on."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import statistics
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from mlphys.config.difference import REMARKS
from mlphys.config.pretrained import runs_before
from mlphys.numerics.over_seeds import OverSeeds, over_seeds
from mlphys.schema.document import read
from scripts.marked_tables import ROOT
from scripts.readable_json import readable

FOLDER, PACKAGE = ROOT / "docs" / "results", ROOT / "mlphys"
ENGINE = ("data", "native", "networks", "numerics", "schema", "training")  # packages that every number depends on


@dataclass(frozen=True)
class Metric:
    """A metric by seed, with the standard error that the finite number of samples leaves."""

    values: Sequence[float] = ()
    stderrs: Sequence[float | None] = ()

    def over_seeds(self) -> OverSeeds:
        return over_seeds(self.values, self.stderrs)

    def lowest(self) -> float:
        return min(self.values, default=self.over_seeds().mean)


@dataclass(frozen=True)
class Measured:
    """What a config reaches: metrics by name with their split, such as test.accuracy, `quoted` the one of the table.

    A scan has `points` instead, each with what it varies and the quoted metric. `seconds` are those of the epochs,
    by seed.
    """

    id: str
    config: str
    quoted: str
    metrics: Mapping[str, Metric]
    seeds: Sequence[int] = ()
    samples: Mapping[str, int] = field(default_factory=dict)
    seconds: Sequence[float] = ()
    processor: str = ""
    threads: int = 2
    versions: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""
    date: str = ""
    depends: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    points: Sequence[Mapping[str, Any]] = ()

    @property
    def split(self) -> str:
        return self.quoted.partition(".")[0]

    @property
    def metric(self) -> str:
        return self.quoted.partition(".")[2]

    def main(self) -> OverSeeds:
        return self.metrics[self.quoted].over_seeds()

    def beside(self, name: str) -> float | None:
        """The mean of another metric of the same split."""
        found = self.metrics.get(f"{self.split}.{name}")
        return found.over_seeds().mean if found else None

    def took(self) -> float | None:
        return statistics.median(self.seconds) if self.seconds else None

    def outdated(self, depends: Mapping[str, str]) -> list[str]:
        """What has changed since it was measured."""
        return [name for name, value in depends.items() if self.depends.get(name) != value]

    def scanned(self) -> Iterator[tuple[str, OverSeeds]]:
        """What a point of a scan varies, as text, and what was found there."""
        for point in self.points:
            varied = ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in point["labels"].items())
            yield varied or "the seed", over_seeds(point["values"], point["stderrs"])


def file(identifier: str) -> Path:
    return FOLDER / f"{identifier}.json"


def write(measured: Measured) -> None:
    content = {key: value for key, value in asdict(measured).items() if value}
    metrics = {name: {k: v for k, v in each.items() if v} for name, each in content.get("metrics", {}).items()}
    FOLDER.mkdir(parents=True, exist_ok=True)
    file(measured.id).write_text(readable({**content, "metrics": metrics}))


def known() -> dict[str, Measured]:
    """What was measured, by id."""
    return {path.stem: _read(path) for path in sorted(FOLDER.glob("*.json"))}


def _read(path: Path) -> Measured:
    content = json.loads(path.read_text())
    metrics = {name: Metric(**each) for name, each in content.pop("metrics").items()}
    return Measured(metrics=metrics, **content)


def dependencies(config: Path) -> dict[str, str]:
    """Short hashes of what the numbers of a config depend on: what it trains, the engine, its dataset and kind."""
    shared = [*PACKAGE.glob("models/_*.py"), *PACKAGE.glob("datasets/_*.py")]
    engine = [path for name in ENGINE for path in (PACKAGE / name).rglob("*.py")]
    parts = {"engine": _code(frozenset(engine)), "kind": _code(frozenset([*_kinds(config), *shared]))}
    return {"config": config_hash(config), **parts}


def config_hash(config: Path) -> str:
    return _hash(_trained(config))


def _kinds(config: Path) -> Iterator[Path]:
    """The files of its dataset and kind of model, and of those of the runs that it begins with."""
    data = read(config).data
    yield PACKAGE / "models" / f"{data['model']['kind']}.py"
    yield PACKAGE / "datasets" / f"{data['data']['name']}.py"
    for source in runs_before(config):
        yield from _kinds(config.with_name(f"{source}.yaml"))


def _trained(config: Path) -> Iterator[str]:
    """What a config trains, and the runs that it begins with, without remarks and pictures."""
    data = read(config).data
    yield json.dumps(
        {key: value for key, value in data.items() if key not in REMARKS or key == "study"}, sort_keys=True
    )
    for source in runs_before(config):
        yield from _trained(config.with_name(f"{source}.yaml"))


@cache
def _code(files: frozenset[Path]) -> str:
    return _hash(_statements_of(path) for path in sorted(files))


@cache
def _statements_of(path: Path) -> str:
    return _statements(path.read_text())


def _hash(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]


def _statements(source: str) -> str:
    """The lines of a module without docstrings, comments and empty lines, which change no number."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            lines[first.lineno - 1 : first.end_lineno] = [""] * (first.end_lineno - first.lineno + 1)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return "\n".join(line.rstrip() for line in lines if line.strip())

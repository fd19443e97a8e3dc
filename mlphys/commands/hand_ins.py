"""The runs of a class: which there are, and what of their data and versions is not as it should be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlphys import machine
from mlphys.config.experiment import ResolvedExperiment
from mlphys.data import splits
from mlphys.errors import UserError
from mlphys.runs.run import Run, find, finished
from mlphys.studies.member_runs import member_runs
from mlphys.studies.runs_below import runs_below
from mlphys.studies.study_file import located

SPLITS = ("train", "validation", "test")
Hashes = Mapping[str, str]  # sha256 by split


@dataclass(frozen=True)
class Provenance:
    """The splits of a run whose samples are others, and versions that are others: (of the run, here)."""

    splits: tuple[str, ...] = ()
    versions: dict[str, tuple[str, str]] = field(default_factory=dict)


def readable(names: Sequence[str]) -> tuple[list[Run], dict[str, str]]:
    """The finished runs that are named, those of studies, and all below folders; and why others cannot be measured.

    Without a name the newest finished run. Raises UserError for a single run that cannot be measured.
    """
    candidates = [run for name in names or (None,) for run in _named(name)]
    if len(candidates) == 1 and len(names) < 2:
        return [finished(candidates[0])], {}
    runs: list[Run] = []
    refused: dict[str, str] = {}
    for run in candidates:
        try:
            _require_readable(run)
            runs.append(run)
        except UserError as error:
            refused[str(run.path)] = str(error).partition("\n")[0].removeprefix(f"{run.path}: ")
    return runs, refused


def _named(name: str | None) -> list[Run]:
    if name and (study := located(name)):
        return member_runs(study)
    try:
        return [find(name)]
    except UserError:
        if name and (below := runs_below(name)):
            return below
        raise


def _require_readable(run: Run) -> None:
    """Raise UserError unless all of a run can be read that a check needs."""
    finished(run)
    _ = run.config, run.metrics, run.data


def provenance(runs: Sequence[Run], expected: Hashes | None) -> dict[str, Provenance]:
    """By the path of each run. Without `expected` the samples of most of the runs are taken for the right ones."""
    hashes = [{name: run.data["splits"][name]["sha256"] for name in SPLITS} for run in runs]
    right = expected or _of_most(hashes)
    return {
        str(run.path): Provenance(tuple(name for name in SPLITS if own[name] != right[name]), _other_versions(run))
        for run, own in zip(runs, hashes, strict=True)
    }


def sample_hashes(loaded: ResolvedExperiment) -> Hashes | None:
    """The sha256 of the samples of each split, which are read; None where they are not here."""
    try:
        facts = splits.summary(loaded.dataset(), loaded.experiment.data, loaded.description)
    except UserError:
        return None
    return {name: facts["splits"][name]["sha256"] for name in SPLITS}


def _of_most(hashes: Sequence[Hashes]) -> Hashes:
    return {name: Counter(own[name] for own in hashes).most_common(1)[0][0] for name in SPLITS if hashes}


def _other_versions(run: Run) -> dict[str, tuple[str, str]]:
    """Those of mlphys and of the packages on which trained bytes depend; of a run that names none, nothing."""
    if not run.folder.has("environment.json"):
        return {}
    try:
        environment = run.environment
    except UserError:
        return {"environment.json": ("damaged", "")}
    packages: Any = environment.get("packages")
    known = {"mlphys": environment.get("mlphys"), **(packages if isinstance(packages, dict) else {})}
    return {
        name: (str(known[name]), here)
        for name, here in machine.versions().items()
        if known.get(name) is not None and str(known[name]) != here
    }

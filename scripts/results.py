"""Measure the configs, a file for each in docs/results, and render what quotes them from these files.

python -m scripts.results                          what is missing, or older than config, engine or kind of model
python -m scripts.results M8 B13                   these rows; --again measures them whatever they depend on
python -m scripts.results --list                   which rows are missing or outdated, and why
python -m scripts.results --from-studies FOLDER    from finished studies FOLDER/NAME, of `mlphys train NAME --seeds 5`;
                                                   outdated until measured, since the code of a study is not known
python -m scripts.results --unchanged [ID]         what they depend on was edited without effect on their numbers, as
                                                   scripts.same_bytes shows: keep these, and note the new state
python -m scripts.results --render                 only the pages, the headers and the histogram

Each row is a study of seeds in runs/results, trained by one process that stays warm; interrupted, the same command
resumes it, also on another machine that has the folder. A config that begins with the weights of another one is trained
after it, with each seed.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from mlphys.commands import evaluate, plot, robustness
from mlphys.commands.analyze_study import of_members
from mlphys.commands.check import by_name
from mlphys.config.experiment import ANALYSIS
from mlphys.config.load import load
from mlphys.config.pretrained import runs_before
from mlphys.runs.run import Run
from mlphys.schema.document import read
from mlphys.studies import pictures as study_pictures
from mlphys.studies.candidates import Candidate, candidates
from mlphys.studies.changed_samples import against_changes
from mlphys.studies.member_runs import member_runs
from mlphys.studies.study_file import MemberRecord, Study, StudyFile
from scripts import pictures, results_page
from scripts.catalogue import Row, rows
from scripts.marked_tables import ROOT
from scripts.measured import Measured, Metric, dependencies, known, write

SEEDS = 5
REMARKS = ("about", "expect", "published", "analysis")  # of which a study that is resumed may know another version
BESIDE = ("mse", "pca_mse")
# scans that ask for the accuracy on changed samples: how `mlphys evaluate` changes them
CHANGED: dict[str, dict[str, Any]] = {"shifts_mnist": {"shift": 8}, "noise_mnist": {"noise": 1.0}}


def measured(row: Row, folder: Path, seeds: int) -> tuple[Measured, Path]:
    """A row, trained in `folder` or resumed there, and its first run that is done."""
    assert row.config
    commit, depends = _commit(), dependencies(row.config)  # before a training that may outlast an edit
    result, run = _trained(row, folder, seeds, depends)
    return replace(result, commit=commit, depends=depends), run


def _trained(row: Row, folder: Path, seeds: int, depends: Mapping[str, str]) -> tuple[Measured, Path]:
    assert row.config
    place = folder / "-".join([row.id, *depends.values()])
    place.mkdir(parents=True, exist_ok=True)
    if row.scan:
        study = place / "study"
        mlphys(place, "sweep", _copy(row.config, place), *_into(study))
        return of_study(row, study), _first(study)
    if runs_before(row.config):
        runs = [_after_its_sources(row.config, place / str(seed), seed) for seed in range(seeds)]
        return of_runs(row, runs), runs[0]
    study = place / "study"
    mlphys(place, "train", _copy(row.config, place), "--seeds", seeds, "--workers", 1, *_into(study))
    return of_study(row, study), _first(study)


def _first(study: Path) -> Path:
    """The run of the first member that is done."""
    content = StudyFile.model_validate_json((study / "study.json").read_text())
    return next(study / record.directory for record in content.members if record.state == "done")


def _into(study: Path) -> list[object]:
    return ["--out", study, *(["--resume"] if (study / "study.json").exists() else []), "--no-report", "--quiet"]


def _copy(config: Path, place: Path) -> Path:
    """The config without remarks, pictures and analyses."""
    data = {key: value for key, value in read(config).data.items() if key not in REMARKS}
    copy = place / config.name
    copy.write_text(yaml.safe_dump({**data, "plots": []}, sort_keys=False))
    return copy


def _after_its_sources(config: Path, place: Path, seed: int) -> Path:
    """The run of one seed, and before it those whose weights it begins with."""
    place.mkdir(parents=True, exist_ok=True)
    for source in runs_before(config):
        if not _done(place / "runs" / source / "1"):
            copy = _copy(config.with_name(f"{source}.yaml"), place)
            mlphys(place, "train", copy, "--seed", seed, "--resume", "--quiet", "--no-report")
    if not _done(place / "run"):
        resumed = ["--resume"] if (place / "run").exists() else []
        arguments = ("--seed", seed, "--out", place / "run", *resumed, "--quiet", "--no-report")
        mlphys(place, "train", _copy(config, place), *arguments)
    return place / "run"


def _done(run: Path) -> bool:
    return (run / "status.json").exists() and Run(run).status["state"] == "done"


def mlphys(folder: Path, *arguments: object) -> None:
    environment = {**os.environ, "PYTHONPATH": os.fspath(ROOT)}
    subprocess.run([sys.executable, "-m", "mlphys", *map(str, arguments)], check=True, cwd=folder, env=environment)


# From runs to a row


def of_study(row: Row, study: Path) -> Measured:
    """What the members of a finished study reached. Raises SystemExit where some are not trained yet."""
    content = StudyFile.model_validate_json((study / "study.json").read_text())
    if waiting := [record.number for record in content.members if not record.ended]:
        raise SystemExit(f"{study}: members {', '.join(map(str, waiting))} are not trained yet")
    runs = {record.number: study / record.directory for record in content.members if record.state == "done"}
    failed = {str(record.member): record.reason or record.state for record in content.members if record.state != "done"}
    if not row.scan:
        return replace(of_runs(row, list(runs.values())), failed=failed)
    return _scan(row, content, runs, failed)


def of_runs(row: Row, paths: Sequence[Path]) -> Measured:
    """What runs that differ in the seed reached, on every split that is quoted."""
    assert row.config
    if not paths:
        raise SystemExit(f"{row.id}: no run is finished")
    first = Run(paths[0])
    quoted = f"{'test' if first.config.data.test else 'train'}.{row.quote}"
    split = quoted.partition(".")[0]
    comparable = [name for name, entry in row.published.items() if entry.comparable]
    names = dict.fromkeys([quoted, *(f"{split}.{name}" for name in BESIDE), *comparable, *_expected(row)])
    runs = [_evaluated(path, {name.partition(".")[0] for name in names}) for path in paths]
    return Measured(
        row.id, row.config.stem, quoted,
        metrics={name: metric for name in names if (metric := _metric(runs, name))},
        seeds=[run.config.seed for run in runs],
        samples={split: run_metrics["samples"] for split, run_metrics in runs[0].metrics.items()},
        **_circumstances(row, runs),
    )  # fmt: skip


def _expected(row: Row) -> list[str]:
    assert row.config
    return list(read(row.config).data.get("expect") or {})


def _evaluated(path: Path, splits: set[str]) -> Run:
    for split in sorted(splits - Run(path).metrics.keys()):
        evaluate.evaluate(Run(path), split)
    return Run(path)


def _metric(runs: Sequence[Run], name: str) -> Metric | None:
    """By seed; None where the runs have it not."""
    split, _, metric = name.partition(".")
    found = [by_name(run.metrics.get(split, {})) for run in runs]
    values = [value for each in found if (value := each.get(metric)) is not None]
    if len(values) < len(runs):
        return None
    return Metric(values, [each.get(f"{metric}_stderr") for each in found])


def _circumstances(row: Row, runs: Sequence[Run]) -> dict[str, Any]:
    assert row.config
    environment = runs[0].environment
    return {
        "seconds": [round(sum(epoch["seconds"] or 0.0 for epoch in run.history), 2) for run in runs],
        "processor": environment["cpu"] or platform.processor(),
        "threads": environment["threads"],
        "versions": {"mlphys": environment["mlphys"], "python": environment["python"], **environment["packages"]},
        "date": datetime.now(UTC).date().isoformat(),
    }


def _commit() -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "mlphys")
    return git("rev-parse", "HEAD") + (" with changes" if changed else "")


def _scan(row: Row, content: StudyFile, runs: Mapping[int, Path], failed: Mapping[str, str]) -> Measured:
    """Point by point, what the quoted metric is over the seeds."""
    assert row.config
    trained = [record for record in content.members if record.number in runs]
    points: dict[tuple[tuple[str, str], ...], list[MemberRecord]] = {}
    for record in trained:
        points.setdefault(tuple(record.labels.items()), []).append(record)
    measured = [
        {
            "labels": dict(labels),
            "values": [record.metrics[content.evaluated][row.quote] for record in records],
            "stderrs": [record.metrics[content.evaluated].get(f"{row.quote}_stderr") for record in records],
        }
        for labels, records in points.items()
    ]
    circumstances = _circumstances(row, [Run(path) for path in runs.values()])
    seeds = content.seeds or [0]
    return Measured(
        row.id, row.config.stem, f"{content.evaluated}.{row.quote}", {}, seeds, points=measured, failed=failed,
        **circumstances,
    )  # fmt: skip


def draw_thumbnail(row: Row, run: Path) -> None:
    """A picture of a run, the first that its config names beside the learning curves."""
    assert row.config
    named = read(row.config).data.get("plots") or []
    chosen = next((name for name in named if name != "learning_curves"), "learning_curves")
    plot.draw(Run(run), [chosen], ("png",))
    results_page.thumbnail(run / "figures" / f"{chosen}.png", row.id)


def draw_scan(row: Row, study: Path) -> None:
    """What the members of a scan say together, in docs/images."""
    assert row.config
    members = Study(study)
    for path in _of_analyses(row.config, members) or _of_metric(row.config, members):
        pictures.keep(path, row.config.stem)


def _of_analyses(config: Path, study: Study) -> list[Path]:
    """The pictures of the analyses that a config lists."""
    named = {ANALYSIS.names[type(one)]: one for one in load(config).experiment.analysis}
    found = [of_members(study, name, one, member_runs(study), ("png",), print) for name, one in named.items()]
    return [study.path / "figures" / f"{result.pictures[0].name}.png" for result in found if result]


def _of_metric(config: Path, study: Study) -> list[Path]:
    """The metric against how far samples are changed, or against what a scan varies."""
    name = config.stem
    if name in CHANGED:
        drawings = [lambda: against_changes(_on_changed_samples(study.path, **CHANGED[name]))]
    else:
        drawings = study_pictures.of_study(name, study.read())
    drawn, _ = study_pictures.draw(drawings, study.path / "figures", ("png",))
    return [path for path in drawn if path.name in ("metric_against_parameter.png", "accuracy_against.png")]


def _on_changed_samples(study: Path, shift: int | None = None, noise: float | None = None) -> list[Candidate]:
    """The points of a study, of which each member was measured on changed test samples; named by what varies."""
    points = candidates([str(study)])
    for run in (run for point in points for run in point.runs):
        if not all(run.robustness(name) for name, amount in (("shift", shift), ("noise", noise)) if amount):
            robustness.measure(run, "test", shift, noise)
    return [replace(point, name=point.name.rpartition("=")[2].rstrip(")")) for point in points]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID", help="rows; default: all")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--again", action="store_true", help="also what is measured already")
    parser.add_argument("--list", action="store_true", help="say what is missing or outdated, and train nothing")
    parser.add_argument("--from-studies", type=Path, metavar="FOLDER", help="take finished studies of any code")
    parser.add_argument("--unchanged", action="store_true", help="keep the numbers, and note what they depend on now")
    parser.add_argument("--render", action="store_true", help="only write the pages")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "results", help="where the studies are trained")
    arguments = parser.parse_args()
    catalogue, there = rows(), known()
    wanted = _chosen(catalogue, arguments.ids)
    if arguments.render:
        wanted = []
    not_measured = []
    for row in wanted:
        assert row.config
        missing = ["not measured"] if row.id not in there else there[row.id].outdated(dependencies(row.config))
        if arguments.list:
            print(f"{row.id:14} {row.config.stem:32} {', '.join(missing) or 'up to date'}")
        elif arguments.unchanged:
            if row.id in there:
                write(replace(there[row.id], depends=dependencies(row.config)))
        elif arguments.from_studies:
            study = arguments.from_studies / row.config.stem
            if (study / "study.json").exists():
                _keep(row, of_study(row, study), _first(study))
        elif missing or arguments.again:
            print(f"{row.id} {row.config.stem}: {', '.join(missing)}", flush=True)
            try:
                _keep(row, *measured(row, arguments.folder.absolute(), arguments.seeds))
            except subprocess.CalledProcessError as error:
                print(f"{row.id}: not measured: {error}", file=sys.stderr, flush=True)
                not_measured.append(row.id)
    if not arguments.list:
        results_page.write_documents(catalogue, known())
    if not_measured:
        raise SystemExit(f"not measured: {', '.join(not_measured)}; the same command goes on with them")


def _chosen(catalogue: Sequence[Row], ids: Sequence[str]) -> list[Row]:
    """The rows with these ids or names of configs, or all that have a config."""
    with_config = [row for row in catalogue if row.config]
    by_any_name = {name: row for row in with_config if row.config for name in (row.id, row.config.stem)}
    if unknown := [name for name in ids if name not in by_any_name]:
        raise SystemExit(
            f"{', '.join(unknown)}: no such id or config; there are {', '.join(r.id for r in with_config)}"
        )
    return [by_any_name[name] for name in ids] or with_config


def _keep(row: Row, found: Measured, run: Path) -> None:
    """Write a row's file and picture, and the pages with it."""
    write(found)
    if row.scan:
        draw_scan(row, run.parents[1])
    else:
        draw_thumbnail(row, run)
    results_page.write_documents(rows(), known())
    took = found.took()
    print(f"{row.id} {found.config}: {'scan' if row.scan else results_page.value(found)}; {took} s", flush=True)


if __name__ == "__main__":
    main()

"""Measures the physics of a trained net: numbers into analysis/<name>.json, pictures into figures/."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlphys import gallery, looks
from mlphys.config import ANALYSES, ANALYSIS
from mlphys.errors import UserError
from mlphys.picture import NotApplicable
from mlphys.recorder import Recorder
from mlphys.run import Run

Say = Callable[[str], None]


def analyze(run: Run, only: Sequence[str], formats: Sequence[str], say: Say) -> None:
    """Make the analyses `only`, else those of the run's config, else all that it can have; say a line of each.

    Those of the config have its settings, others their defaults. Raises UserError for an unknown name or
    format, for one of `only` that does not apply, and when a file cannot be written.
    """
    gallery.known("analysis", only, list(ANALYSES))
    gallery.known("format", formats, list(gallery.ANONYMOUS))
    listed = {ANALYSIS.names[type(spec)]: spec for spec in run.config.analysis}
    specs = {name: listed.get(name) or ANALYSES[name].Spec() for name in only or listed or ANALYSES}
    left_out = {}
    for name, spec in specs.items():
        try:
            ANALYSES[name].check(spec, run.loaded)
        except NotApplicable as reason:
            left_out[name] = str(reason)
    _refuse(run, {name: reason for name, reason in left_out.items() if name in only})
    for name in [name for name in specs if name not in left_out]:
        try:
            with looks.applied():
                finding = ANALYSES[name].measure(specs[name], run)
                Recorder(run.path).analysis(name, finding.numbers)
                for picture in finding.pictures:
                    gallery.save(picture, run.path / "figures", formats)
        except NotApplicable as reason:
            _refuse(run, {name: str(reason)} if only else {})
            left_out[name] = str(reason)
        else:
            say(f"{name}: {finding.said}")
    for name, reason in left_out.items():
        say(f"{name}: left out: {reason}")


def _refuse(run: Run, reasons: dict[str, str]) -> None:
    if reasons:
        raise UserError("\n".join(f"{run.path}: {name}: {reason}" for name, reason in reasons.items()))

"""Run analyses of a trained network: numbers into analysis/<name>.json, pictures into figures/."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from mlphys.commands import plot
from mlphys.config.experiment import ANALYSES, ANALYSIS
from mlphys.errors import NotApplicable, UserError
from mlphys.figures import theme
from mlphys.figures.analysis_result import Analysis, AnalysisResult
from mlphys.figures.save import FORMATS, save
from mlphys.figures.style import Style
from mlphys.runs.run import Run
from mlphys.runs.writer import RunWriter
from mlphys.schema.suggestions import require_known

Say = Callable[[str], None]


def analyze(run: Run, only: Sequence[str], formats: Sequence[str], say: Say, style: Style | None = None) -> list[str]:
    """Make the analyses `only`, else those of the config, else all that apply; print one line per analysis.

    Returns the names of those that were made. Settings are the config's, or the defaults. Raises UserError for an
    unknown name or format, one of `only` that does not apply, numbers that are not finite, and failed writes.
    """
    require_known("analysis", only, list(ANALYSES))
    require_known("format", formats, list(FORMATS))
    listed = {ANALYSIS.names[type(analysis)]: analysis for analysis in run.config.analysis}
    analyses = {name: listed.get(name) or ANALYSES[name]() for name in only or listed or ANALYSES}
    left_out = {}
    for name, analysis in analyses.items():
        try:
            analysis.check(run.loaded)
        except NotApplicable as reason:
            left_out[name] = str(reason)
    _refuse(run, {name: reason for name, reason in left_out.items() if name in only})
    names = []
    for name in [name for name in analyses if name not in left_out]:
        try:
            result = made_one(run, name, analyses[name], formats, style)
        except NotApplicable as reason:
            _refuse(run, {name: str(reason)} if only else {})
            left_out[name] = str(reason)
        else:
            names.append(name)
            say(f"{name}: {result.summary}")
    for name, why in left_out.items():
        say(f"{name}: left out: {why}")
    return names


def made_one(
    run: Run, name: str, analysis: Analysis, formats: Sequence[str], style: Style | None = None
) -> AnalysisResult:
    """Make one analysis and write its numbers and pictures. Raises NotApplicable, and UserError as `analyze` does."""
    with theme.applied(style):
        result = _measured(run, analysis)
        _finite(run, name, result)
        RunWriter(run.path).analysis(name, result.numbers)
        for picture in result.pictures:
            save(picture, run.path / "figures", formats)
    return result


def _measured(run: Run, analysis: Analysis) -> AnalysisResult:
    try:
        return analysis.measure(run)
    except (ArithmeticError, ValueError) as error:
        raise plot.too_large(run, error) from None


def _finite(run: Run, name: str, result: AnalysisResult) -> None:
    try:
        json.dumps(result.numbers, allow_nan=False)
    except ValueError:
        raise UserError(
            f"{run.path}: {name}: the net gives numbers that are not finite; retrain with a smaller learning_rate"
        ) from None


def _refuse(run: Run, reasons: dict[str, str]) -> None:
    if reasons:
        raise UserError("\n".join(f"{run.path}: {name}: {reason}" for name, reason in reasons.items()))

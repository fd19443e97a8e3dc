"""Run the analyses of every member of a study, and what they say together."""

from __future__ import annotations

from collections.abc import Sequence

from mlphys.commands import analyze
from mlphys.commands.analyze import Say
from mlphys.config.experiment import ANALYSES, ANALYSIS
from mlphys.errors import NotApplicable, UserError
from mlphys.figures import theme
from mlphys.figures.analysis_result import Analysis, AnalysisResult
from mlphys.figures.save import FORMATS, save
from mlphys.figures.style import Style
from mlphys.runs.run import Run
from mlphys.runs.writer import RunWriter
from mlphys.schema.suggestions import require_known
from mlphys.studies.member_runs import member_runs
from mlphys.studies.study_file import Study


def analyze_study(
    study: Study, only: Sequence[str], formats: Sequence[str], say: Say, style: Style | None = None
) -> list[str]:
    """Make the analyses `only`, else those of the config, of each finished member; print a line for each, and for what
    they say together, whose numbers go into the study's analysis/ and pictures into its figures/.

    Returns the names of those that say something together. Raises UserError as `analyze.analyze` does, and where no
    member is finished or no analysis is named.
    """
    require_known("analysis", only, list(ANALYSES))
    require_known("format", formats, list(FORMATS))
    runs = member_runs(study)
    if not runs:
        raise UserError(f"{study.path}: none of its members is trained to its end; `mlphys resume {study.path}`")
    listed = {ANALYSIS.names[type(analysis)]: analysis for analysis in runs[0].config.analysis}
    analyses = {name: listed.get(name) or ANALYSES[name]() for name in only or listed}
    if not analyses:
        raise UserError(f"{study.path}: its config lists no analysis; name some with --only")
    return [name for name, one in analyses.items() if of_members(study, name, one, runs, formats, say, style)]


def of_members(
    study: Study, name: str, analysis: Analysis, runs: Sequence[Run], formats: Sequence[str], say: Say,
    style: Style | None = None,
) -> AnalysisResult | None:  # fmt: skip
    """An analysis of each member of a study, and what they say together, if anything."""
    results: list[tuple[Run, AnalysisResult]] = []
    for run in runs[:1] if analysis.OF_ALL_RUNS else runs:
        try:
            analysis.check(run.loaded)
            results.append((run, analyze.made_one(run, name, analysis, formats, style)))
        except NotApplicable as reason:
            raise UserError(f"{run.path}: {name}: {reason}") from None
        if not analysis.OF_ALL_RUNS:
            say(f"{run.path.name}: {name}: {results[-1][1].summary}")
    with theme.applied(style):
        try:
            result = analysis.together(results)
        except NotApplicable as reason:
            say(f"together: {name}: left out: {reason}")
            return None
        RunWriter(study.path).analysis(name, result.numbers)
        for picture in result.pictures:
            save(picture, study.path / "figures", formats)
    say(f"together: {name}: {result.summary}")
    return result

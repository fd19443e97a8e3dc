"""Many runs of one config: begun and resumed."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlphys
from mlphys import machine
from mlphys.commands.prepared_run import Interrupted, Say
from mlphys.commands.study_member import train_member
from mlphys.config.experiment import ResolvedExperiment
from mlphys.errors import UserError
from mlphys.io.download import fetch, locate
from mlphys.runs.writer import create
from mlphys.schema.document import Document
from mlphys.schema.study import Study as StudyBlock
from mlphys.studies import conduct, members, ray_cluster, search
from mlphys.studies.conduct import Shard
from mlphys.studies.executor import Executor, InThisProcess
from mlphys.studies.local_processes import LocalProcesses
from mlphys.studies.member_queue import Listed, Trials
from mlphys.studies.members import Member
from mlphys.studies.progress import StudyReporter
from mlphys.studies.ray_cluster import Cluster
from mlphys.studies.ray_executor import RayNodes, Share
from mlphys.studies.study_file import ExecutorFacts, SearchFacts, Study, StudyFile, located, recorded


@dataclass(frozen=True)
class Request:
    """What a command requests beside the config: its `study` block is the default of each.

    `ray` is the address of a cluster, "local" for one on this machine, and `gpus` what each member gets there.
    """

    grid: Mapping[str, Any]
    seeds: int | None = None
    evaluate: str | None = None
    threads: int | None = None
    workers: int | None = None
    shard: Shard | None = None
    many: bool = False
    out: Path | None = None
    search: int | None = None
    ray: str | None = None
    gpus: float = 0.0


@dataclass(frozen=True)
class Design:
    """What is requested, every config of it checked: `facts` for study.json, and the members, of a search none yet.

    `resolved` are the configs by the numbers of the members, of a search those at the ends of its ranges.
    """

    facts: Mapping[str, Any]
    members: Sequence[Member]
    resolved: Mapping[int, ResolvedExperiment]

    @property
    def search(self) -> SearchFacts | None:
        facts: SearchFacts | None = self.facts["search"]
        return facts

    def __len__(self) -> int:
        return self.search.trials if self.search else len(self.members)


def designed(document: Document, loaded: ResolvedExperiment, request: Request) -> Design:
    """What the request makes of the config. Raises UserError with every config that is wrong."""
    block = loaded.experiment.study or StudyBlock()
    updates = {
        "grid": dict(request.grid),
        "seeds": request.seeds,
        "evaluate": request.evaluate,
        "search": request.search,
    }
    block = block.model_copy(update={key: value for key, value in updates.items() if value})
    if block.search:
        return _searching(block, document, loaded, request)
    plan = members.plan(block, loaded.experiment, document.name)
    members.require_number(len(plan), document.name, request.many)
    if len(plan) == 1 and not plan.seeds and not plan.grid:
        raise UserError(f"{document.name}: nothing varies; add --grid KEY=VALUES, --seeds N, or the block study")
    varied = list(plan.members())
    resolved = members.validated(document, varied)
    chosen = plan.grid or plan.folds or loaded.experiment.data.test == 0
    evaluated = block.evaluate or ("validation" if chosen else "test")
    facts: dict[str, Any] = {
        "grid": {key: dict(values) for key, values in plan.grid.items()},
        "seeds": list(plan.seeds),
        "folds": plan.folds,
        "evaluated": evaluated,
        "chooses": bool(plan.grid) and evaluated != "test",
        "search": None,
    }
    return Design(facts, [members.pinned(member, resolved[member.number]) for member in varied], resolved)


def _searching(block: StudyBlock, document: Document, loaded: ResolvedExperiment, request: Request) -> Design:
    if request.shard:
        raise UserError("--shard: each trial of a search depends on those before; leave it out, or use --ray")
    assert block.search
    members.require_number(block.search, document.name, request.many)
    search_facts = search.requested(block, loaded, document)
    search.require_installed()
    resolved = members.validated(document, search.corners(search_facts))
    facts: dict[str, Any] = {
        "grid": {},
        "seeds": [],
        "folds": None,
        "evaluated": "validation",
        "chooses": True,
        "search": search_facts,
    }
    return Design(facts, [], resolved)


def begin(
    document: Document, loaded: ResolvedExperiment, request: Request, reporter: StudyReporter, say: Say
) -> tuple[Study, StudyFile]:
    """Check every member, make the study's folder and train all of them, or those of the shard."""
    design = designed(document, loaded, request)
    _fetch(design.resolved, say)
    if design.facts["folds"]:
        _check_folds(design.resolved)
    if design.facts["evaluated"] == "test":
        _require_test(design.resolved, design.members)
    if design.search and design.search.prune and not loaded.experiment.model.ITERATIVE:
        say(f"kind: {loaded.experiment.model.kind} has no validation curve: no trial is pruned")
    with _cluster(request) as cluster:
        study = _made(_content(document, loaded, design, request, cluster), request)
        say(f"study {study.path}: {len(design)} {'trials' if design.search else 'members'}")
        return study, _conducted(study, request, False, reporter, say, cluster)


def resume(study: Study, request: Request, retry: bool, reporter: StudyReporter, say: Say) -> StudyFile:
    """Resume a study: ended members stay, the others continue from their checkpoints.

    With `retry`, those that failed are tried again.
    """
    with _cluster(request) as cluster:
        return _conducted(study, request, retry, reporter, say, cluster)


def _cluster(request: Request) -> contextlib.AbstractContextManager[Cluster | None]:
    """The cluster of a request, connected; None: this machine trains."""
    if request.ray is None:
        return contextlib.nullcontext()
    if request.workers == 0:
        raise UserError("--workers 0 trains in this process, and --ray on a cluster; leave one out")
    return ray_cluster.connected(request.ray)


def _conducted(
    study: Study, request: Request, retry: bool, reporter: StudyReporter, say: Say, cluster: Cluster | None
) -> StudyFile:
    with conduct.held(study.path, request.shard):
        content = study.read()
        numbers, gone = conduct.open_members(study, content, retry)
        numbers = conduct.of_shard(numbers, request.shard)
        for number in gone:
            say(f"{study.run_path(number)}: gone; {content.record(number).member} is retrained")
        if content.search and request.shard:
            raise UserError("--shard: each trial of a search depends on those before; leave it out")
        queue = Trials(content, numbers) if content.search else Listed(numbers)
        if not queue.left:
            return content
        workers = request.workers
        if workers is None and cluster is None:
            workers = content.executor.workers
        workers = queue.left if workers is None else min(workers, queue.left)
        try:
            return conduct.conduct(study, queue, _executor(content, workers, request, cluster), reporter)
        except KeyboardInterrupt:
            raise Interrupted(study.path) from None


def _executor(content: StudyFile, workers: int, request: Request, cluster: Cluster | None) -> Executor:
    if cluster:
        return RayNodes(cluster, train_member, Share(workers, content.threads, request.gpus))
    return LocalProcesses(train_member, workers) if workers else InThisProcess(train_member)


def shares(members_: int, workers: int | None, threads: int | None) -> tuple[int, int]:
    """How many members are trained at once and with how many threads each: together as many as there are cores."""
    cores = machine.cores()
    if workers is None:
        workers = max(1, min(members_, cores // (threads or 1)))
    return workers, threads or max(1, cores // max(1, workers))


def _content(
    document: Document, loaded: ResolvedExperiment, design: Design, request: Request, cluster: Cluster | None = None
) -> StudyFile:
    if cluster:
        name, (workers, threads) = RayNodes.name, cluster.shares(len(design), request.workers, request.threads)
    else:
        workers, threads = shares(len(design), request.workers, request.threads)
        name = LocalProcesses.name if workers else InThisProcess.name
    config = {key: value for key, value in document.data.items() if key != "study"}
    return StudyFile.model_validate(
        {
            "mlphys": mlphys.__version__,
            "command": shlex.join(sys.argv),
            "name": loaded.experiment.name,
            "source": document.name,
            "config": config,
            **design.facts,
            "executor": ExecutorFacts(name=name, workers=workers),
            "threads": threads,
            "members": [recorded(member) for member in design.members],
        }
    )


def _made(content: StudyFile, request: Request) -> Study:
    """A new folder with study.json; shards of one study share it, and the first that comes makes it."""
    if request.shard is None:
        study = Study(create(content.name, request.out))
        study.write(content)
        return study
    if request.out is None:
        raise UserError("--shard: all shards write into one folder; name it with --out")
    return Study.shared(request.out, content)


def unfinished(document: Document, loaded: ResolvedExperiment, request: Request) -> Study | None:
    """The newest study of this config's name to resume, None where there is none.

    Raises UserError where it was requested with another config or other members.
    """
    study = located(str(request.out) if request.out else loaded.experiment.name)
    if study is None:
        return None
    design = designed(document, loaded, request)
    if not study.read().same_request(_content(document, loaded, design, request)):
        raise UserError(f"{study.path}: is a study of another config or other members; leave --resume out")
    return study


def _check_folds(resolved: Mapping[int, ResolvedExperiment]) -> None:
    """Raise UserError now where a class has fewer samples than there are folds, and not in every member."""
    for experiment in {id(each): each for each in resolved.values() if each.experiment.data.fold == 0}.values():
        experiment.dataset()


def _require_test(resolved: Mapping[int, ResolvedExperiment], varied: Sequence[Member]) -> None:
    for member in varied:
        if resolved[member.number].experiment.data.test == 0:
            raise UserError(
                f"{member}: its test split has no samples; set data.test, or evaluate on validation "
                "with --evaluate validation"
            )


def _fetch(resolved: Mapping[int, ResolvedExperiment], say: Say) -> None:
    """Download what the members need before several of them do."""
    for experiment in {each.experiment.data.name: each for each in resolved.values()}.values():
        for source in experiment.experiment.data.sources():
            if locate(source) is None:
                say(f"downloading {source.url}")
                fetch(source)

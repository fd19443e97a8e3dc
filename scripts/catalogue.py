"""The experiments of the lectures: their ids, the configs that are them, and what is published of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mlphys.config.experiment import MODELS
from mlphys.config.headline import headline
from mlphys.config.shipped import shipped, shipped_studies
from mlphys.schema.document import read
from mlphys.schema.published import Published
from scripts.marked_tables import ROOT

WITHOUT_CONFIG = ROOT / "docs" / "results" / "without_config.yaml"
LECTURES = ("M", "B", "D", "Y", "A", "S")  # the first letters of ids in the order of the lectures


@dataclass(frozen=True)
class Row:
    """An experiment: `shows` a sentence, `config` its file or None; then `why` says what is there instead."""

    id: str
    lecture: str
    shows: str
    config: Path | None
    published: Mapping[str, Published] = field(default_factory=dict)
    words: str = ""  # what is published where it is no number
    explained: str = ""
    quote: str = ""
    scan: bool = False
    why: str = ""

    @property
    def order(self) -> tuple[int, str, int, str]:
        match = re.fullmatch(r"([A-Z])(\d+)(.*)", self.id)
        if not match or match[1] not in LECTURES:
            return len(LECTURES), "", 0, self.id
        return LECTURES.index(match[1]), match[1], int(match[2]), match[3]


def rows() -> list[Row]:
    """All of them in the order of the lectures. Raises ValueError where two configs have one id."""
    found: dict[str, Row] = {}
    for path in [*shipped().values(), *shipped_studies().values()]:
        row = of_config(path)
        if row.id in found:
            other = found[row.id].config
            raise ValueError(f"{path}: about.id {row.id} is that of {other} too; write {row.id}-WORD into one of them")
        found[row.id] = row
    for identifier, facts in yaml.safe_load(WITHOUT_CONFIG.read_text()).items():
        found.setdefault(identifier, Row(identifier, facts["lecture"], facts["shows"], None, why=facts["why"]))
    return sorted(found.values(), key=lambda row: row.order)


def of_config(path: Path) -> Row:
    data = read(path).data
    about: dict[str, Any] = data.get("about") or {}
    published = {key: Published(**facts) for key, facts in (data.get("published") or {}).items()}
    lecture = about.get("lecture") or about.get("source") or next((each.source for each in published.values()), "")
    return Row(
        id=str(about.get("id", path.stem)),
        lecture=str(lecture) or "beside the lectures",
        shows=headline(path),
        config=path,
        published=published,
        words=str(about.get("published", "")),
        explained=str(about.get("explained", "")),
        quote=str(about.get("quote") or MODELS[data["model"]["kind"]].MEASURED[0]),
        scan="study" in data,
    )

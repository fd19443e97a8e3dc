"""All targets, by name."""

from __future__ import annotations

from scripts.fuzzing.contract import Target
from scripts.fuzzing.targets import data_files, keras_files, requests, run_files, texts

TARGETS = (*texts.TARGETS, *run_files.TARGETS, *data_files.TARGETS, *keras_files.TARGETS, *requests.TARGETS)


def target(name: str) -> Target:
    return next(each for each in TARGETS if each.name == name)

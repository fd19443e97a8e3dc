"""What can be looked up: every key and every name of the config language."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mlphys.config.experiment import DATASETS, MODELS
from mlphys.config.json_schema import json_schema
from mlphys.config.reference import blocks, every_key, look_up, vocabularies
from mlphys.schema.document import parse
from mlphys.schema.layers import LAYERS
from mlphys.schema.optimizers import OPTIMIZERS
from tests.helpers.cli import mlphys, refused


def test_every_key_has_its_sentence():
    keys = list(every_key())
    assert len(keys) > 500
    assert [key.dotted for key in keys if not key.description.sentence.endswith((".", "?"))] == []


def test_every_entry_of_a_vocabulary_says_what_it_is():
    assert [block.name for block in blocks() if block.name and not block.text] == []


def test_every_example_is_a_value_that_its_key_takes():
    refused_examples = []
    for key in every_key():
        name, _, value = key.example.partition(": ")
        assert name == key.name
        try:
            key.adapter.validate_python(parse(value, "example").data)
        except ValidationError as error:
            refused_examples.append((key.dotted, key.of, str(error)))
    assert refused_examples == []


def test_the_vocabularies_are_those_of_the_config_language():
    found = vocabularies()
    assert found["dataset"].options == DATASETS
    assert found["kind of model"].options == MODELS
    assert found["layer"].options == LAYERS
    assert found["optimizer"].options == OPTIMIZERS
    assert {"loss", "step", "schedule", "initializer", "regularizer", "analysis", "kernel"} <= found.keys()


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("training.early_stopping.patience", ["training.early_stopping.patience"]),
        ("patience", ["training.early_stopping.patience", "training.reduce_lr_on_plateau.patience"]),
        ("model.layers.Conv2D.filters", ["model.layers.Conv2D.filters"]),
        ("model.layers.0.Conv2D.filters", ["model.layers.Conv2D.filters"]),
        ("Conv2D.filters", ["Conv2D.filters"]),
        ("adam", ["Adam"]),
        ("model.corruption.masking", ["model.corruption.masking"]),
        ("moons", ["data"]),
        ("data.split_seed", ["data.split_seed"]),
        ("data.noise", ["data.noise"] * sum("noise" in each.model_fields for each in DATASETS.values())),
        ("data.preprocess.whiten.kind", ["data.preprocess.whiten.kind"]),
    ],
)
def test_a_key_is_found_by_its_path_or_its_name(name, paths):
    assert [place.dotted for place in look_up(name)] == paths


def test_an_explained_key_tells_its_meaning_type_default_and_an_example():
    assert mlphys("explain", "training.early_stopping.patience").splitlines() == [
        "training.early_stopping.patience",
        "  How many epochs without improvement end the training.",
        "  type      whole number, at least 0",
        "  default   5",
        "  example   patience: 5",
    ]


def test_an_explained_choice_tells_what_is_allowed():
    text = mlphys("explain", "training.optimizer")
    assert "allowed   SGD, RMSprop, Adagrad" in text
    assert "default   Adam" in text


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("training.early_stoping.patience", "no such key in training; did you mean early_stopping?"),
        ("training.patiense", "did you mean patience?"),
        ("Con2D", "did you mean Conv2D?"),
        ("training.optimizer.Adam.learning_rat", "did you mean learning_rate?"),
        ("7", "7: no such key; "),
        ("0.1", "0.1: no such key; "),
    ],
)
def test_a_wrong_key_is_answered_with_the_nearest(wrong, near):
    assert near in refused("explain", wrong)


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("optimizers", "Adam"),
        ("losses", "MeanSquaredError"),
        ("schedules", "CosineDecay"),
        ("initializers", "HeNormal"),
        ("regularizers", "L2"),
        ("preprocess", "standardize"),
        ("metrics", "balanced_accuracy"),
        ("keys", "training.early_stopping.patience"),
    ],
)
def test_each_vocabulary_can_be_listed(what, line):
    assert line in mlphys("list", what).split()


def test_editors_are_shown_what_each_key_means():
    definitions = json_schema()["$defs"]
    assert definitions["EarlyStopping"]["properties"]["patience"]["description"] == (
        "How many epochs without improvement end the training."
    )
    bare = [
        (name, key)
        for name, block in definitions.items()
        for key, facts in block["properties"].items()
        if "description" not in facts
    ]
    assert bare == []

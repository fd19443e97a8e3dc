"""From a YAML file to an experiment: what is refused and in which words, what is filled in, what is overridden."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from mlphys.config import experiment
from mlphys.config.difference import difference, differing_blocks
from mlphys.config.examples import copy
from mlphys.config.json_schema import json_schema
from mlphys.config.load import load
from mlphys.config.pretrained import runs_before
from mlphys.config.shipped import shipped
from mlphys.datasets import mnist
from mlphys.errors import UserError
from mlphys.io.download import locate
from mlphys.schema import registry
from mlphys.schema.document import LARGEST_FILE, dump, parse
from mlphys.schema.fields import ActivationName
from mlphys.schema.initializers import INITIALIZERS
from mlphys.schema.layers import LAYERS
from mlphys.schema.losses import LOSSES
from mlphys.schema.optimizers import OPTIMIZERS, SCHEDULES
from mlphys.schema.suggestions import listed
from tests.helpers import fake_run

GOOD = """name: small
data: {name: digits, validation: 200, test: 400}
model:
  kind: classifier
  layers:
    - Conv2D: {filters: 4, kernel_size: 3, padding: same, activation: relu}
    - MaxPooling2D: {pool_size: 2}
    - Flatten
    - Dense: {units: 10, activation: softmax}
training:
  optimizer: {Adam: {learning_rate: 1e-3}}
  loss: categorical_crossentropy
  batch_size: 32
  epochs: 2
  early_stopping: {monitor: validation_loss, patience: 5}
plots: [learning_curves]
expect: {test.accuracy: [0.5, 1.0]}
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def written(text: str, name: str = "f.yaml") -> Path:
    Path(name).write_text(text)
    return Path(name)


def error_of(function, *arguments) -> str:
    with pytest.raises(UserError) as raised:
        function(*arguments)
    return str(raised.value)


TOP = "name, data, model, about, seed, training, plots, analysis, expect, published, study"
DATA = "name, train, validation, test, split_seed, folds, fold, classes, imbalance, preprocess"
TRAINING = (
    "optimizer, loss, loss_per, batch_size, shuffle, epochs, steps_per_epoch, class_weight, augmentation, phases, "
    "track, early_stopping, initial"
)
STOPPING = "monitor, patience, min_delta, target"
DATASETS = ", ".join(registry.names("mlphys.datasets"))
PLOTS = ", ".join(registry.names("mlphys.plots"))
RECORDED = "validation_loss, validation_accuracy, loss, accuracy"
MEASURED = ", ".join(
    f"{split}.{metric}"
    for split in ("test", "validation", "train")
    for metric in ("accuracy", "error_rate", "balanced_accuracy", "loss", "majority_accuracy")
)
ALL_LAYERS = ", ".join(LAYERS)
SOME_LAYERS, SOME_DATASETS = (listed(names.split(", ")) for names in (ALL_LAYERS, DATASETS))
CONV2D = (
    "filters, kernel_size, activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer, "
    "bias_regularizer, activity_regularizer, strides, padding, dilation_rate"
)
ACTIVATIONS = ", ".join(get_args(ActivationName))
ALL_INITIALIZERS = ", ".join(INITIALIZERS)
ALL_OPTIMIZERS = ", ".join(OPTIMIZERS)
ADAM = "learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, beta_1, beta_2, epsilon, amsgrad"
ALL_SCHEDULES = ", ".join(SCHEDULES)
KINDS = ", ".join(registry.names("mlphys.models"))
KNOWN = ", ".join(LOSSES)
A_NAME = "expected 1 to 100 of a-z, A-Z, 0-9, '.', '-', '_', first a letter or digit: it names a folder"
A_SIZE = "expected a count of samples, or a fraction between 0 and 1"
A_RANGE = "expected a range such as [0.985, 0.993], the smaller number first"
TWO = "expected a whole number, or two for rows and columns such as [3, 3]"

NAME = "name: small"
DIGITS = "{name: digits, validation: 200, test: 400}"
CONV = "- Conv2D: {filters: 4, kernel_size: 3, padding: same, activation: relu}"
POOL = "- MaxPooling2D: {pool_size: 2}"
DENSE = "- Dense: {units: 10, activation: softmax}"
RATE = "1e-3"
LOSS = "loss: categorical_crossentropy"
BATCH = "batch_size: 32"
EPOCHS = "epochs: 2"
STOP = "{monitor: validation_loss, patience: 5}"
SHOWN = "plots: [learning_curves]"
EXPECT = "test.accuracy: [0.5, 1.0]"
FIRST = "f.yaml:6: model.layers.0"
SECOND = "f.yaml:7: model.layers.1"
LAST = "f.yaml:9: model.layers.3"
OPTIMIZER = "f.yaml:11: training.optimizer"
MONITOR = "f.yaml:15: training.early_stopping.monitor"

# (in GOOD, in its place, the whole message)
BROKEN = [
    # the whole
    (NAME, "nme: small", "f.yaml:1: nme: unknown key; did you mean name?"),
    ("training:", "trainig:", "f.yaml:10: trainig: unknown key; did you mean training?"),
    (SHOWN, "epochs: 3", "f.yaml:16: epochs: unknown key; it belongs into the block training"),
    (SHOWN, "colour: red", f"f.yaml:16: colour: unknown key; allowed {TOP}"),
    (NAME, "name: 3", "f.yaml:1: name: expected text; received 3"),
    (NAME, "name: a/b", f"f.yaml:1: name: {A_NAME}; received text 'a/b'"),
    (NAME, "name: ../up", f"f.yaml:1: name: {A_NAME}; received text '../up'"),
    (NAME, "name: ''", f"f.yaml:1: name: {A_NAME}; received text ''"),
    (SHOWN, "seed: -1", "f.yaml:16: seed: must be at least 0; received -1"),
    (SHOWN, "seed: 1.5", "f.yaml:16: seed: expected a whole number; received 1.5"),
    (SHOWN, "about: M1", "f.yaml:16: about: expected a block of keys; received text 'M1'"),
    (SHOWN, "about: {id: [1]}", "f.yaml:16: about.id: expected text, a number, true or false; received [1]"),
    # plots and expect
    (
        SHOWN,
        "plots: [filters, filtres]",
        "f.yaml:16: plots.1: unknown plot; received text 'filtres'; did you mean filters?",
    ),
    (SHOWN, "plots: filters", "f.yaml:16: plots: expected a list; received text 'filters'; write [filters]"),
    (
        EXPECT,
        "test.per_class.3.recal: [0, 1]",
        "f.yaml:17: expect.test.per_class.3.recal: not measured; did you mean test.per_class.3.recall?",
    ),
    (EXPECT, "test.accuracy: 0.5", f"f.yaml:17: expect.test.accuracy: {A_RANGE}; received 0.5"),
    (EXPECT, "test.accuracy: [0.5]", f"f.yaml:17: expect.test.accuracy: {A_RANGE}; received [0.5]"),
    (EXPECT, "test.accuracy: [1, 0.5]", f"f.yaml:17: expect.test.accuracy: {A_RANGE}; received [1, 0.5]"),
    (EXPECT, "test.accuracy: [.nan, 1]", f"f.yaml:17: expect.test.accuracy: {A_RANGE}; received [nan, 1]"),
    (
        EXPECT,
        "test.acuracy: [0.5, 1.0]",
        "f.yaml:17: expect.test.acuracy: not measured; did you mean test.accuracy?",
    ),
    # data
    (f"data: {DIGITS}\n", "", "f.yaml:1: data: missing; this key must be given"),
    (
        DIGITS,
        "digts",
        "f.yaml:2: data: expected a dataset such as {name: array, ...}; received text 'digts'; did you mean digits?",
    ),
    (DIGITS, "{validation: 200}", f"f.yaml:2: data.name: missing; say which dataset: {listed(DATASETS.split(', '))}"),
    (
        "name: digits",
        "nam: digits",
        f"f.yaml:2: data.name: missing; say which dataset: {listed(DATASETS.split(', '))}; write name instead of nam",
    ),
    (
        "name: digits",
        "name: mnits",
        "f.yaml:2: data.name: unknown dataset; received text 'mnits'; did you mean mnist?",
    ),
    ("validation:", "val:", "f.yaml:2: data.val: unknown key; write validation"),
    ("validation: 200", "validation: -1", f"f.yaml:2: data.validation: {A_SIZE}; received -1"),
    ("validation: 200", "validation: 1.5", f"f.yaml:2: data.validation: {A_SIZE}; received 1.5"),
    (
        "validation: 200",
        "validation: '200'",
        f"f.yaml:2: data.validation: {A_SIZE}; received text '200'; write 200 without quotes",
    ),
    ("test: 400", "split_seed: -1", "f.yaml:2: data.split_seed: must be at least 0; received -1"),
    (
        "validation: 200",
        "train: 1300, validation: 200",
        "f.yaml:2: data.train: 1300 training and 200 validation and 400 test samples are more than 1797; "
        "train can be 1197 at most",
    ),
    (
        "validation: 200",
        "validation: 1500",
        "f.yaml:2: data.validation: 1500 validation and 400 test samples leave none of 1797 to train; lower them",
    ),
    (
        "validation: 200",
        "validation: 0",
        f"{MONITOR}: validation_loss needs validation samples; set data.validation, or leave early_stopping out",
    ),
    # model
    ("kind: classifier\n", "\n", f"f.yaml:3: model.kind: missing; say which kind of model: {KINDS}"),
    (
        "kind: classifier",
        "kind: clasifier",
        "f.yaml:4: model.kind: unknown kind of model; received text 'clasifier'; did you mean classifier?",
    ),
    (
        "kind: classifier",
        "kind: classifier\n  optimizer: adam",
        "f.yaml:5: model.optimizer: unknown key; it belongs into the block training (allowed: kind, layers, encoder)",
    ),
    # layers: names
    (
        CONV,
        "- Conv2DD: {filters: 4}",
        f"{FIRST}: unknown layer; received text 'Conv2DD'; did you mean Conv2D?",
    ),
    (
        CONV,
        "- Lambda: {function: x}",
        f"{FIRST}: unknown layer; received text 'Lambda'; there is no layer for own code: a config is data and "
        f"cannot run any",
    ),
    (CONV, "- 3", f"{FIRST}: expected one layer; received 3; allowed {listed(ALL_LAYERS.split(', '))}"),
    (CONV, "-", f"{FIRST}: expected one layer; received nothing; allowed {listed(ALL_LAYERS.split(', '))}"),
    (CONV, "- {}", f"{FIRST}: expected one layer; received an empty block; allowed {listed(ALL_LAYERS.split(', '))}"),
    (
        CONV,
        "- Conv2D:\n      filters: 4\n      kernel_size: 3",
        f"{FIRST}: expected one layer; received the keys Conv2D, filters, kernel_size; write Conv2D: {{filters: ...}}",
    ),
    (
        CONV,
        "- {Conv2D: {filters: 4, kernel_size: 3}, ReLU: {}}",
        f"{FIRST}: expected one layer; received Conv2D, ReLU; keep one (in a list each begins with a dash of its own)",
    ),
    # layers: keys and values
    (CONV, "- Flatten: 3", f"{FIRST}.Flatten: expected a block of keys; received 3; write Flatten"),
    (CONV, "- Flatten: {axis: 3}", f"{FIRST}.Flatten.axis: unknown key; allowed no keys here"),
    (
        CONV,
        "- Conv2D",
        f"{FIRST}.Conv2D.filters: missing; this key must be given\n"
        f"{FIRST}.Conv2D.kernel_size: missing; this key must be given",
    ),
    (
        CONV,
        "- Conv2D: {filers: 4, kernel_size: 3}",
        f"{FIRST}.Conv2D.filers: unknown key; did you mean filters?",
    ),
    (
        CONV,
        "- conv2d:\n        filers: 4",
        "f.yaml:7: model.layers.0.conv2d.filers: unknown key; did you mean filters?",
    ),
    (
        CONV,
        "- Conv2D: {filters: 4, kernel_size: 3, input_shape: [8, 8, 1]}",
        f"{FIRST}.Conv2D.input_shape: unknown key; leave it out: the input's shape comes from the data",
    ),
    (
        CONV,
        "- Conv2D: {filters: 4, kernel_size: (3, 3)}",
        f"{FIRST}.Conv2D.3): unknown key; YAML has no (2, 3); write [2, 3]",
    ),
    ("kernel_size: 3", "kernel_size: [3]", f"{FIRST}.Conv2D.kernel_size: {TWO}; received [3]"),
    ("kernel_size: 3", "kernel_size: [3, 3, 3]", f"{FIRST}.Conv2D.kernel_size: {TWO}; received [3, 3, 3]"),
    ("kernel_size: 3", "kernel_size: 3x3", f"{FIRST}.Conv2D.kernel_size: {TWO}; received text '3x3'"),
    ("kernel_size: 3", "kernel_size: [3, 0]", f"{FIRST}.Conv2D.kernel_size.1: must be at least 1; received 0"),
    ("filters: 4", "filters: 0", f"{FIRST}.Conv2D.filters: must be at least 1; received 0"),
    ("filters: 4", "filters: -4", f"{FIRST}.Conv2D.filters: must be at least 1; received -4"),
    (
        "filters: 4",
        "filters: 4000000000",
        f"{FIRST}.Conv2D.filters: must be at most 100000000; received 4000000000",
    ),
    ("filters: 4", "filters: 4.5", f"{FIRST}.Conv2D.filters: expected a whole number; received 4.5"),
    (
        "filters: 4",
        "filters: '4'",
        f"{FIRST}.Conv2D.filters: expected a whole number; received text '4'; write 4 without quotes",
    ),
    (
        "padding: same",
        "padding: full",
        f"{FIRST}.Conv2D.padding: unknown value; received text 'full'; allowed valid, same",
    ),
    (
        "padding: same",
        "use_bias: no",
        f"{FIRST}.Conv2D.use_bias: expected true or false; received text 'no'; write false",
    ),
    (
        "activation: relu",
        "activation: rleu",
        f"{FIRST}.Conv2D.activation: unknown value; received text 'rleu'; did you mean relu?",
    ),
    (POOL, "- Dropout: {rate: 1.0}", f"{SECOND}.Dropout.rate: must be less than 1; received 1.0"),
    (POOL, "- GaussianNoise: {stddev: -1}", f"{SECOND}.GaussianNoise.stddev: must be at least 0; received -1"),
    (
        POOL,
        "- ZeroPadding2D: {padding: [1, 2, 3]}",
        f"{SECOND}.ZeroPadding2D.padding: expected a whole number, [rows, columns] or "
        "[[top, bottom], [left, right]]; received [1, 2, 3]",
    ),
    # initializers and regularizers
    (
        "padding: same",
        "kernel_initializer: xavier",
        f"{FIRST}.Conv2D.kernel_initializer: unknown initializer; received text 'xavier'; write GlorotUniform",
    ),
    (
        "padding: same",
        "kernel_initializer: {RandomNormal: {std: 0.1}}",
        f"{FIRST}.Conv2D.kernel_initializer.RandomNormal.std: unknown key; did you mean stddev? "
        "(allowed: mean, stddev)",
    ),
    (
        "padding: same",
        "kernel_initializer: {HeNormal: {seed: 1}}",
        f"{FIRST}.Conv2D.kernel_initializer.HeNormal.seed: unknown key; leave it out: the experiment's seed decides "
        "every random number",
    ),
    (
        "padding: same",
        "kernel_initializer: identity",
        f"{FIRST}.Conv2D.kernel_initializer: Identity needs two axes; received 3 x 3 x 1 x 4; "
        "choose another initializer",
    ),
    (
        "padding: same",
        "kernel_regularizer: l3",
        f"{FIRST}.Conv2D.kernel_regularizer: unknown regularizer; received text 'l3'; "
        "allowed L1, L2, L1L2, OrthogonalRegularizer",
    ),
    (
        "padding: same",
        "kernel_regularizer: {L2: {l1: 1e-4}}",
        f"{FIRST}.Conv2D.kernel_regularizer.L2.l1: unknown key; allowed l2",
    ),
    # shapes
    (
        POOL,
        "- MaxPooling2D: {pool_size: 4}\n    - MaxPooling2D: {pool_size: 3}",
        "f.yaml:8: model.layers.2.MaxPooling2D: a window of 3 does not fit into 2; use a smaller one in "
        "MaxPooling2D, less pooling before it, or padding: same",
    ),
    (
        CONV,
        "- Conv2D: {filters: 4, kernel_size: 9}",
        f"{FIRST}.Conv2D: a window of 9 does not fit into 8; use a smaller one in Conv2D, less pooling before it, "
        "or padding: same",
    ),
    (
        CONV,
        f"- Flatten\n    {CONV}",
        "f.yaml:7: model.layers.1.Conv2D: Conv2D needs an image (height, width, channels); received 64; "
        "put it before Flatten, or put a Reshape before it",
    ),
    (
        POOL,
        "- Reshape: {target_shape: [3, 3]}",
        f"{SECOND}.Reshape: 8 x 8 x 4 = 256 values cannot be reshaped to 3 x 3; the product must be 256",
    ),
    (DENSE, "- Dense: {units: 11}", f"{LAST}.Dense: 11 outputs for 10 classes; end with Dense: {{units: 10, ...}}"),
    (
        "    - Flatten\n",
        "",
        "f.yaml:8: model.layers.2.Dense: the output is 4 x 4 x 10, not one number a class; "
        "put Flatten (or GlobalAveragePooling2D) before the last Dense layer",
    ),
    (
        DENSE,
        "- Dense: {units: 10}",
        f"{LAST}.Dense: CategoricalCrossentropy takes probabilities and the last layer gives none; "
        "add activation: softmax to it",
    ),
    (
        DENSE,
        "- Dense: {units: 90000000}",
        f"{LAST}.Dense: the network would have more than 250000000 weights and outputs; "
        "use fewer units or filters, or pool before this layer",
    ),
    # optimizer and schedule
    (
        "Adam:",
        "Adm:",
        f"{OPTIMIZER}: unknown optimizer; received text 'Adm'; did you mean Adam?",
    ),
    ("learning_rate:", "lr:", f"{OPTIMIZER}.Adam.lr: unknown key; write learning_rate"),
    (
        RATE,
        "'1e-3'",
        f"{OPTIMIZER}.Adam.learning_rate: expected a number; received text '1e-3'; write 1e-3 without quotes",
    ),
    (RATE, "-1e-3", f"{OPTIMIZER}.Adam.learning_rate: must be greater than 0; received -0.001"),
    (RATE, ".nan", f"{OPTIMIZER}.Adam.learning_rate: expected a finite number; received nan"),
    (RATE, ".inf", f"{OPTIMIZER}.Adam.learning_rate: expected a finite number; received inf"),
    (
        RATE,
        "[0.1]",
        f"{OPTIMIZER}.Adam.learning_rate: expected a number above 0, or a schedule by name; received [0.1]",
    ),
    (
        RATE,
        "{Cosine: {}}",
        f"{OPTIMIZER}.Adam.learning_rate: unknown schedule; received text 'Cosine'; did you mean CosineDecay? "
        f"(allowed: {ALL_SCHEDULES})",
    ),
    (
        RATE,
        "{CosineDecay: {initial_learning_rate: 0.1, decay_step: 9}}",
        f"{OPTIMIZER}.Adam.learning_rate.CosineDecay.decay_step: unknown key; did you mean decay_steps? "
        "(allowed: initial_learning_rate, decay_steps, alpha, warmup_target, warmup_steps)",
    ),
    (
        RATE,
        "{CosineDecay: {initial_learning_rate: 0.1}}",
        f"{OPTIMIZER}.Adam.learning_rate.CosineDecay.decay_steps: missing; this key must be given",
    ),
    ("1e-3", "1e-3, beta_1: 1", f"{OPTIMIZER}.Adam.beta_1: must be less than 1; received 1"),
    (
        "1e-3",
        "1e-3, clipnorm: 1, clipvalue: 1",
        f"{OPTIMIZER}.Adam: received clipnorm and clipvalue; keep one of them",
    ),
    # training
    (
        LOSS,
        "loss: {CategoricalCrossentropy: {from_logits: true}}",
        "f.yaml:12: training.loss.CategoricalCrossentropy.from_logits: unknown key; leave it out, and end the layers "
        "with activation: softmax (allowed: label_smoothing)",
    ),
    (
        LOSS,
        "loss: huber",
        "f.yaml:12: training.loss: Huber is no loss for kind: classifier; allowed CategoricalCrossentropy, "
        "CategoricalFocalCrossentropy, BinaryCrossentropy, MeanSquaredError, MeanAbsoluteError, KLDivergence, "
        "CategoricalHinge",
    ),
    (
        LOSS,
        "metrics: [accuracy]",
        "f.yaml:12: training.metrics: unknown key; leave it out: every metric that fits the model is recorded",
    ),
    (
        BATCH,
        "batch_size: 0",
        "f.yaml:13: training.batch_size: expected a whole number of at least 1, or all; received 0",
    ),
    (
        BATCH,
        "batch_size: '32'",
        "f.yaml:13: training.batch_size: expected a whole number of at least 1, or all; received text '32'; "
        "write 32 without quotes",
    ),
    (
        BATCH,
        "batchsize: 32",
        "f.yaml:13: training.batchsize: unknown key; did you mean batch_size?",
    ),
    (EPOCHS, "epochs: -1", "f.yaml:14: training.epochs: must be at least 0; received -1"),
    (EPOCHS, "epochs: 1e3", "f.yaml:14: training.epochs: expected a whole number; received 1000.0; write 1000"),
    (EPOCHS, "epochs: two", "f.yaml:14: training.epochs: expected a whole number; received text 'two'"),
    (EPOCHS, "nb_epoch: 2", "f.yaml:14: training.nb_epoch: unknown key; write epochs"),
    (EPOCHS, "shuffle: yes", "f.yaml:14: training.shuffle: expected true or false; received text 'yes'; write true"),
    (
        EPOCHS,
        "class_weight: {3: 1.0, 11: 2.0}",
        "f.yaml:14: training.class_weight: needs one weight for each of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9; 0 is missing",
    ),
    (
        EPOCHS,
        "class_weight: {0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 1, 8: 1, 9: 1, ten: 1}",
        "f.yaml:14: training.class_weight: needs one weight for each of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9; ten is no class",
    ),
    (
        EPOCHS,
        "class_weight: even",
        "f.yaml:14: training.class_weight: expected balanced, or a weight of at least 0 for each class; "
        "received text 'even'",
    ),
    (
        EPOCHS,
        "class_weight: {3: -1}",
        "f.yaml:14: training.class_weight: expected balanced, or a weight of at least 0 for each class; "
        "received a block of keys",
    ),
    (EPOCHS, "steps_per_epoch: 0", "f.yaml:14: training.steps_per_epoch: must be at least 1; received 0"),
    (
        EPOCHS,
        "track: [parameters]",
        "f.yaml:14: training.track: parameters: this net has 690, and at most 32 are recorded; leave it out",
    ),
    (
        EPOCHS,
        "track: [weights]",
        "f.yaml:14: training.track.0: unknown value; received text 'weights'; did you mean weight_norms? "
        "(allowed: gradient_norms, weight_norms, saturation, parameters)",
    ),
    # early stopping
    (
        "monitor: validation_loss",
        "monitor: categorical_accuracy",
        f"{MONITOR}: not recorded; received text 'categorical_accuracy'; write accuracy (allowed: {RECORDED})",
    ),
    (
        "patience: 5",
        "patence: 5",
        f"f.yaml:15: training.early_stopping.patence: unknown key; did you mean patience? (allowed: {STOPPING})",
    ),
    (
        "patience: 5",
        "restore_best_weights: true",
        "f.yaml:15: training.early_stopping.restore_best_weights: unknown key; leave it out: with early stopping "
        f"the best epoch's weights are kept (allowed: {STOPPING})",
    ),
    (
        "patience: 5",
        "patence: 5, min_delta: x",
        f"f.yaml:15: training.early_stopping.patence: unknown key; did you mean patience? (allowed: {STOPPING})\n"
        "f.yaml:15: training.early_stopping.min_delta: expected a number; received text 'x'",
    ),
    (
        STOP,
        "true",
        f"f.yaml:15: training.early_stopping: expected a block of keys; received true; allowed {STOPPING}",
    ),
    # YAML itself; tests/schema/test_document.py has all of it
    (
        EPOCHS,
        "epochs: 2\n  epochs: 3",
        "f.yaml:15: training.epochs: the key appears twice, first on line 14; remove one",
    ),
    (
        f"  {EPOCHS}",
        f"\t{EPOCHS}",
        "f.yaml:14: a tab in the indentation; YAML allows spaces only, two for each level",
    ),
    (
        EPOCHS,
        "epochs: !!python/name:os.system",
        "f.yaml:14: training.epochs: the YAML tag !!python/name:os.system is not supported; write a plain value",
    ),
]


def test_the_config_that_the_broken_ones_are_made_of_is_right():
    load(written(GOOD))


@pytest.mark.parametrize(("right", "wrong", "message"), BROKEN, ids=[wrong[:60] for _, wrong, _ in BROKEN])
def test_a_broken_config_is_refused_with_its_place_and_the_remedy(right, wrong, message):
    assert GOOD.count(right) == 1
    assert error_of(load, written(GOOD.replace(right, wrong))) == message


@pytest.mark.parametrize(
    ("last", "loss"),
    [
        ("- Dense: {units: 10, activation: sigmoid}", "binary_crossentropy"),
        ("- Dense: {units: 10}\n    - Softmax", "categorical_crossentropy"),
        ("- Dense: {units: 10}\n    - Activation: {activation: softmax}", "KLDivergence"),
        ("- Dense: {units: 10}", "mean_squared_error"),
        ("- Dense: {units: 10, activation: tanh}", "categorical_hinge"),
    ],
)
def test_a_last_layer_that_gives_what_the_loss_takes_is_right(last, loss):
    load(written(GOOD.replace(DENSE, last).replace("categorical_crossentropy", loss)))


def test_a_list_whose_only_entry_is_wrong_is_not_said_to_be_empty():
    text = GOOD.replace(f"    {POOL}\n", "").replace(f"    {CONV}\n", "").replace("    - Flatten\n", "")
    text = text.replace(DENSE, "- Denze")
    assert error_of(load, written(text)).partition(" (")[0] == (
        "f.yaml:6: model.layers.0: unknown layer; received text 'Denze'; did you mean Dense?"
    )
    assert "\n" not in error_of(load, written(text))


def test_all_mistakes_are_reported_at_once():
    text = GOOD.replace(EPOCHS, "epochs: -2").replace("filters: 4", "filters: 0").replace("units: 10", "units: ten")
    assert error_of(load, written(text)).splitlines() == [
        f"{FIRST}.Conv2D.filters: must be at least 1; received 0",
        f"{LAST}.Dense.units: expected a whole number; received text 'ten'",
        "f.yaml:14: training.epochs: must be at least 0; received -2",
    ]


def test_all_that_does_not_fit_together_is_reported_at_once():
    text = GOOD.replace("units: 10", "units: 11").replace("test: 400", "test: 1700").replace("_loss,", "_los,")
    text = text.replace("test.accuracy", "test.f1")
    assert [line.partition(";")[0] for line in error_of(load, written(text)).splitlines()] == [
        "f.yaml:2: data.validation: 200 validation and 1700 test samples leave none of 1797 to train",
        f"{LAST}.Dense: 11 outputs for 10 classes",
        f"{MONITOR}: not recorded",
        "f.yaml:17: expect.test.f1: not measured",
    ]


def test_of_very_many_mistakes_the_first_ten_are_reported():
    layers = "".join(f"    - Dense: {{units: -{n}}}\n" for n in range(1, 14))
    text = GOOD.replace(f"    {CONV}\n", layers)
    lines = error_of(load, written(text)).splitlines()
    assert lines[0] == f"{FIRST}.Dense.units: must be at least 1; received -1"
    assert lines[9] == "f.yaml:15: model.layers.9.Dense.units: must be at least 1; received -10"
    assert lines[10:] == ["... and 3 more"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "f.yaml: the file is empty; `mlphys list configs` names configs to start from"),
        ("# nothing yet\n", "f.yaml: the file is empty; `mlphys list configs` names configs to start from"),
        ("digits", f"f.yaml:1: expected a block of keys; received text 'digits'; allowed {TOP}"),
        ("- name: small", f"f.yaml:1: expected a block of keys; received [{{'name': 'small'}}]; allowed {TOP}"),
        (
            "name: small",
            "f.yaml:1: data: missing; this key must be given\nf.yaml:1: model: missing; this key must be given",
        ),
    ],
)
def test_a_file_without_an_experiment_is_refused(content, message):
    assert error_of(load, written(content)) == message
    assert error_of(load, written(content), ["seed=1"]) == message


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("f.yaml", "f.yaml: no such file; `mlphys list configs` names the shipped configs"),
        (
            "configs/conv_mnist.yaml",
            "configs/conv_mnist.yaml: no such file; "
            "`mlphys config copy conv_mnist` brings the config of that name here",
        ),
        (".", ".: is a folder; name the YAML file of one experiment in it"),
        ("x" * 300, f"{'x' * 300}: cannot be read: File name too long"),
        ("binary.yaml", "binary.yaml: not a text file in UTF-8 (byte 1)"),
        ("large.yaml", "large.yaml: larger than 200000 bytes, so not the config of an experiment"),
    ],
)
def test_what_is_not_a_readable_file_is_refused_with_the_remedy(path, message):
    Path("binary.yaml").write_bytes(b"a\xffb")
    Path("large.yaml").write_bytes(b"#" * (LARGEST_FILE + 1))
    assert error_of(load, Path(path)) == message


WRONG_OVERRIDES = [
    ("epochs", "--set epochs: expected key=value, such as --set training.epochs=5"),
    ("=5", "--set =5: expected key=value, such as --set training.epochs=5"),
    (
        "training.epcohs=5",
        "--set training.epcohs=5: training.epcohs: unknown key; did you mean epochs?",
    ),
    ("foo.bar=5", f"--set foo.bar=5: foo: unknown key; allowed {TOP}"),
    (
        "epochs=5",
        "--set epochs=5: epochs: unknown key; it belongs into the block training",
    ),
    (
        "training.epochs=many",
        "--set training.epochs=many: training.epochs: expected a whole number; received text 'many'",
    ),
    ("training.epochs=", "--set training.epochs=: training.epochs: expected a whole number; received nothing"),
    (
        "training.epochs.0=5",
        "--set training.epochs.0=5: training.epochs: expected a whole number; received a block of keys",
    ),
    (
        "training.epochs=[5",
        "--set training.epochs:1: not readable as YAML: a comma is missing, or a bracket is not closed; received '[5'",
    ),
    (
        "model.layers.4.Dense.units=5",
        "--set model.layers.4.Dense.units=5: model.layers is a list of 4; write the number of an entry, 0 to 3; "
        "received '4'",
    ),
    (
        "model.layers.last=Flatten",
        "--set model.layers.last=Flatten: model.layers is a list of 4; write the number of an entry, 0 to 3; "
        "received 'last'",
    ),
    (
        "model.layers.0.Conv2D.filters=0",
        "--set model.layers.0.Conv2D.filters=0: model.layers.0.Conv2D.filters: must be at least 1; received 0",
    ),
    (
        "model.layers.0.Dense.units=3",
        "--set model.layers.0.Dense.units=3: model.layers.0: expected one layer; received Conv2D, Dense; "
        "keep one (in a list each begins with a dash of its own)",
    ),
    (
        "training.optimizer.SGD.learning_rate=1.0",
        "--set training.optimizer.SGD.learning_rate=1.0: training.optimizer: expected one optimizer; "
        "received Adam, SGD; "
        "keep one, such as {SGD: {learning_rate: 1.0}}; "
        "as an option: --set 'training.optimizer={SGD: {learning_rate: 1.0}}'",
    ),
    (
        "model.layers.3.Dense.units=11",
        "--set model.layers.3.Dense.units=11: model.layers.3.Dense: 11 outputs for 10 classes; "
        "end with Dense: {units: 10, ...}",
    ),
    ("expect.test.accuracy=0.9", f"--set expect.test.accuracy=0.9: expect.test.accuracy: {A_RANGE}; received 0.9"),
    ("name=a/b", f"--set name=a/b: name: {A_NAME}; received text 'a/b'"),
]


@pytest.mark.parametrize(("override", "message"), WRONG_OVERRIDES, ids=[o for o, _ in WRONG_OVERRIDES])
def test_a_wrong_override_is_refused_where_it_was_given(override, message):
    assert error_of(load, written(GOOD), [override]) == message


def test_an_entry_of_an_empty_list_cannot_be_overridden():
    path = written(GOOD.replace(SHOWN, "plots: []"))
    message = "--set plots.0=filters: plots is a list of 0; write all of it; received '0'"
    assert error_of(load, path, ["plots.0=filters"]) == message


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("training.epochs=5", "training.epochs", 5),
        ("training.batch_size=all", "training.batch_size", "all"),
        ("training.optimizer.Adam.learning_rate=3e-4", "training.optimizer.Adam.learning_rate", 3e-4),
        ("training.early_stopping.target=0.99", "training.early_stopping.target", 0.99),
        ("model.layers.0.Conv2D.filters=8", "model.layers.0.Conv2D.filters", 8),
        ("model.layers.0.Conv2D.kernel_size=[5, 3]", "model.layers.0.Conv2D.kernel_size", [5, 3]),
        ("plots=[filters, misclassified]", "plots", ["filters", "misclassified"]),
        ("plots.0=filters", "plots", ["filters"]),
        ("about.id=M1", "about.id", "M1"),
        ("seed=7", "seed", 7),
        ("expect.test.accuracy=[0.6, 0.7]", "expect.test.accuracy", [0.6, 0.7]),
    ],
)
def test_an_override_changes_its_key_and_no_other(override, key, value):
    path = written(GOOD)
    ((changed, _, now),) = difference(load(path).experiment, load(path, [override]).experiment)
    assert changed == key
    assert now == value


def test_an_override_can_replace_a_whole_block():
    experiment = load(written(GOOD), ["training.optimizer={SGD: {learning_rate: 1.0}}"]).experiment
    assert experiment.training.optimizer == OPTIMIZERS["SGD"](learning_rate=1.0)


def test_the_last_of_two_overrides_counts():
    experiment = load(written(GOOD), ["training.epochs=5", "training.epochs=6"]).experiment
    assert experiment.training.epochs == 6


def test_an_override_may_use_a_key_that_the_file_leaves_out():
    minimal = GOOD[: GOOD.index("training:")]
    experiment = load(written(minimal), ["training.early_stopping.patience=3"]).experiment
    assert experiment.training.early_stopping.patience == 3
    assert experiment.training.early_stopping.monitor == "validation_loss"


def test_every_default_is_filled_in(usual_pictures):
    minimal = (
        "data: {name: digits}\nmodel: {kind: classifier, layers: [Flatten, {Dense: {units: 10, activation: softmax}}]}"
    )
    assert load(written(minimal, "my-first.net.yaml")).experiment.model_dump() == {
        "name": "my-first.net",
        "about": {},
        "seed": 0,
        "data": {
            "name": "digits",
            "split": None,
            "target_scaling": None,
            "train": 1258,
            "validation": 180,
            "test": 359,
            "split_seed": 0,
            "folds": None,
            "fold": None,
            "classes": None,
            "imbalance": {},
            "preprocess": [],
        },
        "model": {
            "kind": "classifier",
            "encoder": None,
            "layers": [
                "Flatten",
                {
                    "Dense": {
                        "units": 10,
                        "activation": "softmax",
                        "use_bias": True,
                        "kernel_initializer": "GlorotUniform",
                        "bias_initializer": "Zeros",
                        "kernel_regularizer": None,
                        "bias_regularizer": None,
                        "activity_regularizer": None,
                    }
                },
            ],
        },
        "training": {
            "optimizer": {
                "Adam": {
                    "learning_rate": 0.001,
                    "weight_decay": None,
                    "clipnorm": None,
                    "clipvalue": None,
                    "global_clipnorm": None,
                    "beta_1": 0.9,
                    "beta_2": 0.999,
                    "epsilon": 1e-07,
                    "amsgrad": False,
                }
            },
            "loss": {"CategoricalCrossentropy": {"label_smoothing": 0.0}},
            "loss_per": "output",
            "batch_size": 32,
            "shuffle": True,
            "epochs": 1,
            "steps_per_epoch": None,
            "class_weight": None,
            "augmentation": None,
            "phases": None,
            "track": [],
            "early_stopping": None,
            "reduce_lr_on_plateau": None,
            "tensorboard": False,
            "snapshots": None,
            "initial": None,
        },
        "plots": ["learning_curves", "confusion_matrix", "misclassified"],
        "analysis": [],
        "expect": {},
        "published": {},
        "study": None,
    }


@pytest.mark.parametrize(
    ("data", "model"),
    [
        (
            "{name: digits}",
            "{kind: autoencoder, encoder: [{Dense: {units: 3}}], decoder: mirror}",
        ),
        (
            "{name: function_1d, function: absolute, samples: 50}",
            "{kind: regressor, layers: [{Dense: {units: 1}}]}",
        ),
    ],
)
def test_class_weights_are_refused_where_the_loss_knows_no_classes(data, model):
    path = written(f"data: {data}\nmodel: {model}\ntraining:\n  class_weight: balanced\n")
    assert error_of(load, path) == (
        "f.yaml:4: training.class_weight: only a classifier's loss weighs classes; leave it out"
    )


def test_a_name_from_the_file_that_is_no_name_is_refused():
    message = f"my net.yaml: name: {A_NAME}; received text 'my net'"
    assert error_of(load, written(GOOD.replace(f"{NAME}\n", ""), "my net.yaml")) == message


def test_the_right_words_of_other_ways_to_write_yaml_are_taken():
    flow = json.dumps(parse(GOOD, "f.yaml").data)
    assert load(written(flow)) == load(written(GOOD))


@pytest.mark.usefixtures("_mnist_is_read_once")
@pytest.mark.parametrize("name", shipped())
def test_a_shipped_config_is_right_and_its_completed_form_is_the_same_experiment(name):
    path = shipped()[name]
    if re.search(r"classes|imbalance|project: 0", path.read_text()) and locate(mnist.sources()[0]) is None:
        pytest.skip("MNIST is not here: `mlphys data fetch mnist`, or set MLPHYS_DATA")
    for source in runs_before(path):
        fake_run.write(shipped()[source])
    loaded = load(path)
    assert loaded.experiment.name == name
    complete = written(dump(loaded.experiment.model_dump()))
    again = load(complete)
    assert again == loaded
    assert dump(again.experiment.model_dump()) == complete.read_text()


def test_a_shipped_config_names_its_command_in_its_header():
    texts = {name: path.read_text() for name, path in shipped().items()}
    assert [name for name, text in texts.items() if f"# mlphys train configs/{name}.yaml" not in text] == []


def test_completed_schedules_initializers_and_regularizers_read_back():
    rich = GOOD.replace(RATE, "{PiecewiseConstantDecay: {boundaries: [5, 9], values: [0.1, 0.05, 0.0]}}").replace(
        "padding: same", "kernel_initializer: {RandomNormal: {stddev: 1e-7}}, kernel_regularizer: l2"
    )
    loaded = load(written(rich))
    assert load(written(dump(loaded.experiment.model_dump()))) == loaded


def test_a_layer_or_an_optimizer_that_is_another_one_is_one_difference_without_its_defaults():
    changed = GOOD.replace("Adam: {learning_rate: 1e-3}", "SGD: {momentum: 0.9}").replace("filters: 4", "filters: 8")
    first, second = load(written(GOOD)).experiment, load(written(changed)).experiment
    blocks = differing_blocks([first, second, second])
    assert blocks == {
        "model.layers.0.Conv2D.filters": ["4", "8", "8"],
        "training.optimizer": ["Adam", "SGD: {momentum: 0.9}", "SGD: {momentum: 0.9}"],
    }
    fewer = first.model_copy(update={"model": first.model.model_copy(update={"layers": first.model.layers[:1]})})
    assert all(missing == "" for _, missing in differing_blocks([first, fewer]).values())


def test_a_difference_names_each_key_with_both_values():
    first = load(written(GOOD)).experiment
    second = load(
        written(GOOD.replace("Adam: {learning_rate: 1e-3}", "SGD: {momentum: 0.9}").replace("filters: 4", "filters: 8"))
    ).experiment
    differing = difference(first, second)
    assert ("model.layers.0.Conv2D.filters", 4, 8) in differing
    assert ("training.optimizer.Adam.learning_rate", 0.001, None) in differing
    assert ("training.optimizer.SGD.momentum", None, 0.9) in differing
    assert [key for key, _, _ in differing] == sorted(key for key, _, _ in differing)
    assert {key.rpartition(".")[0] for key, _, _ in differing} == {
        "model.layers.0.Conv2D",
        "training.optimizer.Adam",
        "training.optimizer.SGD",
    }


def test_a_block_that_was_left_out_differs_in_its_keys():
    path = written(GOOD)
    first, second = load(path).experiment, load(path, ["training.early_stopping=null"]).experiment
    assert difference(first, second) == [
        ("training.early_stopping.min_delta", 0.0, None),
        ("training.early_stopping.monitor", "validation_loss", None),
        ("training.early_stopping.patience", 5, None),
    ]


def test_equal_experiments_do_not_differ():
    assert difference(load(written(GOOD)).experiment, load(written(GOOD)).experiment) == []


def test_a_shipped_config_is_copied_as_it_is_and_nothing_is_overwritten():
    assert copy("conv_digits", Path(".")) == Path("conv_digits.yaml")
    assert Path("conv_digits.yaml").read_bytes() == shipped()["conv_digits"].read_bytes()
    Path("conv_digits.yaml").write_text("mine")
    message = "conv_digits.yaml: exists; it is not overwritten; name another folder with --to, or a --name"
    assert error_of(copy, "conv_digits", Path(".")) == message
    assert Path("conv_digits.yaml").read_text() == "mine"
    assert error_of(copy, "conv_digits", Path("nowhere")) == (
        "nowhere: no such folder; --to names one that is there, --name the copy"
    )
    assert error_of(copy, "conv_digit", Path(".")) == "conv_digit: no such config; did you mean conv_digits?"


def test_a_dataset_is_found_by_its_name():
    assert experiment.dataset("digits")(name="digits").split_seed == 0
    message = f"mnits: no such dataset; there are {DATASETS}; did you mean mnist?"
    assert error_of(experiment.dataset, "mnits") == message


def blocks(schema: dict) -> list[dict]:
    """All objects with keys of a JSON schema, however deep."""
    found = [schema] if schema.get("type") == "object" and "properties" in schema else []
    parts = [*schema.values(), *(item for value in schema.values() if isinstance(value, list) for item in value)]
    return found + [block for part in parts if isinstance(part, dict) for block in blocks(part)]


PICTURES = [(name, kind.example()) for name, kind in experiment.MODELS.items()]


@pytest.mark.parametrize(("kind", "model"), PICTURES, ids=[name for name, _ in PICTURES])
def test_every_kind_of_model_has_usual_pictures_which_an_empty_list_leaves_out(kind, model, usual_pictures):
    data = {"name": "digits"} if kind != "regressor" else {"name": "line"}
    config = {"name": "a", "data": {**data, "validation": 0.2, "test": 0.2}, "model": model}
    if kind == "regressor":
        config["model"] = {"kind": "regressor", "layers": [{"Dense": {"units": 1}}]}
    drawn = load(written(dump(config))).experiment.plots
    assert drawn
    assert set(drawn) <= set(PLOTS.split(", "))
    assert load(written(dump({**config, "plots": []}))).experiment.plots == []


def test_all_pictures_and_analyses_are_those_that_apply():
    everything = load(written(GOOD.replace(SHOWN, "plots: all\nanalysis: all"))).experiment
    assert {"confusion_matrix", "filters", "learning_curves"} <= set(everything.plots)
    assert "stages" not in everything.plots
    assert "energy" not in [experiment.ANALYSIS.names[type(analysis)] for analysis in everything.analysis]
    assert "saliency" in [experiment.ANALYSIS.names[type(analysis)] for analysis in everything.analysis]


def test_the_json_schema_knows_every_name_and_closes_every_block():
    schema = json.loads(json.dumps(json_schema()))
    assert set(schema["properties"]) == set(TOP.split(", "))
    assert set(schema["required"]) == {"name", "data", "model"}
    objects = blocks(schema)
    assert all(block["additionalProperties"] is False for block in objects)
    named = {name for block in objects for name in block["properties"]}
    assert named >= {*LAYERS, *OPTIMIZERS, *SCHEDULES, *INITIALIZERS, *LOSSES}
    text = json.dumps(schema)
    for name in (*DATASETS.split(", "), *PLOTS.split(", "), "classifier", "adam", "rmsprop", "glorot_uniform"):
        assert f'"{name}"' in text


def dense(hidden: list[int], **training: object) -> Path:
    """A classifier of digits with hidden layers of so many units."""
    layers = ["Flatten", *({"Dense": {"units": units}} for units in hidden), {"Dense": {"units": 10}}]
    layers[-1]["Dense"]["activation"] = "softmax"
    model = {"kind": "classifier", "layers": layers}
    return written(dump({"data": {"name": "digits"}, "model": model, "training": training}))


def test_more_layers_than_history_has_columns_for_are_not_tracked():
    load(dense([4] * 98, track=["weight_norms"]))
    assert error_of(load, dense([4] * 99, track=["weight_norms"])).endswith(
        ": training.track: this net has 101 layers, and at most 100 are tracked; leave weight_norms out"
    )


def test_so_many_snapshots_are_taken_as_a_page_can_use():
    """375,010 weights of 4 bytes fit 42 times into 64 MB: the initial ones, and 41 of the training."""
    load(dense([5000], snapshots=41))
    assert error_of(load, dense([5000], snapshots=42)).endswith(
        ": training.snapshots: so many times the weights are more than 64 MB; write at most 41"
    )


def test_a_config_is_judged_without_tensorflow_keras_or_scikit_learn():
    broken = GOOD.replace("units: 10", "units: 11")
    Path("good.yaml").write_text(GOOD)
    Path("broken.yaml").write_text(broken)
    code = """
import sys
from pathlib import Path
from mlphys.config.json_schema import json_schema
from mlphys.config.load import load
from mlphys.errors import UserError
from mlphys.schema.document import dump
loaded = load(Path("good.yaml"), ["training.epochs=3"])
dump(loaded.experiment.model_dump()), loaded.rows(), loaded.cost()
try:
    load(Path("broken.yaml"))
except UserError as error:
    print(error)
print(sorted({"tensorflow", "keras", "sklearn", "matplotlib"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "broken.yaml:9: model.layers.3.Dense: 11 outputs for 10 classes; end with Dense: {units: 10, ...}",
        "[]",
    ]

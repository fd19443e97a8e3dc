"""Numbers that are none, too large, too small, or of another kind, at keys that take numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.hostile.case import Case
from tests.hostile.inputs import NETWORK, REGRESSION, wrote

NUMBERS = {
    ".nan": "not a number",
    ".inf": "infinite",
    "-.inf": "minus infinite",
    "1e400": "beyond float64",
    "1e300": "beyond float32",
    "-1": "negative",
    "99999999999999999999": "beyond int64",
    "9" * 5000: "of 5,000 digits",
    f"0.{'9' * 50_000}": "of 50,000 places",
    f"1e{'9' * 5000}": "of a power of 5,000 digits",
    "0x7fffffffffffffff": "hexadecimal",
    "1_000": "with an underscore",
    "'7'": "text",
    "'٣'": "Arabic text",
    "'²'": "superscript",
    "true": "true",
    "[1]": "a list",
    "{a: 1}": "a block",
    "7:30": "sexagesimal",
    "1e-400": "below float64",
    "''": "empty",
}
DIGITS = ("9" * 5000,)
LARGE = ("99999999999999999999", f"0.{'9' * 50_000}", "1e-400")
# Keys, each with the numbers of those above that it takes.
KEYS = {
    "seed": (),
    "data.train": (),
    "data.validation": (),
    "data.test": (),
    "data.split_seed": (),
    "training.epochs": (),
    "training.batch_size": ("99999999999999999999",),  # all samples at once, with a warning
    "training.steps_per_epoch": (),
    "training.early_stopping.patience": (),
    "training.optimizer.Adam.learning_rate": LARGE,
    "training.optimizer.Adam.beta_1": ("1e-400",),
    "training.optimizer.Adam.epsilon": LARGE,
    "training.optimizer.SGD.momentum": ("1e-400",),
    "training.snapshots": (),
    "study.seeds": (),
    "study.search": (),
    "model.layers.0.Dense.units": (),
    "model.layers.0.Dropout.rate": ("1e-400",),
    "model.layers.0.GaussianNoise.stddev": LARGE,
    "model.layers.0.LeakyReLU.negative_slope": LARGE,
}
LAYERS = {
    "{Conv2D: {filters: 1, kernel_size: 3, strides: N}}": "strides",
    "{Conv2D: {filters: N, kernel_size: 3}}": "filters",
    "{Conv2D: {filters: 1, kernel_size: N}}": "kernel_size",
    "{Conv2D: {filters: 1, kernel_size: 3, dilation_rate: N}}": "dilation_rate",
    "{MaxPooling2D: {pool_size: N}}": "pool_size",
    "{ZeroPadding2D: {padding: N}}": "padding",
    "{UpSampling2D: {size: N}}": "size",
    "{Reshape: {target_shape: [N, 1]}}": "target_shape",
    "{FixedConv2D: {kernel: [[N, 1]]}}": "kernel",
}
VALID = {("target_shape", "-1"), ("kernel", "-1")}
EXTREME = (".nan", ".inf", "1e300", "-1", "99999999999999999999", "9" * 5000, "'²'", "{a: 1}")


def cases() -> Iterator[Case]:
    for key, taken in KEYS.items():
        for number, what in NUMBERS.items():
            if number not in taken:
                text = _config(key, number)
                yield Case(f"{key} {what}", ("config", "check", "c.yaml"), _gist(key, number), wrote("c.yaml", text))
    for layer, key in LAYERS.items():
        for number in EXTREME:
            text = f"data: {{name: digits}}\n{NETWORK}".replace("LAYER", layer.replace("N", number))
            name = f"{layer.partition(':')[0][1:]} {key} {NUMBERS[number]}"
            if (key, number) not in VALID:
                yield Case(name, ("config", "check", "c.yaml"), _gist(key, number), wrote("c.yaml", text))
    for expected in ("[1, 0]", "[.nan, 1]", "[1]", "[0, 1, 2]", "0.5", "{a: 1}", "[[0], 1]", "['0', 1]"):
        text = f"{REGRESSION.replace('sine', 'sine, samples: 100')}expect: {{test.r2: {expected}}}\n"
        yield Case(f"expect {expected}", ("config", "check", "c.yaml"), "expect", wrote("c.yaml", text))


def _gist(key: str, number: str) -> str:
    """Where the message is about."""
    return r"c\.yaml:\d: .*" + (r"digits" if number in DIGITS else re.escape(key.split(".")[-1]))


def _config(key: str, number: str) -> str:
    """A config of a regression, or of images, that has the number at the key."""
    if key.startswith("model.layers.0."):
        _, _, _, layer, argument = key.split(".")
        return f"data: {{name: digits}}\n{NETWORK}".replace("LAYER", f"{{{layer}: {{{argument}: {number}}}}}")
    if key.startswith("data."):
        return REGRESSION.replace("sine", f"sine, {key.removeprefix('data.')}: {number}")
    first, *inner = key.split(".")
    sound = REGRESSION.replace("sine", "sine, samples: 100")
    if not inner:
        return f"{sound}{first}: {number}\n"
    nested = f"{inner[-1]}: {number}"
    for name in reversed(inner[:-1]):
        nested = f"{name}: {{{nested}}}"
    return f"{sound}{first}: {{{nested}}}\n"

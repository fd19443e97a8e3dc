"""A config, and the weights that training begins with, from a Keras file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from mlphys.config.from_keras import Translated, arrays, translate
from mlphys.errors import UserError
from mlphys.io import atomic, keras_file


@dataclass(frozen=True)
class Taken:
    """A config as text, and the content of the file of its weights, None without."""

    text: str
    weights: bytes | None
    path: Path | None


def from_keras(file: Path, out: Path | None = None, with_weights: bool = False) -> Taken:
    """The config of the model in `file`, as it would be written to `out`, with its weights in a file beside it.

    Raises UserError for what a config cannot say, damaged files, and files of `out` that exist.
    """
    if with_weights and out is None:
        raise UserError("--weights writes a file beside the config; say where by --out CONFIG.yaml")
    beside = out.with_suffix(".safetensors") if out and with_weights else None
    for path in (out, beside):
        if path:
            atomic.new(path)
    value, version = keras_file.architecture(file), keras_file.version(file)
    translated = translate(value, str(file), (out or file).stem, version)
    if beside is None:
        return Taken(translated.text(), None, None)
    content = _weights(file, translated)
    sha256 = hashlib.sha256(content).hexdigest()
    return Taken(translated.with_initial(str(beside), sha256).text(), content, beside)


def _weights(file: Path, translated: Translated) -> bytes:
    from safetensors.numpy import save

    expected = {place: translated.shapes[name] for name, place in translated.places.items()}
    return save(arrays(translated, keras_file.weights(file, expected | translated.steps.expected())))

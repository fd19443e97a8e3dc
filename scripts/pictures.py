"""Train two of the configs and put their pictures, scaled for a web page, into docs/images.

python -m scripts.pictures                   # both trainings, about two minutes
python -m scripts.pictures --runs runs       # use existing runs
python -m scripts.pictures --studies FOLDER  # those of docs/studies.md, from the studies FOLDER/NAME
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from scripts.marked_tables import ROOT

IMAGES = ROOT / "docs" / "images"
LARGEST = (900, 900)  # pixels; larger than shown, for high-resolution screens
COLOURS = 256

# The config whose run draws each picture.
PICTURES = {
    "filters": "conv_mnist",
    "misclassified": "conv_mnist",
    "vector_field": "vector_field_moons",
    "learning_curves": "conv_mnist",
}

# Pictures of studies, each of the same name.
STUDIES = {
    "learning_rate_cliff": "metric_against_parameter",
    "depth_and_activation_mnist": "metric_against_parameter",
    "pretraining_mnist": "metric_against_parameter",
    "rates": "metric_against_keys",  # the search of docs/studies.md
}


def train(folder: Path) -> None:
    """Train and evaluate each config, into `folder`/NAME."""
    command = shutil.which("mlphys", path=os.fspath(Path(sys.executable).parent)) or "mlphys"
    for name in dict.fromkeys(PICTURES.values()):
        for arguments in (
            ["train", ROOT / "configs" / f"{name}.yaml", "--out", folder / name / "1", "--quiet"],
            ["evaluate", folder / name / "1"],
        ):
            subprocess.run([command, *arguments], check=True)


def scaled(picture: Path) -> Image.Image:
    """The picture with at most LARGEST pixels and a palette, a tenth of the bytes."""
    with Image.open(picture) as image:
        small = image.convert("RGB")
    small.thumbnail(LARGEST, Image.Resampling.LANCZOS)
    return small.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)


def keep(picture: Path, name: str) -> None:
    """Scale a picture into docs/images."""
    kept = IMAGES / f"{name}.png"
    scaled(picture).save(kept, optimize=True)
    print(f"{kept}: {kept.stat().st_size // 1000} kB", flush=True)


def newest(folder: Path) -> Path:
    """The newest run of a folder."""
    return max((run for run in folder.iterdir() if run.name.isdecimal()), key=lambda run: int(run.name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, help="a folder of runs; default: new ones, which are not kept")
    parser.add_argument("--studies", type=Path, help="a folder of studies, whose pictures are drawn already")
    arguments = parser.parse_args()
    if arguments.studies:
        for name, figure in STUDIES.items():
            if not (arguments.studies / name).exists():
                print(f"{name}: no such study, its picture stays")
                continue
            keep(arguments.studies / name / "figures" / f"{figure}.png", name)
        return
    with tempfile.TemporaryDirectory() as temporary:
        runs = arguments.runs or Path(temporary)
        if not arguments.runs:
            train(runs)
        for name, config in PICTURES.items():
            keep(newest(runs / config) / "figures" / f"{name}.png", name)


if __name__ == "__main__":
    main()

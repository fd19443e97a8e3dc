"""Data as users have them, small and written in a moment: what `mlphys new` looks at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

Table = dict[str, Any]  # columns


def write_csv(path: Path, columns: Table) -> Path:
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def _rng() -> np.random.Generator:
    return np.random.default_rng(7)


def images_in_folders(folder: Path) -> Path:
    """Grey discs and rings, 12 x 12, sixty of each, in folders of these names."""
    from PIL import Image

    rng, rows = _rng(), np.mgrid[:12, :12]
    for i in range(120):
        middle = rng.uniform(4.5, 6.5, 2)
        distance = np.hypot(rows[0] - middle[0], rows[1] - middle[1])
        image = (distance < 4) & ((i % 2 == 0) | (distance > 2.2))
        noisy = np.clip(200 * image + rng.normal(20, 15, image.shape), 0, 255).astype(np.uint8)
        path = folder / "photos" / ("disc" if i % 2 == 0 else "ring") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy).save(path)
    return folder / "photos"


def imbalanced(folder: Path) -> Path:
    """Two classes of points in the ratio 9 to 1, 800 in all; `kind` is text."""
    rng = _rng()
    rare = rng.random(800) < 0.1
    x = rng.normal(size=(800, 3)) + np.where(rare, 2.2, 0)[:, None]
    labels = np.where(rare, "pulsar", "noise")
    columns = {"a": x[:, 0].round(4), "b": x[:, 1].round(4), "c": x[:, 2].round(4), "kind": labels}
    return write_csv(folder / "pulsars.csv", columns)


def large_targets(folder: Path) -> Path:
    """An energy of about 1e5 from two angles, 400 rows that are numbered."""
    rng = _rng()
    theta, phi = rng.uniform(0, 3, (2, 400)).round(4)
    energy = (1e5 * (1 + 0.5 * np.sin(2 * theta) * np.cos(phi)) + rng.normal(0, 1e3, 400)).round(1)
    return write_csv(folder / "energies.csv", {"id": range(400), "theta": theta, "phi": phi, "energy": energy})


def two_targets(folder: Path) -> Path:
    """Mass and charge from four columns of several units, 500 rows."""
    rng = _rng()
    x = rng.normal(size=(500, 4))
    mass = 125 + 10 * x[:, 0] - 4 * x[:, 1] + rng.normal(0, 1, 500)
    charge = 0.01 * (x[:, 2] * x[:, 3] + x[:, 0]) + rng.normal(0, 0.002, 500)
    features = {"pt": 40e3 + 1e4 * x[:, 0], "eta": x[:, 1], "phi": x[:, 2], "d0": 1e-3 * x[:, 3]}
    return write_csv(folder / "tracks.csv", features | {"y_mass": mass.round(3), "y_charge": charge.round(5)})


def spectra(folder: Path) -> Path:
    """Spectra of 80 channels with two lines of random strength and place, without targets."""
    rng, channel = _rng(), np.arange(80)
    strength, place = rng.uniform(50, 200, (2, 600, 1)), rng.uniform(-4, 4, (600, 1))
    lines = [strength[i] * np.exp(-(((channel - (25 + 30 * i) - place) / 5) ** 2)) for i in range(2)]
    path = folder / "spectra.npz"
    np.savez(path, x=(lines[0] + lines[1] + rng.normal(10, 2, (600, 80))).astype(np.float32))
    return path


def signal_and_background(folder: Path) -> Path:
    """Simulated events with a column of weights; signal is 1."""
    rng = _rng()
    signal = rng.integers(0, 2, 900)
    x = rng.normal(size=(900, 3)) + 1.2 * signal[:, None]
    columns = {"m": 90 + 10 * x[:, 0], "pt": np.exp(3 + x[:, 1] / 2), "cos": np.tanh(x[:, 2])}
    weights = np.where(signal, 0.2, 1.0) * rng.uniform(0.5, 1.5, 900)
    return write_csv(folder / "events.csv", columns | {"weight": weights.round(4), "signal": signal})


def tiny(folder: Path) -> Path:
    """Sixty samples of three classes with numbers as labels."""
    rng, labels = _rng(), np.arange(60) % 3
    centres = np.array([[0, 0], [3, 0], [0, 3]])[labels]
    x = centres + rng.normal(0, 0.6, (60, 2))
    return write_csv(folder / "tiny.csv", {"length": x[:, 0].round(3), "width": x[:, 1].round(3), "label": labels})


def text_labels(folder: Path) -> Path:
    """Labels and a feature of text, and names that are another in every row; written for a German spreadsheet."""
    rng, rows = _rng(), ["name;farbe;masse;sorte"]
    for i in range(300):
        heavy = rng.random() < 0.5
        colour = rng.choice(["rot", "gelb"], p=[0.8, 0.2] if heavy else [0.2, 0.8])
        rows.append(
            f"Stern {i};{colour};{rng.normal(7 if heavy else 4, 1):.2f};{'Riese' if heavy else 'Zwerg'}".replace(
                ".", ","
            )
        )
    path = folder / "sterne.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def missing_values(folder: Path) -> Path:
    """Three classes, a fifth of the rows with an empty cell or -999."""
    rng, labels = _rng(), np.arange(450) % 3
    x = rng.normal(size=(450, 3)) + np.array([[0, 0, 0], [2.5, 0, 1], [0, 2.5, -1]])[labels]
    cells = x.round(3).astype(str)
    cells[rng.random(450) < 0.1, 0] = ""
    cells[rng.random(450) < 0.1, 2] = "-999"
    classes = np.array(["alpha", "beta", "gamma"])[labels]
    return write_csv(folder / "decays.csv", {"e": cells[:, 0], "t": cells[:, 1], "q": cells[:, 2], "class": classes})


def hdf5(folder: Path) -> Path:
    """Waveforms of two sources in an HDF5 file, whose arrays have names of their own."""
    import h5py

    rng, source = _rng(), np.arange(400) % 2
    step = np.arange(64)
    decay = np.where(source, 6, 14)[:, None]
    start = rng.uniform(8, 16, (400, 1))
    pulse = np.exp(-np.maximum(step - start, 0) / decay) * (step > start)
    path = folder / "pulses.h5"
    with h5py.File(path, "w") as file:
        file["waveforms"] = (100 * rng.uniform(0.8, 1.2, (400, 1)) * pulse + rng.normal(0, 4, (400, 64))).astype(
            np.float32
        )
        file["source"] = source.astype(np.int32)
    return path

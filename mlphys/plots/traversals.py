"""What the decoder makes of codes in which one number runs from small to large and the others stay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlphys import image_rows, looks
from mlphys.drawable import need_decoder
from mlphys.picture import Picture, predicted

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from mlphys.config import Loaded
    from mlphys.run import Run

MOST = 10  # numbers of the code
LEVELS = (0.02, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.98)
ACROSS = 13  # images in a line of the plane


def check(loaded: Loaded) -> None:
    """Raise NotApplicable where no images can be made of codes."""
    need_decoder(loaded)


def draw(run: Run) -> Iterator[Picture]:
    import numpy as np

    check(run.loaded)
    split, predictions = predicted(run, "codes", "")
    codes = predictions["codes"].reshape(len(predictions["codes"]), -1)
    normal = run.config.model.normal_code()
    spread = codes.std(axis=0)
    numbers = np.argsort(-spread, kind="stable")[:MOST]
    values = np.array([_quantiles(codes[:, j], LEVELS, normal) for j in numbers])
    middle = np.zeros(codes.shape[1]) if normal else np.median(codes, axis=0)
    made = np.tile(middle, (len(numbers), len(LEVELS), 1))
    for line, j in enumerate(numbers):
        made[line, :, j] = values[line]
    images = _decoded(run, made)
    of = "N(0, 1)" if normal else f"its values of {len(codes):,} {split} samples"
    title = f"{run.name}: images along each number of the code"
    caption = f"above each column a quantile of {of}, beside each row its smallest and largest value; "
    caption += f"the other numbers are {'0' if normal else 'their medians'}"
    if len(numbers) < codes.shape[1]:
        caption += f"; the {len(numbers)} of {codes.shape[1]} that vary most"
    labels = [f"{j}:  {row[0]:.2g} to {row[-1]:.2g}".replace("-", "−") for j, row in zip(numbers, values, strict=True)]
    above = [f"{100 * level:g} %" for level in LEVELS]
    figure = image_rows.page(images, labels, title, caption, above)
    columns = {"quantile": LEVELS, "code": values}
    yield Picture("traversals", figure, image_rows.table(images, {"number": numbers}, columns))
    if codes.shape[1] == 2:
        yield _plane(run, codes, normal, of)


def _quantiles(values: np.ndarray, levels: np.ndarray | tuple[float, ...], normal: bool) -> np.ndarray:
    import numpy as np

    if not normal:
        return np.quantile(values, levels)
    from statistics import NormalDist

    return np.array([NormalDist().inv_cdf(float(level)) for level in levels])


def _decoded(run: Run, codes: np.ndarray) -> np.ndarray:
    """Images (rows, columns, height, width, channels) of codes (rows, columns, numbers)."""
    images = run.trained.decoded(codes.reshape(-1, codes.shape[-1]))
    return images.reshape(*codes.shape[:2], *images.shape[1:])


def _plane(run: Run, codes: np.ndarray, normal: bool, of: str) -> Picture:
    """The images of all codes of two numbers, at equally probable distances (Kingma & Welling 2014, figure 4)."""
    import numpy as np

    levels = (np.arange(ACROSS) + 0.5) / ACROSS
    first, second = (_quantiles(codes[:, j], levels, normal) for j in (0, 1))
    places = np.stack(np.meshgrid(first, second[::-1]), axis=-1)  # the second number grows upwards
    images = _decoded(run, places)
    title = f"{run.name}: images of the plane of codes"
    caption = f"each number of the code at {ACROSS} quantiles of {of}, equally probable steps apart"
    table = image_rows.table(images, {}, {"first": places[..., 0], "second": places[..., 1]})
    return Picture("traversals_plane", _sheet(images, first, second, title, caption), table)


def _sheet(images: np.ndarray, first: np.ndarray, second: np.ndarray, title: str, caption: str) -> Figure:
    lines, count, height, width, channels = images.shape
    sheet = images.transpose(0, 2, 1, 3, 4).reshape(lines * height, count * width, channels)
    figure = looks.figure(9, 9 * max(0.4, min(height / width, 1.5)), title, caption)
    axes = figure.subplots()
    image_rows.tile_image(axes, sheet, min(0.0, float(sheet.min())), max(1.0, float(sheet.max())))
    axes.set_xticks([(i + 0.5) * width - 0.5 for i in range(count)], [_number(value) for value in first], fontsize=11)
    axes.set_yticks(
        [(i + 0.5) * height - 0.5 for i in range(lines)], [_number(value) for value in second[::-1]], fontsize=11
    )
    axes.tick_params(length=0)
    axes.set(xlabel="first number of the code", ylabel="second number")
    return figure


def _number(value: float) -> str:
    return f"{0 if abs(value) < 1e-9 else value:.2g}".replace("-", "−")

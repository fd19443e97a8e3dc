"""The misclassified samples as a gallery that can be filtered by the pair of classes."""

from __future__ import annotations

import numpy as np

from mlphys.figures import theme
from mlphys.report import png
from mlphys.report.dataset import value_range
from mlphys.report.html import element, joined
from mlphys.report.page import Section
from mlphys.runs.page_samples import PageSamples
from mlphys.runs.run import Run

MOST = 200


def section(run: Run, samples: PageSamples) -> Section | None:
    """None where there are no classes, or samples are no images. Raises UserError for damaged predictions."""
    predictions = run.predictions(samples.split)
    classes = run.description.classes
    if not classes or predictions is None or "probabilities" not in predictions:
        return None
    if not png.is_image(run.description.shape) or len(predictions["labels"]) <= samples.rows.max(initial=-1):
        return None
    probabilities = predictions["probabilities"]
    guesses = probabilities.argmax(axis=1)
    total = int((guesses != predictions["labels"]).sum())
    of_shown = guesses[samples.rows]
    wrong = np.flatnonzero(of_shown != samples.labels)[:MOST]
    if not len(wrong):
        return Section("mistakes", "Mistakes", element("p", f"None on {samples.split}."))
    pixels = png.grey_levels(samples.x[wrong], *value_range(run, samples))
    figures = []
    for image, i in zip(pixels, wrong, strict=True):
        true, guess = classes[samples.labels[i]], classes[of_shown[i]]
        sure = probabilities[samples.rows[i], of_shown[i]]
        height, width = image.shape[:2]
        alt = f"a {true}, predicted {guess}"
        picture = element("img", src=png.address(image), alt=alt, width=width, height=height, class_="pixels")
        caption = element("figcaption", f"{theme.short(true)} → {theme.short(guess)} ", element("small", f"{sure:.2f}"))
        figures.append(element("figure", picture, caption, data_pair=f"{true} → {guess}"))
    shown = f"{len(wrong)} of the {total}" if len(wrong) < total else f"All {total}"
    words = f"{shown} misclassified {samples.split} samples: true class → predicted class, and its probability."
    body = joined(
        element("p", words),
        element("div", figures, class_="gallery", id="gallery", tabindex="0", role="group", aria_label="mistakes"),
    )
    return Section("mistakes", "Mistakes", body)

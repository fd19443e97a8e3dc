"""What a config can name, as text."""

from __future__ import annotations

from mlphys.config.experiment import ANALYSES, DATASETS, MODELS
from mlphys.config.headline import headline
from mlphys.config.reference import distinct_keys, first_line, vocabularies
from mlphys.config.shipped import shipped, shipped_studies
from mlphys.numerics.metric_names import MEANINGS
from mlphys.show.table import table

VOCABULARIES = {
    "layers": "layer", "optimizers": "optimizer", "schedules": "schedule", "losses": "loss",
    "initializers": "initializer", "regularizers": "regularizer", "preprocess": "step",
}  # fmt: skip


def listed(what: str) -> str:
    """One line per entry: name and description."""
    from mlphys.figures.picture import Plot
    from mlphys.schema import registry

    match what:
        case "models":
            rows = [[name, first_line(kind)] for name, kind in MODELS.items()]
            return "\n".join([table(["model", "what it is"], rows), "", combined()])
        case "keys":
            rows = [[key.dotted, key.description.sentence] for key in distinct_keys()]
            return table(["key", "what it means"], rows)
        case "metrics":
            rows = [[name, MEANINGS[name], ", ".join(kinds)] for name, kinds in _measured().items()]
            return table(["metric", "what it is", "kinds of model"], rows)
        case "datasets":
            return datasets()
        case "plots":
            rows = [[name, first_line(entry)] for name, entry in registry.entries("mlphys.plots", Plot).items()]
        case "analyses":
            rows = [[name, ", ".join(entry.key_names()), first_line(entry)] for name, entry in ANALYSES.items()]
            return table(["analysis", "settings", "what it measures"], rows)
        case "formats":
            from mlphys.export.exporting import formats

            rows = [[name, entry.ending, first_line(entry)] for name, entry in formats().items()]
            return table(["format", "ending", "what it is"], rows)
        case "configs":
            rows = [[name, headline(path)] for name, path in (shipped() | shipped_studies()).items()]
        case _:
            options = vocabularies()[VOCABULARIES[what]].options
            rows = [[name, first_line(spec), ", ".join(spec.key_names())] for name, spec in options.items()]
            return table([VOCABULARIES[what], "what it is", "keys"], rows)
    return table([what.removesuffix("s"), "what it is"], rows)


def _measured() -> dict[str, list[str]]:
    """The kinds of model that have each metric."""
    groups: dict[str, list[str]] = {}
    for kind, model in MODELS.items():
        for metric in model.MEASURED:
            groups.setdefault(metric, []).append(kind)
    return groups


def combined() -> str:
    """Which cost terms of an autoencoder can be combined, and why others cannot."""
    from mlphys.config.combinations import TERMS, refused

    refusals, names = refused(), list(TERMS)
    refusals |= {(second, first): why for (first, second), why in refusals.items()}
    rows = [
        [name, *("" if (name, other) not in refusals else "no" if refusals[name, other] else "yes" for other in names)]
        for name in names
    ]
    reasons = dict.fromkeys(
        f"{a}, {b}: {why}" for (a, b), why in refusals.items() if why and names.index(a) < names.index(b)
    )
    return "\n".join([table(["autoencoder", *names], rows), "", *reasons])


def datasets() -> str:
    return table(["dataset", "what it is"], [[name, first_line(kind)] for name, kind in DATASETS.items()])

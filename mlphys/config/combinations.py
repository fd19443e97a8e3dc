"""Which cost terms of an autoencoder can be combined, determined by validating configs."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from mlphys.config.load import validate
from mlphys.errors import UserError
from mlphys.networks import penalized
from mlphys.schema.document import dump, parse


def _examples(deterministic: bool) -> dict[str, Any]:
    kinds = [kind for kind in penalized.kinds().values() if kind.deterministic == deterministic]
    return {name: value for kind in kinds for name, value in kind.examples().items()}


TERMS: dict[str, Any] = {
    "corruption": {"masking": 0.3},
    **_examples(deterministic=True),
    "tied": True,
    **_examples(deterministic=False),
}


def refused() -> dict[tuple[str, str], str | None]:
    """For each pair of terms the reason for its refusal, or None, in a dense network of sigmoid units."""
    return {pair: _why(*pair) for pair in combinations(TERMS, 2) if _key(pair[0]) != _key(pair[1])}


def _key(term: str) -> str:
    return term.partition(":")[0]


def _why(*terms: str) -> str | None:
    variational = "variational" in terms
    experiment = {
        "name": "combined",
        "data": {"name": "digits"},
        "model": {
            "kind": "autoencoder",
            # a variational encoder ends in means and log variances
            "encoder": [{"Dense": {"units": 8}} if variational else {"Dense": {"units": 4, "activation": "sigmoid"}}],
            "decoder": [{"Dense": {"units": 64}}],
            **{_key(term): TERMS[term] for term in terms},
        },
    }
    try:
        validate(parse(dump(experiment), "combined"))
    except UserError as error:
        return str(error).partition(": model.")[2].partition(": ")[2]
    return None

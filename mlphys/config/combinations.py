"""Which terms of an autoencoder's cost go together: asked of the config language itself."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from mlphys.config.load import validate
from mlphys.errors import UserError
from mlphys.networks import penalized
from mlphys.schema.document import dump, parse

TERMS: dict[str, Any] = {"corruption": {"masking": 0.3}, "tied": True}
for kind in sorted(penalized.kinds().values(), key=lambda kind: not kind.deterministic):
    TERMS |= kind.examples()


def refused() -> dict[tuple[str, str], str | None]:
    """For each two terms why they are refused together, None where they are not: on a dense net of sigmoid units."""
    return {pair: _why(*pair) for pair in combinations(TERMS, 2) if key(pair[0]) != key(pair[1])}


def key(term: str) -> str:
    """The key of a term: two of one key cannot be told apart."""
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
            **{key(term): TERMS[term] for term in terms},
        },
    }
    try:
        validate(parse(dump(experiment), "combined"))
    except UserError as error:
        return str(error).partition(": model.")[2].partition(": ")[2]
    return None

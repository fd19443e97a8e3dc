"""What `mlphys list models` tells of the terms of an autoencoder's cost."""

from __future__ import annotations

from click.testing import CliRunner

from mlphys.cli import main
from mlphys.config.combinations import TERMS, refused


def test_only_a_variational_code_refuses_other_terms_and_says_why():
    why = {pair: reason for pair, reason in refused().items() if reason}
    assert set(why) == {(term, "variational") for term in TERMS if term not in ("corruption", "variational")}
    assert why["contraction", "variational"] == (
        "does not go with a variational autoencoder: its code is drawn at random, and its spread is learned, "
        "not penalized; leave one of them out"
    )


def test_the_list_of_models_has_the_matrix_and_the_reasons():
    lines = CliRunner().invoke(main, ["list", "models"]).output.splitlines()
    row = next(line.split() for line in lines if line.startswith(" tied "))
    assert row == ["tied", "yes", "yes", "yes", "yes", "no"]
    assert any(line.startswith("tied, variational: does not go with") for line in lines)

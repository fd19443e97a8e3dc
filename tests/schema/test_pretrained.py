"""Names of the runs that weights are taken from."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mlphys.schema.pretrained import LONGEST, Initial


@pytest.mark.parametrize("name", ["", "a" * (LONGEST + 1), "a\nb", "a\x1b[1m"])
def test_what_can_be_no_name_of_a_run_is_refused(name: str):
    with pytest.raises(ValidationError, match="expected a run directory, or a name under runs/"):
        Initial(run=name)


def test_a_path_as_long_as_there_may_be_is_a_name():
    assert Initial(run="a" * LONGEST).run == "a" * LONGEST

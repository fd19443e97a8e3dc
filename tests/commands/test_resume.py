"""What is said where a training cannot go on."""

from __future__ import annotations

from mlphys.commands.resume import other_backends


def test_phases_that_moved_to_machine_code_and_away_from_it_are_both_named():
    assert other_backends({"stage 1", "head"}, {"stage 2", "head"}) == (
        "its steps (stage 1) were taken by machine code, here they would be taken by TensorFlow, and "
        "its steps (stage 2) were taken by TensorFlow, here they would be taken by machine code, with other last digits"
    )
    assert other_backends({"b", "a"}, set()) == (
        "its steps (a, b) were taken by machine code, here they would be taken by TensorFlow, with other last digits"
    )

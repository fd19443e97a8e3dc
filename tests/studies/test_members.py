"""Which members a study has, and what is wrong with their configs."""

from __future__ import annotations

import pytest

from mlphys.config.load import validate
from mlphys.errors import UserError
from mlphys.schema.document import Document, dump, parse
from mlphys.schema.study import Study
from mlphys.studies import members, study_file
from mlphys.studies.members import Plan

CONFIG = {
    "name": "small",
    "data": {"name": "digits"},
    "model": {"kind": "classifier", "layers": ["Flatten", {"Dense": {"units": 10, "activation": "softmax"}}]},
    "training": {"optimizer": {"SGD": {"learning_rate": 0.1}}},
}


def document(**changes: object) -> Document:
    return parse(dump({**CONFIG, **changes}), "f.yaml")


def planned(**study: object) -> Plan:
    return members.plan(Study.model_validate(study), validate(document(seed=3)).experiment, "f.yaml")


def reason(**study: object) -> str:
    with pytest.raises(UserError) as error:
        planned(**study)
    return str(error.value)


def test_every_combination_is_a_member_and_the_seed_changes_fastest():
    plan = planned(grid={"training.batch_size": [16, 32], "training.epochs": {"few": 1, "many": 9}}, seeds=2)
    found = list(plan.members())
    assert len(plan) == len(found) == 8
    assert [member.number for member in found] == list(range(1, 9))
    assert found[0].overrides == {"training.batch_size": 16, "training.epochs": 1, "seed": 3}
    assert found[1].overrides == {"training.batch_size": 16, "training.epochs": 1, "seed": 4}
    assert found[7].overrides == {"training.batch_size": 32, "training.epochs": 9, "seed": 4}
    assert str(found[7]) == "member 8 (training.batch_size=32, training.epochs=many, seed=4)"


def test_each_fold_is_a_member_unless_the_config_names_one():
    folds = validate(document(data={"name": "digits", "folds": 3})).experiment
    found = members.plan(Study(), folds, "f.yaml").members()
    assert [member.overrides for member in found] == [{"data.fold": 0}, {"data.fold": 1}, {"data.fold": 2}]
    one = validate(document(data={"name": "digits", "folds": 3, "fold": 1})).experiment
    assert len(members.plan(Study(), one, "f.yaml")) == 1


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"seed": [1, 2]}, "f.yaml: a grid over seed and 2 seeds; leave one of them out"),
        ({"name": ["a"]}, "f.yaml: grid over name: it names the study's folder; leave it out of the grid"),
        (
            {"data.folds": [2, 3]},
            "f.yaml: grid over data.folds: write data.folds into the config: each fold is a member",
        ),
        ({"study.seeds": [2, 3]}, "f.yaml: grid over study.seeds: a study holds no other"),
        (
            {"training": [{}], "training.epochs": [1]},
            "f.yaml: grid over training.epochs and over training, which holds it; leave one out",
        ),
    ],
)
def test_keys_that_no_grid_can_have_are_refused(grid, message):
    assert reason(grid=grid, seeds=2).startswith(message)


def test_seeds_beyond_the_largest_are_refused():
    experiment = validate(document(seed=2**63 - 2)).experiment
    with pytest.raises(
        UserError, match="3 seeds from 9223372036854775806 on are beyond 9223372036854775807; lower seed"
    ):
        members.plan(Study(seeds=3), experiment, "f.yaml")


def test_many_members_are_trained_after_yes_only_and_too_many_never():
    plan = planned(grid={"training.batch_size": "1:201:lin201"})
    members.require_number(len(plan), "f.yaml", allowed=True)
    with pytest.raises(UserError, match="201 members are more than 200; --dry-run lists them, --yes trains them"):
        members.require_number(len(plan), "f.yaml", allowed=False)
    plan = planned(grid={"training.batch_size": "1:201:lin201"}, seeds=100)
    with pytest.raises(UserError, match="20100 members are more than a study holds, 10000; make the grid smaller"):
        members.require_number(len(plan), "f.yaml", allowed=True)


def test_what_is_wrong_in_any_member_is_reported_with_its_name_before_one_is_trained():
    varied = list(planned(grid={"training.batch_size": [16, 0, "some"]}, seeds=2).members())
    with pytest.raises(UserError) as error:
        members.validated(document(), varied)
    assert str(error.value).splitlines() == [
        "f.yaml: member 3 (training.batch_size=0, seed=3): training.batch_size: expected a whole number of at least 1, "
        "or all; received 0",
        "f.yaml: member 5 (training.batch_size=some, seed=3): training.batch_size: expected a whole number of at least "
        "1, or all; received text 'some'",
    ]


def test_of_many_wrong_members_the_first_are_reported_and_the_others_counted():
    varied = list(planned(grid={"training.batch_size": "-9:0:lin10"}).members())
    for wrong, last in ((5, "f.yaml: member 5 "), (7, "... and 2 more members")):
        with pytest.raises(UserError) as error:
            members.validated(document(), varied[:wrong])
        lines = str(error.value).splitlines()
        assert len(lines) == min(wrong, members.MOST_REPORTED + 1)
        assert lines[-1].startswith(last)


def test_a_key_that_does_not_exist_is_refused_like_one_of_set():
    varied = list(planned(grid={"training.epocs": [1]}).members())
    with pytest.raises(
        UserError, match=r"member 1 \(training.epocs=1\): training.epocs: unknown key; did you mean epochs"
    ):
        members.validated(document(), varied)


def test_members_have_their_own_configs():
    varied = list(planned(grid={"training.batch_size": [16, 32]}, seeds=2).members())
    found = members.validated(document(study={"seeds": 2}), varied)
    assert [found[number].experiment.training.batch_size for number in (1, 2, 3, 4)] == [16, 16, 32, 32]
    assert found[1].experiment.study is None
    assert validate(members.document(document(), varied[3])).experiment.seed == 4


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (
            ["training.epochs"],
            "--grid training.epochs: expected key=values, such as --grid training.batch_size=[16,32,64]",
        ),
        (["a=[1]", "a=[2]"], "--grid a: given twice; write all its values into one"),
        (["a=2:1:lin3"], "--grid a: a range runs from the smaller to the larger number"),
        (["a="], "--grid a: expected a list such as [16, 32, 64]"),
        (["a=[1"], "--grid a:1: not readable as YAML"),
    ],
)
def test_a_grid_of_the_command_line_that_is_none_is_refused(pairs, message):
    with pytest.raises(UserError) as error:
        members.grid(pairs)
    assert str(error.value).startswith(message)


def test_a_member_that_is_a_link_to_another_folder_is_not_entered(tmp_path):
    (tmp_path / "study" / "members").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "study" / "members" / "1").symlink_to(tmp_path / "mine")
    with pytest.raises(UserError, match=r"members/1: is a link"):
        study_file.Study(tmp_path / "study").run_path(1)

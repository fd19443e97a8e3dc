"""Members on a Ray cluster of two nodes on this machine: one of them is killed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlphys.commands.study_member import train_member
from mlphys.errors import UserError
from mlphys.schema.document import dump
from mlphys.studies import ray_cluster, ray_executor
from mlphys.studies.ray_cluster import Cluster
from mlphys.studies.ray_executor import RayNodes, Share
from tests.helpers.cli import mlphys
from tests.helpers.extras import needs
from tests.helpers.waiting import joined, until

needs("ray")

SMALL = {
    "name": "small",
    "data": {"name": "array", "path": "points.npz", "train": 60, "validation": 20, "test": 20},
    "model": {
        "kind": "classifier",
        "layers": [{"Dense": {"units": 4, "activation": "relu"}}, {"Dense": {"units": 2, "activation": "softmax"}}],
    },
    "training": {"optimizer": {"SGD": {"learning_rate": 0.1}}, "batch_size": 10, "epochs": 2},
    "plots": [],
}
SAME = ("config.yaml", "weights.safetensors", "metrics.json", "predictions_validation.npz", "data.json")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    import numpy as np

    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    x = random.normal(size=(100, 2)).astype(np.float32)
    np.savez("points.npz", x=x, y=(x[:, 0] > 0).astype(np.int64))
    Path("small.yaml").write_text(dump(SMALL))
    return tmp_path


@pytest.fixture
def two_nodes() -> Iterator:
    """A cluster whose first node, of one core, is that of the address, and whose second can be killed."""
    ray_cluster.require_installed()
    from ray.cluster_utils import Cluster

    quickly = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 2}
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, "_system_config": quickly}
    )
    second = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster, second
    cluster.shutdown()


def members(study: str) -> list[dict]:
    return json.loads(Path(study, "study.json").read_text())["members"]


def kill_when_a_checkpoint_of_each_has_come(cluster, second) -> None:
    until(
        lambda: all(list(Path("study/members").glob(f"{number}/checkpoints/*")) for number in (1, 2)),
        "a checkpoint of each member",
    )
    cluster.remove_node(second, allow_graceful=False)


@pytest.mark.slow
def test_a_study_whose_node_is_killed_completes_with_the_bytes_of_trainings_alone(folder, two_nodes, monkeypatch):
    cluster, second = two_nodes
    monkeypatch.setattr(ray_executor, "SENT_BACK", 0.2)
    Path("small.yaml").write_text(dump({**SMALL, "training": {**SMALL["training"], "epochs": 1500}}))
    killer = threading.Thread(target=kill_when_a_checkpoint_of_each_has_come, args=(cluster, second), daemon=True)
    killer.start()
    grid = ("--grid", "training.optimizer.SGD.learning_rate=[0.01,0.1]", "--threads", 1)
    mlphys("sweep", "small.yaml", *grid, "--out", "study", "--ray", cluster.address, "--quiet")
    joined(killer, "Ray to remove a node")
    assert [member["state"] for member in members("study")] == ["done", "done"]
    [moved] = [member["moved"] for member in members("study") if member["moved"]]
    assert moved.startswith("its node was lost; continued from checkpoint 0")
    for number, rate in ((1, 0.01), (2, 0.1)):
        setting = ("--set", f"training.optimizer.SGD.learning_rate={rate}", "--threads", 1)
        mlphys("train", "small.yaml", *setting, "--out", f"alone/{number}", "--quiet")
        for name in SAME:
            assert Path(f"study/members/{number}/{name}").read_bytes() == Path(f"alone/{number}/{name}").read_bytes()


@pytest.mark.parametrize(
    ("share", "what"),
    [
        (Share(2, threads=8), "8 cores"),
        (Share(2, threads=2, gpus=0.5), "2 cores and 0.5 GPUs"),
    ],
)
def test_a_member_larger_than_every_node_is_refused(share, what):
    nodes = [
        {"Alive": True, "Resources": {"CPU": 4.0}},
        {"Alive": True, "Resources": {"CPU": 1.0, "GPU": 1.0}},
        {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 4.0}},
    ]
    ray = SimpleNamespace(nodes=lambda: nodes, remote=lambda actor: actor)
    with pytest.raises(UserError) as error:
        RayNodes(Cluster(ray), train_member, share)
    assert str(error.value) == (
        f"--ray: no node of the cluster has {what} for a member; add a node, or give members fewer --threads or --gpus"
    )

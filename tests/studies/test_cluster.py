"""A sweep on a Ray cluster of two nodes, one of which is killed while it trains."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from latebloom.errors import LatebloomError
from latebloom.spec import log_due
from latebloom.store import open_study
from latebloom.studies.cluster import RayCluster
from latebloom.studies.expand import Plan, plan_of
from latebloom.studies.sweep import Standing, run_sweep

STUDY = """
base = "quick"
seeds = 8
measures = "none"
set.steps = 1500
set.log.every = 10
set.checkpoints.every = 100
set.task.p = 7
set.model = {d_model = 8, n_heads = 2, d_mlp = 8}
[axes]
optim.weight_decay = [0.1, 1.0, 3.0]
"""


def test_without_ray_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(LatebloomError, match=r"needs Ray.*pip install 'latebloom\[cluster\]'.*-e '\.\[cluster\]'"):
        RayCluster(None)


@pytest.mark.cluster
def test_no_cluster_at_that_address():
    pytest.importorskip("ray")
    for address in ("127.0.0.1:9", "127.0.0.1:port"):
        with pytest.raises(LatebloomError, match=f"there is no Ray cluster at {address}"):
            RayCluster(address)


@pytest.fixture
def plan(tmp_path) -> Plan:
    (tmp_path / "grid.toml").write_text(STUDY, "utf-8")
    return plan_of(tmp_path / "grid.toml")


# Ray leaves sockets and warnings of its own behind
@pytest.mark.cluster
@pytest.mark.filterwarnings("ignore")
def test_a_killed_node_loses_nothing(plan: Plan, tmp_path: Path):
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster  # pyright: ignore[reportMissingImports]

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    doomed = [cluster.add_node(num_cpus=1)]
    ray.init(address=cluster.address, log_to_driver=False)
    seen: dict[str, tuple[int, int]] = {}
    lost: list[set[str]] = []

    def watch(standing: Standing) -> None:
        for run in plan.specs:
            manifest = tmp_path / "runs" / "grid" / run / "manifest.json"
            if manifest.exists():
                stat = manifest.stat()
                assert seen.setdefault(run, (stat.st_ino, stat.st_mtime_ns)) == (stat.st_ino, stat.st_mtime_ns)
        if doomed and len(seen) >= 6 and len(cluster_nodes(tmp_path, plan)) == 2:
            lost.append(unfinished(tmp_path, plan))
            cluster.remove_node(doomed.pop(), allow_graceful=False)

    try:
        standing, failures = run_sweep(plan, tmp_path / "runs", lambda folder: RayCluster(None), watch=watch)
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert not doomed
    assert (standing.done, failures) == (24, {})
    opened = open_study(tmp_path / "runs" / "grid")
    assert set(opened.runs["state"]) == {"done"}
    resumed = []
    for run, spec in plan.specs.items():
        found = opened.run(run)
        assert found.scalars["step"].to_list() == [s for s in range(spec.steps + 1) if log_due(s, 10)]
        resumed += [run] if "resumed" in found.provenance else []
    # the run that was under way on the killed node went on from its checkpoint, and no other was begun twice
    assert len(resumed) == 1
    assert set(resumed) <= lost[0]


def unfinished(root: Path, plan: Plan) -> set[str]:
    folder = root / "runs" / "grid"
    return {run for run in plan.specs if (folder / run).exists() and not (folder / run / "manifest.json").exists()}


def cluster_nodes(root: Path, plan: Plan) -> set[str]:
    """The unfinished runs that have a checkpoint beyond the first: one on each node when there are two."""
    folder = root / "runs" / "grid"
    return {
        run for run in unfinished(root, plan) if len(list((folder / run / "checkpoints").glob("*.safetensors"))) > 1
    }

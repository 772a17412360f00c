"""Planes through a network and the losses on them, against the weights themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dashboard_runs import small
from latebloom.analysis.circuits.rebuild import probe_of
from latebloom.analysis.landscape import landscape, path, random_plane
from latebloom.analysis.trajectory import components, trajectory
from latebloom.experiment import run_experiment


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_experiment(small(log__measures="none", steps="40"), tmp_path_factory.mktemp("runs"), "x", threads=1)


def flat(params):
    return torch.cat([params[name].double().flatten() for name in sorted(params)])


def test_each_filter_of_a_direction_has_the_norm_of_the_network_s(run):
    _, probe = probe_of(run)
    params = probe.params
    for plane in (random_plane(probe.subject.model, params), random_plane(probe.subject.model, params, seed=1)):
        for direction in plane:
            w, d = params["blocks.0.mlp.W_in"], direction["blocks.0.mlp.W_in"]
            assert torch.allclose(d.norm(dim=0), w.norm(dim=0), rtol=1e-5)
            w, d = params["embed.W_E"], direction["embed.W_E"]
            assert torch.allclose(d.norm(dim=1), w.norm(dim=1), rtol=1e-5)
            w, d = params["blocks.0.attn.W_Q"], direction["blocks.0.attn.W_Q"]
            assert torch.allclose(d.norm(dim=1), w.norm(dim=1), rtol=1e-5)
            w, d = params["blocks.0.attn.W_O"], direction["blocks.0.attn.W_O"]
            assert torch.allclose(d.flatten(0, 1).norm(dim=0), w.flatten(0, 1).norm(dim=0), rtol=1e-5)
            assert not direction["blocks.0.mlp.b_in"].any()
    one, other = (flat(p[0]) for p in (plane, random_plane(probe.subject.model, params)))
    assert not torch.equal(one, other)


def test_losses_are_those_of_the_moved_network(run):
    _, probe = probe_of(run)
    plane = random_plane(probe.subject.model, probe.params)
    found = landscape(probe, plane, np.array([-0.5, 0.0, 1.0]), np.array([0.0, 0.25]))
    moved = {name: w + 1.0 * plane[0][name] + 0.25 * plane[1][name] for name, w in probe.params.items()}
    logits, _ = probe.subject.model.apply(moved, probe.subject.examples.tokens)
    losses = torch.nn.functional.cross_entropy(logits.double(), probe.subject.examples.labels, reduction="none")
    assert found.train[1, 2] == pytest.approx(float(losses[probe.subject.train_index].mean()), rel=1e-5)
    assert found.test[1, 2] == pytest.approx(float(losses[probe.subject.test_index].mean()), rel=1e-5)
    assert found.test[0, 1] == pytest.approx(run.scalars["test_loss"][-1], rel=1e-5)


def test_the_plane_of_the_path_against_the_weights(run):
    found = path(run)
    one, other = (flat(direction) for direction in found.plane)
    assert float(one @ one) == pytest.approx(1, abs=1e-9)
    assert float(other @ other) == pytest.approx(1, abs=1e-9)
    assert float(one @ other) == pytest.approx(0, abs=1e-9)
    newest = flat(run.params())
    for step, place in zip(found.steps, found.places, strict=True):
        away = flat(run.params(step)) - newest
        assert [float(away @ one), float(away @ other)] == pytest.approx(place.tolist(), abs=1e-8)
    assert found.shares == pytest.approx(tuple(components(trajectory(run)).shares[:2]))

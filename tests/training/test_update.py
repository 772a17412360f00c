"""One update with penalties, noise, constraints and changes, against plain arithmetic."""

from __future__ import annotations

import math

import pytest
import torch

from latebloom.spec import SpecError, override, read, resolve
from latebloom.training import Setup, decayed_update, gradients, train, update
from latebloom.training.noise import dropout
from latebloom.training.schedules import hyper_at, learning_rate_factor
from latebloom.training.state import TrainState

SMALL = {"task.p": "7", "steps": "12", "precision": "float64"}
SIZES = {"model.d_model": "8", "model.n_heads": "2", "model.d_mlp": "8"}


def setup(changes: dict[str, str]) -> Setup:
    sizes = {} if "model.name" in changes else SIZES
    return Setup.of(resolve(override(read("quick")[1], SMALL | sizes | changes)))


def norm(params):
    return math.sqrt(sum(tensor.square().sum().item() for tensor in params.values()))


def final(made: Setup):
    *_, last = train(made, made.initial_state(), lambda step: False)
    return last


def test_l1_adds_its_sign_to_the_gradient():
    with_l1, without = setup({"regular.l1": "0.25"}), setup({})
    params = without.initial_params
    one, other = (gradients(made, params, made.train) for made in (with_l1, without))
    for name, tensor in params.items():
        assert torch.allclose(one[name] - other[name], 0.25 * tensor.sign(), atol=1e-12)


def test_the_norm_is_held():
    made = setup({"regular.norm": "0.5"})
    assert norm(final(made).params) == pytest.approx(0.5 * norm(made.initial_params), rel=1e-12)


def test_decay_to_init_leaves_the_initial_weights_alone():
    # no gradient: a learning rate times decay of 1 goes to the origin in one step
    made = setup({"regular.decay_to": "init", "optim.lr": "0.5", "optim.weight_decay": "2", "regular.l1": "0"})
    state = made.initial_state()
    away = {name: tensor + 1 for name, tensor in state.params.items()}
    zero = {name: torch.zeros_like(tensor) for name, tensor in away.items()}
    moved, _ = decayed_update(made, zero, TrainState(0, away, state.optim), hyper_at(20, made))
    for name, tensor in made.initial_params.items():
        assert torch.allclose(moved[name], tensor, atol=1e-12), name


def test_decay_factors_by_pattern_the_last_that_fits():
    factors = '{"*" = 0, "embed*" = 0.5, "*W_E" = 2}'
    made = setup({"regular.decay_factors": factors, "optim.lr": "0.1", "optim.weight_decay": "1"})
    state = made.initial_state()
    zero = {name: torch.zeros_like(tensor) for name, tensor in state.params.items()}
    moved, _ = decayed_update(made, zero, state, hyper_at(20, made))
    for name, tensor in state.params.items():
        assert torch.allclose(moved[name], tensor * (0.8 if name == "embed.W_E" else 1), atol=1e-12), name


def test_changes_hold_from_their_step_on():
    made = setup({"changes": '{"3" = {weight_decay = 0.25}, "10" = {weight_decay = 0, lr = 0.5}}'})
    decay = [hyper_at(step, made)["weight_decay"].item() for step in (0, 2, 3, 9, 10, 11)]
    assert decay == [1, 1, 0.25, 0.25, 0, 0]
    assert hyper_at(10, made)["lr"] == 0.5


@pytest.mark.parametrize("shape", ["linear", "cosine"])
def test_schedules(shape):
    spec = setup({"schedule.warmup": "2", "schedule.shape": shape, "schedule.floor": "0.1"}).spec.schedule
    found = [learning_rate_factor(step, 8, spec) for step in (0, 1, 2, 4, 6, 7)]
    down = [0.4, 0.8] if shape == "linear" else [(1 - math.cos(0.4 * math.pi)) / 2, (1 - math.cos(0.8 * math.pi)) / 2]
    assert found == pytest.approx([0, 0.5, 1, *(1 - 0.9 * part for part in down), 0.1])


def test_corruption_touches_the_share_of_training_labels_that_was_asked_for():
    made, clean, more = (setup({"labels.corrupted": share}) for share in ("0.3", "0.0", "0.6"))
    assert torch.equal(made.true_labels, clean.examples.labels)
    differs = (made.examples.labels != made.true_labels).nonzero().squeeze(1)
    assert torch.equal(differs, made.corrupted_index)
    assert len(differs) == int(0.3 * len(made.train))
    assert torch.isin(differs, made.train_index).all()
    assert torch.isin(differs, more.corrupted_index).all()
    assert torch.equal(more.examples.labels[differs], made.examples.labels[differs])


def test_dropout_keeps_the_mean_and_differs_between_steps():
    x = torch.ones(200, 200, dtype=torch.float64)
    one, other = (dropout(0.3, 0, step, True)("blocks.0.hook_mlp_out", x) for step in (1, 2))
    assert one.mean().item() == pytest.approx(1, abs=0.02)
    assert one.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert not torch.equal(one, other)
    assert torch.equal(dropout(0.3, 0, 1, True)("blocks.0.mlp.hook_post", x), x)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"changes": '{"5" = {weight_deca = 0}}'},
            r"changes\.5\.weight_deca: no such hyperparameter; did you mean weight_decay",
        ),
        ({"changes": '{"x" = {lr = 0}}'}, r"changes"),
        ({"gradient.name": "grokfast"}, "no such gradient"),
        ({"optim.name": "sgd", "optim.beta1": "0.9"}, r"optim\.beta1: no such field"),
    ],
)
def test_faults_are_told(changes, message):
    with pytest.raises(SpecError, match=message):
        setup(changes)


def test_an_update_remembers_the_state_before_and_no_further():
    made = setup({})
    first = update(made, made.initial_state())
    second = update(made, first)
    assert second.before is not None
    assert second.before.step == 1
    assert second.before.before is None

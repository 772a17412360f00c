from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latebloom.errors import LatebloomError
from latebloom.optim import AdamW
from latebloom.spec import override, presets, read, resolve
from latebloom.training import Setup, batch_of, gradients, update
from latebloom.training.batches import batch_at, batches_per_epoch
from latebloom.training.losses import cross_entropy
from latebloom.training.schedules import hyper_at
from latebloom.training.splits import SPLIT_SCHEMES, split

SMALL = {"task.p": "7", "model.d_model": "8", "model.n_heads": "2", "model.d_mlp": "8", "steps": "7"}


def setup(**changes: str) -> Setup:
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return Setup.of(resolve(override(read("quick")[1], SMALL | named)))


def test_loss_precision():
    # one logit ahead by 17: e^-17 ≈ 4e-8 is lost beside 1 in float32, and kept in float64
    logits = torch.tensor([[17.0, 0.0]])
    labels = torch.tensor([0])
    assert cross_entropy(logits.double(), labels).item() == pytest.approx(4.14e-8, rel=1e-2)
    assert cross_entropy(logits.float(), labels).item() in (0.0, pytest.approx(5.96e-8, rel=1e-1))


def test_warm_up_starts_from_nothing():
    made = setup(schedule__warmup="4")
    rates = [hyper_at(step, made)["lr"].item() for step in range(6)]
    assert rates == pytest.approx([0, 0.25e-3, 0.5e-3, 0.75e-3, 1e-3, 1e-3])
    first = update(made, made.initial_state())
    assert all(torch.equal(first.params[name], made.initial_state().params[name]) for name in first.params)
    assert isinstance(made.optimiser, AdamW)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 3))
def test_every_epoch_is_a_permutation_of_its_own(train_size, batch, seed):
    batch = min(batch, train_size)
    per_epoch = batches_per_epoch(train_size, batch)
    epochs = [
        torch.cat([batch_at(epoch * per_epoch + i, train_size, batch, seed) for i in range(per_epoch)])
        for epoch in range(2)
    ]
    for order in epochs:
        assert sorted(order.tolist()) == list(range(train_size))


def test_minibatches_differ_between_epochs_and_seeds():
    orders = [batch_at(step, 100, 50, seed).tolist() for step, seed in itertools.product((0, 2, 4), (0, 1))]
    assert len({tuple(order) for order in orders}) == 6


def test_cleanup_mlp_has_six_batches_an_epoch_the_last_of_262():
    assert [len(batch_at(step, 2822, 512, 42)) for step in range(7)] == [512] * 5 + [262, 512]


def test_published_splits_are_the_published_draws():
    pairs = list(itertools.product(range(113), range(113)))
    random.seed(4)
    random.shuffle(pairs)
    spec = resolve(override(read("nanda2023")[1], {"seed": "4"}))
    found, rest = split(spec, spec.build_task())
    assert {divmod(i, 113) for i in found.tolist()} == set(pairs[:3830])
    assert len(set(found.tolist()) | set(rest.tolist())) == 113**2
    spec = resolve(read("cleanup-mlp")[1])
    np.random.seed(42)
    assert set(split(spec, spec.build_task())[0].tolist()) == set(np.random.permutation(9409)[:2822].tolist())


def test_split_schemes_are_those_of_the_spec():
    from typing import get_args

    from latebloom.spec.run_spec import Split

    assert set(get_args(Split.model_fields["scheme"].annotation)) == {*SPLIT_SCHEMES, "list", "rows", "cosets"}


SEQUENCES = {
    "digits": {"task.digits": "2", "task.samples": "30"},
    "induction": {"task.vocabulary": "8", "task.context": "9", "task.length": "3", "task.repeats": "2"},
    "skip-trigrams": {"task.families": "2", "task.context": "4", "task.samples": "20"},
    "parity": {"task.n": "5", "task.k": "2", "task.samples": "20"},
}


def sequence(name: str, **changes: str) -> Setup:
    sizes = {key: value for key, value in SMALL.items() if not key.startswith("task")}
    named = {key.replace("__", "."): value for key, value in changes.items()}
    return Setup.of(resolve(override(read("quick")[1], {"task.name": name} | sizes | SEQUENCES[name] | named)))


@pytest.mark.parametrize("name", SEQUENCES)
def test_fresh_examples_differ_at_every_step_and_with_the_order_seed(name):
    made = sequence(name, split__scheme="fresh", batch="50")
    one, again, next_one = batch_of(made, 3), batch_of(made, 3), batch_of(made, 4)
    assert torch.equal(one.tokens, again.tokens)
    assert not torch.equal(one.tokens, next_one.tokens)
    other = sequence(name, split__scheme="fresh", batch="50", seeds="{order = 1}")
    assert not torch.equal(one.tokens, batch_of(other, 3).tokens)
    assert len(one) == 50


def test_several_answers_count_alike_in_the_loss():
    made = sequence("digits", precision="float64")
    params = {name: tensor.clone().requires_grad_() for name, tensor in made.initial_state().params.items()}
    n = len(made.train)
    logits = made.model.apply(params, made.train.tokens)[0].view(n, 3, 10)
    total = sum(-torch.log_softmax(logits[i, j], 0)[made.train.labels[i, j]] for i in range(n) for j in range(3))
    plain = torch.autograd.grad(total / (3 * n), list(params.values()))
    for (name, ours), theirs in zip(
        gradients(made, made.initial_state().params, made.train).items(), plain, strict=True
    ):
        assert torch.allclose(ours, theirs, atol=1e-12), name


@pytest.mark.parametrize("operation", ["add", "div"])
def test_whole_rows_are_trained_on_or_held_out(operation):
    made = setup(split__scheme="rows", split__fraction="0.43", task__operation=operation)
    first = made.task.operands()[:, 0]
    trained, tested = set(first[made.train_index].tolist()), set(first[made.test_index].tolist())
    assert len(trained) == 3
    assert trained | tested == set(range(7))
    assert not trained & tested
    assert len(made.train_index) == made.spec.split.train_size(made.task)
    other = setup(split__scheme="rows", split__fraction="0.43", task__operation=operation, seed="2")
    assert set(first[other.train_index].tolist()) != trained


def test_whole_blocks_of_cosets_are_trained_on_or_held_out():
    table = {"name": "group", "group": "S_3", "equation": "a b ="}
    raw = override(read("quick")[1], SMALL | {"split.fraction": "0.5"} | {"task.name": "group"})
    split_table = {"scheme": "cosets", "subgroup": "021", "fraction": 0.5}
    made = Setup.of(resolve(raw | {"task": table, "split": split_table}))
    group, pairs = made.task.structure(), made.task.operands()
    inside = [group.identity, group.elements.index("021")]

    def block(a: int, b: int) -> tuple[frozenset[int], frozenset[int]]:
        left = frozenset(int(group.table[a, h]) for h in inside)
        return left, frozenset(int(group.table[h, b]) for h in inside)

    trained = {block(a, b) for a, b in pairs[made.train_index].tolist()}
    tested = {block(a, b) for a, b in pairs[made.test_index].tolist()}
    assert (len(trained), len(tested)) == (4, 5)
    assert not trained & tested
    assert len(made.train_index) == made.spec.split.train_size(made.task) == 16


def test_a_device_that_is_not_there():
    spec = resolve(override(read("quick")[1], {"device": "cuda"}))
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here: nothing to refuse")
    with pytest.raises(LatebloomError, match="PyTorch finds no GPU here; use --device cpu"):
        Setup.of(spec)
    with pytest.raises(LatebloomError, match="expected a device such as cpu, cuda or cuda:1, got 'gpu'"):
        Setup.of(spec, "gpu")


def test_a_checkpoint_of_another_network_is_refused():
    made, other = setup(), setup(model__d_mlp="9")
    with pytest.raises(ValueError, match=r"blocks\.0\.mlp\.W_in: expected"):
        made.initial_state().replaced(1, other.initial_state().tensors())
    with pytest.raises(ValueError, match="got one less"):
        made.initial_state().replaced(1, {})


@pytest.mark.parametrize("name", presets())
def test_every_preset_takes_a_step(name):
    made = Setup.of(resolve(read(name)[1]))
    state = update(made, made.initial_state())
    assert state.step == 1
    assert state.finite()

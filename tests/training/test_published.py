"""The published run with λ = 0.1 and seed 1, met step by step.

Recorded losses of `wd_10-1_mod_addition_loss_curve` in the repository of Nanda et al. 2023 (arXiv 2301.05217). They are
compared with, never fed in.
"""

from __future__ import annotations

import pytest
import torch

import reference
from latebloom import measures
from latebloom.spec import override, read, resolve
from latebloom.training import Setup, train

EPOCH_0 = (4.776912162847635, 4.767726206202775)
EPOCH_10 = (4.713848842169503, 4.760619993951645)


@pytest.fixture(scope="module")
def rows():
    table = override(read("nanda2023")[1], {"seed": "1", "optim.weight_decay": "0.1", "steps": "10"})
    setup = Setup.of(resolve(table))
    subject = measures.Subject(setup.task, setup.model, setup.examples, setup.train_index, setup.test_index)
    states = {state.step: state for state in train(setup, setup.initial_state(), lambda step: step in (1, 10))}
    return setup, {step: measures.take(measures.Probe(subject, state.params)) for step, state in states.items()}


def test_epoch_0_is_met_to_1e_9(rows):
    _, values = rows
    assert values[0]["train_loss"] == pytest.approx(EPOCH_0[0], rel=1e-9)
    assert values[0]["test_loss"] == pytest.approx(EPOCH_0[1], rel=1e-9)


def test_the_first_update_has_no_learning_rate(rows):
    _, values = rows
    assert values[1]["train_loss"] == values[0]["train_loss"]


def test_epoch_10_is_met_to_1e_6(rows):
    _, values = rows
    assert values[10]["train_loss"] == pytest.approx(EPOCH_10[0], rel=1e-6)
    assert values[10]["test_loss"] == pytest.approx(EPOCH_10[1], rel=1e-6)


def test_the_dense_loop_meets_epoch_0_too(rows):
    setup, _ = rows
    params = setup.initial_state().params
    for index, published in zip((setup.train_index, setup.test_index), EPOCH_0, strict=True):
        logits = reference.dense_loop_logits(params, setup.examples.tokens[index], heads=4)
        loss = torch.nn.functional.cross_entropy(logits.double(), setup.examples.labels[index])
        assert loss.item() == pytest.approx(published, abs=2e-9)


def test_sizes_of_the_published_split(rows):
    setup, _ = rows
    assert (len(setup.train_index), len(setup.test_index)) == (3830, 8939)

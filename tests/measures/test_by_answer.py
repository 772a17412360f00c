"""Each of several answers against a plain loop."""

from __future__ import annotations

import math

import pytest
import torch

import cases
from latebloom import measures
from latebloom.measures import Probe, Subject
from latebloom.measures.by_answer import BY_ANSWER
from latebloom.measures.fit import FIT
from latebloom.models import initial_params


@pytest.fixture
def probe() -> Probe:
    task = cases.TASKS["digits"]
    model = cases.model_for("nanda", task)
    params = {name: 3 * tensor.double() for name, tensor in initial_params(model.tensors(), "pytorch", 0).items()}
    train, test = torch.arange(0, 10), torch.arange(10, 30)
    return Probe(Subject(task, model, task.examples(), train, test), params)


def test_loss_and_accuracy_one_by_one(probe):
    labels = probe.subject.examples.labels
    # the network has logits for every token, the signs included
    logits = probe.logits.view(30, 3, 12)
    losses = [[-torch.log_softmax(logits[i, j], 0)[labels[i, j]].item() for j in range(3)] for i in range(30)]
    right = [[int(logits[i, j].argmax()) == int(labels[i, j]) for j in range(3)] for i in range(30)]
    found = BY_ANSWER.compute(probe)
    for j in range(3):
        assert math.isclose(found["train_loss_by_answer"][j], sum(losses[i][j] for i in range(10)) / 10)
        assert math.isclose(found["test_loss_by_answer"][j], sum(losses[i][j] for i in range(10, 30)) / 20)
        assert math.isclose(found["test_accuracy_by_answer"][j], sum(right[i][j] for i in range(10, 30)) / 20)
    assert found["test_accuracy_whole"] == sum(all(right[i]) for i in range(10, 30)) / 20
    fit = FIT.compute(probe)
    assert math.isclose(fit["test_loss"], sum(sum(losses[i]) for i in range(10, 30)) / 60)
    assert math.isclose(fit["test_accuracy"], sum(sum(right[i]) for i in range(10, 30)) / 60)


def test_who_speaks_of_several_answers(probe):
    missing = measures.missing(probe.subject)
    assert "fit" not in missing
    assert missing["activations"] == "the task asks for several answers an example"
    one = Probe(
        Subject(
            cases.TASKS["add"],
            cases.model_for("nanda", cases.TASKS["add"]),
            cases.TASKS["add"].examples(),
            torch.arange(5),
            torch.arange(5, 121),
        ),
        {},
    )
    assert measures.missing(one.subject)["by-answer"] == "the task asks for one answer an example"

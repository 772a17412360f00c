from __future__ import annotations

import math
import re

import pytest
import torch
import xarray
from hypothesis import given
from hypothesis import strategies as st

import cases
import reference
from latebloom import measures
from latebloom.measures import MEASURES, RECORDS, Probe, Subject
from latebloom.measures.fourier import fourier_basis, frequency_norms
from latebloom.measures.sparsity import gini
from latebloom.models import initial_params
from latebloom.store.fields import ArrayField, check_together
from latebloom.tasks import Modular


def probe(task_name: str = "add", model_name: str = "nanda", scale: float = 3.0) -> Probe:
    task = cases.TASKS[task_name]
    model = cases.model_for(model_name, task)
    params = {name: scale * tensor.double() for name, tensor in initial_params(model.tensors(), "pytorch", 0).items()}
    order = torch.randperm(len(task.examples()), generator=torch.Generator().manual_seed(5))
    cut = max(1, len(order) // 3)

    def loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(logits, labels.flatten())

    initial = {name: tensor / 2 for name, tensor in params.items()}
    train, test = order[:cut].sort().values, order[cut:].sort().values
    return Probe(Subject(task, model, task.examples(), train, test, loss=loss, initial=initial), params)


# each task with some networks, each network with some tasks; the costly measures with a few of both
PAIRS = sorted(
    {(t, m) for t in cases.TASKS for m in ("nanda", "mlp, one-hot") if cases.suits(m, t)}
    | {("add" if cases.suits(m, "add") else "add, a b", m) for m in cases.MODELS}
)
FEW = {("add", "nanda"), ("sub", "mlp, concatenate"), ("add", "mlp, one-hot"), ("add", "pre-norm"), ("mul", "nanda")}


@pytest.mark.parametrize(("task_name", "model_name"), PAIRS)
def test_every_measure_gives_what_its_records_say(task_name, model_name):
    found = probe(task_name, model_name)
    together: dict[str, ArrayField] = {}
    for measure in MEASURES:
        why = measure.missing(found.subject)
        assert isinstance(why, str)
        if why or measure.needs_update or (measure.level == "all" and (task_name, model_name) not in FEW):
            continue
        values = measure.compute(found)
        for name, value in values.items():
            if isinstance(value, xarray.DataArray):
                together[name] = ArrayField.of(name, value)
                check_together(together, together[name])
        assert set(values) == {record.name for record in measure.records}
        for record in measure.records:
            value = values[record.name]
            if record.axes:
                assert isinstance(value, xarray.DataArray)
                assert value.dims == record.axes
                assert set(value.coords) == set(record.axes)
            else:
                assert isinstance(value, float)


def test_records_are_complete_and_named_once():
    names = [record.name for measure in MEASURES for record in measure.records]
    assert len(names) == len(set(names)) == len(RECORDS)
    for record in RECORDS.values():
        for field in ("title", "formula", "units", "variant", "source"):
            assert getattr(record, field), (record.name, field)


def test_every_measure_says_in_a_sentence_of_its_own_what_it_tells():
    says = [measure.says for measure in MEASURES]
    assert len(set(says)) == len(says)
    for sentence in says:
        assert re.fullmatch(r"\S.{10,115}\.", sentence), sentence


def test_every_measure_is_in_the_list():
    assert [measure.name for measure in MEASURES] == cases.MEASURE_NAMES


@pytest.mark.parametrize(("task_name", "model_name"), [("div", "nanda"), ("add", "mlp, one-hot"), ("digits", "nanda")])
def test_a_large_table_goes_through_in_parts(monkeypatch, task_name, model_name):
    whole, parts = probe(task_name, model_name), probe(task_name, model_name)
    expected = measures.take(whole, measures.chosen("light"))
    seen = whole.activations
    monkeypatch.setattr("latebloom.measures.probe.AT_ONCE", 7)
    monkeypatch.setattr("latebloom.measures.fit.AT_ONCE", 7)
    for name in ("logits", "losses", "margins", "answer_logits"):
        assert torch.allclose(getattr(parts, name), getattr(whole, name), rtol=1e-10, atol=1e-12), name
    assert "_pass" not in vars(parts)
    assert parts.activations.keys() == seen.keys()
    for name, tensor in seen.items():
        assert torch.allclose(parts.activations[name], tensor, rtol=1e-10, atol=1e-12), name
    for name, value in measures.take(parts, measures.chosen("light")).items():
        if isinstance(value, float):
            assert math.isclose(value, expected[name], rel_tol=1e-9), name


def test_loss_accuracy_and_margins_one_by_one():
    found = probe()
    subject = found.subject
    values = measures.take(found)
    logits = subject.model.apply(found.params, subject.examples.tokens)[0]
    for part, index in (("train", subject.train_index), ("test", subject.test_index)):
        labels = subject.examples.labels[index]
        assert values[f"{part}_loss"] == pytest.approx(reference.cross_entropy(logits[index], labels), rel=1e-12)
        margins = []
        for row, label in zip(logits[index].tolist(), labels.tolist(), strict=True):
            margins.append(row.pop(label) - max(row))
        assert values[f"{part}_accuracy"] == sum(m > 0 for m in margins) / len(margins)
        assert values[f"{part}_margin_mean"] == pytest.approx(sum(margins) / len(margins), rel=1e-9)
        assert values[f"{part}_margin_min"] == pytest.approx(min(margins), rel=1e-9)
    rows = [[z - sum(row) / len(row) for z in row] for row in logits.tolist()]
    squares = [z * z for row in rows for z in row]
    assert values["logit_scale"] == pytest.approx(math.sqrt(sum(squares) / len(squares)), rel=1e-9)


@pytest.mark.parametrize(("task_name", "commutes"), [("add", True), ("mul", True), ("sub", False), ("div", False)])
def test_untransposed_pairs(task_name, commutes):
    subject = probe(task_name).subject
    pairs = [tuple(pair) for pair in subject.task.operands().tolist()]
    trained = {pairs[i] for i in subject.train_index.tolist()}
    expected = [i for i in subject.test_index.tolist() if not commutes or pairs[i][::-1] not in trained]
    assert subject.untransposed_index.tolist() == expected
    assert (len(expected) < len(subject.test_index)) == commutes


def test_a_network_that_knows_only_transposes_scores_nothing_without_them():
    task = Modular("add", 5)
    examples = task.examples()
    pairs = task.operands()
    train_index = torch.nonzero(pairs[:, 0] < pairs[:, 1]).flatten()
    test_index = torch.nonzero(pairs[:, 0] >= pairs[:, 1]).flatten()
    found = Probe(Subject(task, cases.model_for("nanda", task), examples, train_index, test_index), {})
    one_hot = torch.nn.functional.one_hot(examples.labels, 5).double()
    found.__dict__["logits"] = torch.where((pairs[:, 0] == pairs[:, 1])[:, None], -one_hot, one_hot)
    values = measures.fit.FIT.compute(found)
    assert values["test_accuracy"] == pytest.approx(10 / 15)
    assert values["test_accuracy_untransposed"] == 0


def test_ties_count_as_wrong():
    found = probe()
    found.__dict__["logits"] = torch.zeros(121, 12, dtype=torch.float64)
    values = measures.fit.FIT.compute(found)
    assert values["train_accuracy"] == values["test_accuracy"] == 0
    assert values["train_loss"] == pytest.approx(math.log(12))
    assert values["logit_scale"] == 0


def test_sums_of_squares():
    found = probe()
    values = measures.take(found)
    by_tensor = {name: sum(w * w for w in tensor.flatten().tolist()) for name, tensor in found.params.items()}
    assert values["weight_norm_sq"] == pytest.approx(sum(by_tensor.values()), rel=1e-12)
    array = values["weight_norm_sq_by_tensor"]
    assert {name: float(array.sel(tensor=name)) for name in by_tensor} == pytest.approx(by_tensor)


@given(st.lists(st.floats(0, 1e3), min_size=1, max_size=30).filter(lambda xs: sum(xs) > 1e-3))
def test_gini_against_mean_differences(values):
    assert float(gini(torch.tensor(values, dtype=torch.float64))) == pytest.approx(reference.gini(values), abs=1e-9)


def test_gini_of_known_vectors():
    assert float(gini(torch.ones(7))) == pytest.approx(0, abs=1e-12)
    assert float(gini(torch.tensor([0.0, 0.0, 0.0, 5.0]))) == pytest.approx(0.75)
    assert math.isnan(float(gini(torch.zeros(4))))


@given(st.integers(1, 120))
def test_basis_is_orthonormal_for_every_order(order):
    basis = fourier_basis(order)
    assert basis.shape == (order, order)
    assert torch.allclose(basis @ basis.T, torch.eye(order, dtype=torch.float64), atol=1e-10)


@pytest.mark.parametrize("order", [2, 3, 5, 6, 58, 59, 112, 113])
def test_frequency_norms_against_the_complex_transform(order):
    rows = torch.randn(order, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = frequency_norms(rows)
    assert len(found) == order // 2 + 1
    assert found.tolist() == pytest.approx([reference.frequency_norm(rows, k) for k in range(order // 2 + 1)])
    assert found.square().sum().item() == pytest.approx(rows.square().sum().item())


@pytest.mark.parametrize(("operation", "p", "k"), [("add", 11, 5), ("sub", 11, 1), ("mul", 11, 5), ("div", 13, 6)])
def test_an_embedding_of_one_frequency_shows_that_frequency_alone(operation, p, k):
    """k = order // 2 included: it is left out by a loop that ends too early."""
    task = Modular(operation, p)
    algebra = task.algebra()
    embedding = torch.zeros(task.d_vocab, 2, dtype=torch.float64)
    angle = 2 * math.pi * k * torch.arange(algebra.order, dtype=torch.float64) / algebra.order
    embedding[algebra.cycle] = torch.stack([angle.cos(), angle.sin()], dim=1)
    model = cases.MLP(task.d_vocab, 3, task.classes, d_model=2, widths=(4,))
    params = initial_params(model.tensors(), "pytorch", 0) | {"embed.W_E": embedding}
    subject = Subject(task, model, task.examples(), torch.tensor([0]), torch.tensor([1]))
    norms = measures.fourier.FOURIER.compute(Probe(subject, params))["embedding_fourier_norm"]
    assert float(norms.sel(frequency=k)) == pytest.approx(float(embedding.norm()))
    assert float(norms.drop_sel(frequency=k).max()) < 1e-10


def test_what_does_not_apply_says_why():
    found = probe()
    object.__setattr__(found.subject, "task", NoAlgebra("add", 11))
    found.subject.__dict__.pop("algebra", None)
    reasons = measures.missing(found.subject)
    assert reasons["fourier"] == "the task states no cyclic group"
    assert reasons["corruption"] == "no training label was corrupted"
    assert "fit" not in reasons
    assert measures.take(found).keys().isdisjoint(r.name for m in MEASURES if m.name in reasons for r in m.records)


class NoAlgebra(Modular):
    def algebra(self) -> None:
        return None


def test_small_losses_are_exact():
    found = probe()
    labels = found.subject.examples.labels
    logits = torch.zeros(121, 12, dtype=torch.float64).scatter(1, labels[:, None], 45.0)
    found.__dict__["logits"] = logits
    assert measures.fit.FIT.compute(found)["train_loss"] == pytest.approx(11 * math.exp(-45), rel=1e-12)


def test_one_hot_rows_are_those_of_the_operand_wherever_it_stands():
    task = Modular("add", 5, "eos a o b =")
    model = cases.MLP(task.d_vocab, 5, 5, embedding="one-hot", widths=(3,))
    params = initial_params(model.tensors(), "pytorch", 0)
    subject = Subject(task, model, task.examples(), torch.tensor([0]), torch.tensor([1]))
    found = measures.fourier.FOURIER.compute(Probe(subject, params))["embedding_fourier_norm"]
    rows = params["blocks.0.mlp.W_in"][task.d_vocab : task.d_vocab + 5]
    assert found.values.tolist() == pytest.approx(frequency_norms(rows)[1:].tolist())

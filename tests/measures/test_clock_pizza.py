from __future__ import annotations

import cmath
import math
import statistics
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import cases
from latebloom.measures import Probe, Subject
from latebloom.measures.clock_pizza import (
    CLOCK_PIZZA,
    classify,
    distance_irrelevance,
    embedding_gradients,
    even_triples,
    gradient_symmetricity,
    missing_operands,
    operand_positions,
    published_triples,
    reflection,
)
from latebloom.measures.clock_pizza import circularity as circularity_of
from latebloom.models import MLP, Transformer, initial_params
from latebloom.tasks import Modular

PIZZA = Path(__file__).parents[2] / "../shared/reference/checkpoints/pizza_modelA_attn0.safetensors"
TASKS = {
    "add": Modular("add", 7),
    "sub": Modular("sub", 5, "a o b ="),
    "mul": Modular("mul", 7),
    "div": Modular("div", 5),
}


def probe_of(task, model, params=None) -> Probe:
    params = params or {name: t.double() for name, t in initial_params(model.tensors(), "normal", 1).items()}
    examples = task.examples()
    index = torch.arange(len(examples))
    return Probe(Subject(task, model, examples, index[:3], index[3:]), params)


def transformer(task, **sizes) -> Transformer:
    return Transformer(
        task.d_vocab, task.examples().tokens.shape[1], task.classes, d_model=8, n_heads=2, d_mlp=16, **sizes
    )


def slow_irrelevance(logits: dict[tuple[int, int], float], task) -> float:
    """Group the pairs by their distance, as answered by the task's inverse operation on exponents."""
    algebra = task.algebra()
    cycle, n = algebra.cycle.tolist(), algebra.order
    by_distance: dict[int, list[float]] = {}
    for i in range(n):
        for j in range(n):
            by_distance.setdefault((i - algebra.sign * j) % n, []).append(logits[cycle[i], cycle[j]])
    spread = statistics.fmean(statistics.pstdev(values) for values in by_distance.values())
    return spread / statistics.pstdev([x for values in by_distance.values() for x in values])


@pytest.mark.parametrize("name", TASKS)
def test_irrelevance_pair_by_pair_from_the_network_itself(name):
    task = TASKS[name]
    probe = probe_of(task, transformer(task, unembed="tokens"))
    logits = probe.subject.model.apply(probe.params, probe.subject.examples.tokens)[0].tolist()
    right, wrong = {}, {}
    for pair, row, label in zip(task.operands().tolist(), logits, probe.subject.examples.labels.tolist(), strict=True):
        right[tuple(pair)] = row.pop(label)
        wrong[tuple(pair)] = max(row)
    values = CLOCK_PIZZA.compute(probe)
    assert values["distance_irrelevance"] == pytest.approx(slow_irrelevance(right, task), rel=1e-10)
    assert values["distance_irrelevance_wrong"] == pytest.approx(slow_irrelevance(wrong, task), rel=1e-10)


@pytest.mark.parametrize("order", [2, 3, 6, 7])
@pytest.mark.parametrize("sign", [1, -1])
def test_irrelevance_of_known_tables(order, sign):
    i = torch.arange(order, dtype=torch.float64)
    of_sum = ((i[:, None] + sign * i) % order) ** 2
    of_distance = ((i[:, None] - sign * i) % order) ** 2
    assert distance_irrelevance(of_distance, sign) == pytest.approx(0, abs=1e-12)
    if order % 2:  # where the order is even, a distance is met with every other sum only
        assert distance_irrelevance(of_sum, sign) == pytest.approx(1)
    assert math.isnan(distance_irrelevance(torch.full((order, order), 3.3).double(), sign))


def test_corrupted_labels_are_not_the_answers():
    task = TASKS["add"]
    clean = probe_of(task, transformer(task))
    subject = clean.subject
    labels = subject.examples.labels.roll(1)
    examples = type(subject.examples)(subject.examples.tokens, labels)
    parts = subject.train_index, subject.test_index
    corrupted = Subject(task, subject.model, examples, *parts, true_labels=subject.examples.labels)
    assert CLOCK_PIZZA.missing(corrupted) == ""
    assert CLOCK_PIZZA.compute(Probe(corrupted, clean.params)) == CLOCK_PIZZA.compute(clean)


def slow_circularity(rows: torch.Tensor, components: int) -> float:
    """Principal components by the eigenvectors of the tokens' Gram matrix, energies by the complex transform."""
    centred = rows.double() - rows.double().mean(0)
    values, vectors = torch.linalg.eigh(centred @ centred.T)
    n, shares = len(rows), []
    for c in range(1, components + 1):
        u = vectors[:, -c].tolist()
        assert values[-c] > 1e-9
        energy = [abs(sum(x * cmath.exp(2j * math.pi * k * t / n) for t, x in enumerate(u))) ** 2 for k in range(n)]
        shares.append(max((energy[k] + (energy[-k] if 2 * k != n else 0)) / n for k in range(1, n // 2 + 1)))
    return statistics.fmean(shares)


@pytest.mark.parametrize(("order", "width"), [(7, 5), (11, 20), (6, 9), (12, 4)])
def test_circularity_by_the_complex_transform(order, width):
    rows = torch.randn(order, width, generator=torch.Generator().manual_seed(order)).double()
    assert circularity_of(rows) == pytest.approx(slow_circularity(rows, 4), rel=1e-10)


def test_circularity_of_circles_and_of_nothing():
    x = torch.arange(11).double()
    angles = 2 * math.pi / 11 * torch.stack([2 * x, 5 * x], 1)
    rows = torch.cat([3 * angles.cos(), 3 * angles.sin()], 1)
    rows[:, [1, 3]] /= 2
    assert circularity_of(rows) == pytest.approx(1, rel=1e-12)
    assert circularity_of(rows[:, [0, 2]] + 4) == pytest.approx(1, rel=1e-12)
    assert math.isnan(circularity_of(torch.ones(5, 3)))
    assert math.isnan(circularity_of(torch.full((5, 3), torch.nan)))


def slow_symmetricity(probe: Probe, triples, mirror=None) -> float:
    """Central differences of `apply`, one coordinate at a time."""
    model, tokens, found = probe.subject.model, probe.subject.examples.tokens, []
    first, second = operand_positions(probe.subject)
    pairs = [tuple(pair) for pair in probe.subject.task.operands().tolist()]
    cycle = probe.subject.algebra.cycle.tolist()
    for i, j, c in triples:
        row = tokens[pairs.index((cycle[i], cycle[j]))][None]
        grads = []
        for position in (first, second):
            embed = model.apply(probe.params, row)[1]["hook_embed"]
            grad = []
            for width in range(embed.shape[2]):
                sides = []
                for step in (1e-5, -1e-5):
                    moved = embed.clone()
                    moved[0, position, width] += step
                    z = model.apply(probe.params, row, lambda n, t, m=moved: m if n == "hook_embed" else t)[0]
                    sides.append(z[0, cycle[c]].item())
                grad.append((sides[0] - sides[1]) / 2e-5)
            grads.append(torch.tensor(grad, dtype=torch.float64))
        a, b = grads[0], grads[1] if mirror is None else grads[1] @ mirror
        found.append(float(a @ b / (a.norm() * b.norm())))
    return statistics.fmean(found)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("kind", ["transformer", "mlp", "one-hot"])
def test_symmetricity_by_differences(name, kind, monkeypatch):
    monkeypatch.setattr("latebloom.measures.clock_pizza.TRIPLES", 6)
    monkeypatch.setattr("latebloom.measures.clock_pizza.even_triples", lambda order: even_triples(order, 6))
    task = TASKS[name]
    n_ctx = task.examples().tokens.shape[1]
    if kind == "transformer":
        model = transformer(task, activation="gelu")
    else:
        embedding = "concatenate" if kind == "mlp" else "one-hot"
        model = MLP(task.d_vocab, n_ctx, task.classes, embedding=embedding, d_model=4, widths=(9,), activation="gelu")
    probe = probe_of(task, model)
    algebra = task.algebra()
    mirror = None
    if algebra.sign < 0:
        rows = probe.params["embed.W_E"] if kind != "one-hot" else torch.eye(task.d_vocab, dtype=torch.float64)
        mirror = reflection(rows[algebra.cycle])
    expected = slow_symmetricity(probe, even_triples(algebra.order, 6).tolist(), mirror)
    assert CLOCK_PIZZA.compute(probe)["gradient_symmetricity"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("order", [2, 5, 6])
def test_the_reflection_turns_sines_over_and_keeps_the_rest(order):
    x = torch.arange(order).double()
    angle = 2 * math.pi * x / order
    turn = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(0)).double())[0]
    rows = torch.stack([3 + 0 * x, 2 * angle.cos(), angle.sin(), 0 * x], 1) @ turn
    found = reflection(rows)
    assert torch.allclose(rows @ found, rows[(-torch.arange(order)) % order], atol=1e-12)
    assert torch.allclose(found @ found, torch.eye(4).double(), atol=1e-12)
    assert torch.allclose(turn[3] @ found, turn[3], atol=1e-12)


@pytest.mark.parametrize(("name", "embedding"), [("add", "sum"), ("mul", "sum")])
def test_a_sum_of_embeddings_is_symmetric_by_construction(name, embedding):
    task = TASKS[name]
    model = MLP(task.d_vocab, 3, task.classes, embedding=embedding, d_model=5, widths=(9,))
    values = CLOCK_PIZZA.compute(probe_of(task, model))
    assert values["gradient_symmetricity"] == pytest.approx(1, abs=1e-12)


def test_a_dead_network_has_no_symmetricity():
    task = TASKS["add"]
    model = transformer(task)
    values = CLOCK_PIZZA.compute(probe_of(task, model, {n: torch.zeros(w.shape) for n, w in model.tensors().items()}))
    for name in ("gradient_symmetricity", "distance_irrelevance", "circularity"):
        assert math.isnan(values[name]), name
    assert values["pizza_class"] == 0.5


@pytest.mark.parametrize(
    ("circularity", "symmetricity", "irrelevance", "blocks", "expected"),
    [
        (0.9978, 0.9937, 0.1717, 1, 1.0),  # network A of Zhong et al.
        (0.998, 0.3336, 0.85, 1, 0.0),  # network B
        (0.998, 0.99, 0.7, 1, 0.5),
        (0.998, 0.5, 0.3, 1, 0.5),
        (0.97, 0.99, 0.1, 1, -1.0),
        (0.998, 0.99, 0.1, 2, 0.5),
        (0.998, math.nan, 0.1, 1, 0.5),
    ],
)
def test_classes(circularity, symmetricity, irrelevance, blocks, expected):
    assert classify(circularity, symmetricity, irrelevance, blocks) == expected


def test_what_does_not_apply_says_why():
    task = TASKS["add"]
    subject = probe_of(task, transformer(task)).subject
    assert missing_operands(subject) == ""
    hidden = task.examples().tokens.clone()
    hidden[:, 1] = task.p
    covered = Subject(
        task, subject.model, type(subject.examples)(hidden, subject.examples.labels), *[torch.arange(2)] * 2
    )
    assert missing_operands(covered) == "the operands are not read as two tokens"


@pytest.mark.skipif(not PIZZA.exists(), reason="the published network lies beside the repository, not in it")
def test_the_published_pizza():
    """Numbers of Zhong et al.'s network A (code/save/model_p99zdpze5l.pt), compared with, never fed in."""
    file = load_file(PIZZA)
    task, model = Modular("add", 59, "a b"), Transformer(59, 2, 59, softmax_share=0.0, causal=False)
    params = {name: tensor.T.contiguous() for name, tensor in file.items() if tensor.dim() == 2}
    params |= {
        name: file[name] for name in ("pos_embed.W_pos", "unembed.W_U", "blocks.0.mlp.b_in", "blocks.0.mlp.b_out")
    }
    params |= {f"blocks.0.attn.W_{x}": file[f"blocks.0.attn.W_{x}"].transpose(1, 2) for x in "QKV"}
    params["blocks.0.attn.W_O"] = file["blocks.0.attn.W_O"].T.reshape(4, 32, 128)
    params = {name: tensor.double() for name, tensor in params.items()}
    values = CLOCK_PIZZA.compute(probe_of(task, model, params))
    assert values["distance_irrelevance"] == pytest.approx(0.171736, rel=1e-5)
    assert values["circularity"] == pytest.approx(0.997818, rel=1e-5)
    assert values["pizza_class"] == 1
    triples = published_triples(59)
    grads = embedding_gradients(model, params, triples[:, :2], (0, 1), triples[:, 2])
    assert gradient_symmetricity(grads) == pytest.approx(0.993665, rel=1e-6)
    assert values["gradient_symmetricity"] == pytest.approx(gradient_symmetricity(grads), abs=1e-3)


def test_the_list_of_models_has_what_it_needs():
    tasks = {name: cases.TASKS["add" if cases.suits(name, "add") else "add, a b"] for name in cases.MODELS}
    found = {
        name: missing_operands(probe_of(task, cases.model_for(name, task)).subject) for name, task in tasks.items()
    }
    assert set(found.values()) == {""}

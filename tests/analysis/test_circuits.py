"""The circuit of small networks: every fast path against a plain twin, every contract over all tasks and models."""

from __future__ import annotations

import json
import math

import pytest
import torch

from cases import MODELS, TASKS, model_for, suits
from latebloom.analysis.circuits import NoCircuitError, circuit_of
from latebloom.analysis.circuits.ablation import random_frequencies, random_subspaces, single_frequencies
from latebloom.analysis.circuits.bench import Bench, check_memory
from latebloom.analysis.circuits.handbuilt import lookup, trigonometric, untrained
from latebloom.analysis.circuits.logit_ablations import waves
from latebloom.analysis.circuits.neuron_ablations import NeuronAblations, key_subspace
from latebloom.analysis.circuits.parts import Part, blocks, constant, score_parts, sums
from latebloom.analysis.circuits.path_ablations import path_ablations
from latebloom.analysis.circuits.records import RECORDS
from latebloom.analysis.circuits.weights import rank_at_gap
from latebloom.errors import LatebloomError
from latebloom.measures.cyclic import missing_cyclic
from latebloom.measures.neurons import neuron_fit, polynomial
from latebloom.measures.probe import Probe, Subject
from latebloom.measures.progress import excluded_logits, pair_losses, restricted_logits
from latebloom.models import initial_params
from latebloom.tasks import Modular


def probe(task, model, params=None, seed=0) -> Probe:
    params = initial_params(model.tensors(), "normal", seed) if params is None else params
    # biases that are 0 would hide that they are left out
    generator = torch.Generator().manual_seed(seed + 1)
    params = {k: v if v.any() else 0.3 * torch.randn(v.shape, generator=generator) for k, v in params.items()}
    order = torch.randperm(len(task.examples()), generator=generator)
    half = max(1, len(order) // 2)
    return Probe(Subject(task, model, task.examples(), order[:half].sort().values, order[half:].sort().values), params)


def built(network) -> Probe:
    task, model, params = network
    order = torch.randperm(len(task.examples()), generator=torch.Generator().manual_seed(0))
    half = len(order) // 2
    return Probe(Subject(task, model, task.examples(), order[:half].sort().values, order[half:].sort().values), params)


def bench(task="add", model="nanda") -> Bench:
    return Bench.of(probe(TASKS[task], model_for(model, TASKS[task])))


def loss_by_hand(made: Bench, logits: torch.Tensor) -> float:
    """Cross-entropy over all pairs, one pair at a time."""
    n, total = made.order, 0.0
    for i in range(n):
        for j in range(n):
            right = (i + made.table.sign * j) % n
            total -= torch.log_softmax(logits[i, j], 0)[right].item()
    return total / n**2


CYCLIC = [name for name, task in TASKS.items() if not missing_cyclic(probe(task, model_for("nanda", task)).subject)]
WITH_MLP = [name for name in MODELS if "attention only" not in name]


@pytest.mark.parametrize("task", CYCLIC)
def test_the_bench_is_the_network_along_the_group(task):
    made = bench(task)
    n, examples = made.order, made.probe.subject.examples
    operands, cycle = made.probe.subject.task.operands(), made.probe.subject.algebra.cycle
    for i in range(n):
        for j in range(n):
            at = int(((operands[:, 0] == cycle[i]) & (operands[:, 1] == cycle[j])).nonzero())
            row = made.logits[i, j]
            expected = made.probe.subject.model.apply(made.params, examples.tokens[at : at + 1])[0][
                0, made.table.classes
            ]
            assert torch.allclose(row, expected, atol=1e-12)
            assert made.table.classes[made.labels[i, j]] == examples.labels[at]
    own = made.score(made.logits)
    assert own["loss_all"] == pytest.approx(loss_by_hand(made, made.logits), rel=1e-12)
    trained = made.splits["train"]
    assert own["loss_train"] == pytest.approx(pair_losses(made.logits, made.labels)[trained].mean().item(), rel=1e-12)


@pytest.mark.parametrize("model", WITH_MLP)
def test_the_logit_map_is_what_the_network_does_or_is_refused(model):
    made = bench("add, a b", model)
    normed = any("ln" in name for name in made.params)
    assert (made.logit_map is None) == normed
    if normed:
        return
    pairs = torch.arange(made.order**2)
    other = torch.randn(len(pairs), made.neurons.shape[-1], dtype=torch.float64)
    slow = made.replaced(f"{made.last}.mlp.hook_post", pairs, other)
    fast = made.logits.flatten(0, 1) + (other - made.neurons.flatten(0, 1)) @ made.logit_map
    assert torch.allclose(fast, slow, atol=1e-9)


def test_the_logit_map_is_w_out_w_u():
    made = bench("add", "nanda")
    product = made.params["blocks.0.mlp.W_out"] @ made.params["unembed.W_U"][:, : made.order]
    assert torch.allclose(made.logit_map, product, atol=1e-12)


@pytest.mark.parametrize("task", ["add", "sub", "add mod 4, no prime", "add mod 2"])
def test_scores_of_parts_against_replaced_neurons(task):
    made = bench(task)
    n, width = made.order, made.neurons.shape[-1]
    some = torch.arange(width) % 3 == 0
    wave = torch.cat([constant(n), sums(n, [1], made.table.sign)])
    parts = [Part(some, wave), Part(~some, wave[1:], -1.0)]
    expected = made.neurons.clone()
    for part in parts:
        chosen = expected[..., part.neurons]
        along = torch.zeros_like(chosen)
        for direction in part.directions:
            along += direction[..., None] * (direction[..., None] * made.neurons[..., part.neurons]).sum((0, 1))
        expected[..., part.neurons] = along if part.factor == 1 else chosen - along
    fast = score_parts(made, some, parts)
    assert fast == pytest.approx(made.score_neurons(expected.__getitem__), rel=1e-9)
    made.__dict__["logit_map"] = None
    assert score_parts(made, some, parts) == pytest.approx(fast, rel=1e-9)


def test_polynomials_are_those_of_the_neuron_measure():
    made = bench("add", "mlp, one-hot")
    fit = neuron_fit(made.neurons)
    every = torch.ones_like(fit.clustered)
    ablations = NeuronAblations(made, [1], fit.frequency.clamp_min(1), every, 0)
    expected = polynomial(made.neurons, fit.frequency.clamp_min(1))
    assert ablations.polynomials().score == pytest.approx(made.score_neurons(expected.__getitem__), rel=1e-9)


@pytest.mark.parametrize("task", ["add", "sub", "mul", "div", "add mod 4, no prime", "add mod 2"])
@pytest.mark.parametrize("directions", ["2d", "3d", "block"])
def test_waves_of_the_logits_are_the_progress_measures(task, directions):
    made = bench(task)
    for keys in ([1], list(range(1, made.order // 2 + 1))):
        over, weights = waves(made, keys, directions)
        part = torch.einsum("dij,dc->ijc", over, weights)
        sign = made.table.sign
        assert torch.allclose(part, restricted_logits(made.logits, keys, sign, directions, bias=False), atol=1e-12)
        assert torch.allclose(made.logits - part, excluded_logits(made.logits, keys, sign, directions), atol=1e-12)


@pytest.mark.parametrize("model", ["nanda", "all biases", "half uniform, sees all", "two layers, sees all"])
def test_paths_without_a_forward_pass_against_those_with_one(model):
    made = bench("add, a b", model)
    assert made.stream_map is not None
    fast = path_ablations(made, 0)
    made.__dict__["stream_map"] = None
    slow = path_ablations(made, 0)
    assert [a.name for a in fast] == [a.name for a in slow]
    for one, other in zip(fast, slow, strict=True):
        assert one.score == pytest.approx(other.score, rel=1e-9), one.name
        assert one.control.draws[0] == pytest.approx(other.control.draws[0], rel=1e-9), one.name


def test_paths_against_the_equations_of_one_layer():
    made = bench("add, a b", "nanda")
    w_u = made.params["unembed.W_U"][:, made.table.classes]
    scores = {a.name: a.score["loss_all"] for a in path_ablations(made, 0)}
    stream, out = made.streams["blocks.0.hook_resid_mid"], made.streams["blocks.0.hook_mlp_out"]
    assert scores["mlp-skip-zero"] == pytest.approx(loss_by_hand(made, out @ w_u), rel=1e-9)
    assert scores["mlp-out-zero"] == pytest.approx(loss_by_hand(made, stream @ w_u), rel=1e-9)
    assert scores["mlp-skip-mean"] == pytest.approx(loss_by_hand(made, (out + stream.mean((0, 1))) @ w_u), rel=1e-9)

    def mlp(stream):
        p = made.params
        hidden = torch.relu(stream @ p["blocks.0.mlp.W_in"] + p["blocks.0.mlp.b_in"])
        return stream + hidden @ p["blocks.0.mlp.W_out"] + p["blocks.0.mlp.b_out"]

    last = made.tokens[:, -1].reshape(made.order, made.order)
    before = made.params["embed.W_E"][last] + made.params["pos_embed.W_pos"][-1]
    assert scores["heads-zero"] == pytest.approx(loss_by_hand(made, mlp(before) @ w_u), rel=1e-9)
    assert scores["attention-skip-zero"] == pytest.approx(loss_by_hand(made, mlp(stream - before) @ w_u), rel=1e-9)


def test_key_directions_and_their_null_space_against_replaced_neurons():
    made = bench("add", "nanda")
    fit = neuron_fit(made.neurons)
    found = {a.name: a for a in NeuronAblations(made, [2, 5], fit.frequency, fit.clustered, 0).subspaces()}
    basis = key_subspace(made.logit_map, [2, 5])
    assert basis.shape[1] == 4
    assert torch.allclose(basis.T @ basis, torch.eye(4, dtype=torch.float64), atol=1e-12)
    kept = made.neurons @ basis @ basis.T
    for name, neurons in (("keep-directions", kept), ("keep-null-space", made.neurons - kept)):
        assert found[name].score == pytest.approx(made.score_neurons(neurons.__getitem__), rel=1e-9)


@pytest.mark.parametrize("order", [2, 3, 4, 7, 10])
@pytest.mark.parametrize("sign", [1, -1])
def test_waves_are_orthonormal(order, sign):
    every = range(1, order // 2 + 1)
    for made in (torch.cat([constant(order), sums(order, every, sign)]), blocks(order, [1])):
        flat = made.reshape(len(made), -1)
        assert torch.allclose(flat @ flat.T, torch.eye(len(flat), dtype=torch.float64), atol=1e-12)


def test_controls_are_never_the_keys_and_are_the_same_for_the_same_seed():
    keys = [3, 7]
    drawn = random_frequencies(keys, 20, 0)
    assert len(set(drawn)) == len(drawn) == 8
    assert all(len(set(one)) == 2 and not set(one) & set(keys) for one in drawn)
    assert drawn == random_frequencies(keys, 20, 0) != random_frequencies(keys, 20, 1)
    assert not set(single_frequencies(keys, 20, 0)) & set(keys)
    assert single_frequencies(keys, 4, 0) == [1, 2, 4]
    for one in random_subspaces(3, 8, 0):
        assert torch.allclose(one.T @ one, torch.eye(3, dtype=torch.float64), atol=1e-12)


@pytest.mark.parametrize(
    ("keys", "highest", "expected"), [([1], 1, []), ([], 5, []), ([1, 2], 3, [(1, 3), (2, 3)]), ([1], 3, [(2,), (3,)])]
)
def test_controls_where_there_are_few_frequencies(keys, highest, expected):
    assert random_frequencies(keys, highest, 0) == expected


@pytest.mark.parametrize(
    ("values", "rank"), [([9.0, 8.0, 0.1, 0.09], 2), ([3.0, 2.0, 1e-14], 2), ([5.0], 1), ([1e6, 1.0, 0.9], 1)]
)
def test_rank_at_the_largest_gap(values, rank):
    assert rank_at_gap(torch.tensor(values, dtype=torch.float64)) == rank


def contract(circuit) -> None:
    """What must hold of every circuit."""
    record = circuit.to_json()
    assert json.loads(json.dumps(record, allow_nan=False)) is not None
    assert set(circuit.evidence.numbers) <= set(RECORDS)
    assert set(circuit.evidence.tables) <= set(RECORDS)
    assert {
        name.replace("attention_0", "attention").replace("attention_1", "attention")
        for name in map(str, circuit.arrays)
    } <= set(RECORDS) | {"attention_2_spectrum"}
    names = [a.name for a in circuit.ablations]
    assert len(set(names)) == len(names)
    for a in circuit.ablations:
        assert a.control is not None or a.no_control, a.name
        assert a.score.keys() == circuit.baseline.keys()
    assert circuit.verdict.name in ("Fourier multiplication", "partly", "not", "unclear")
    for name, share in circuit.evidence.numbers.items():
        if RECORDS[name].units == "share" and not math.isnan(share):
            assert -1e-9 <= share <= 1 + 1e-9, name


@pytest.mark.parametrize("task", CYCLIC)
def test_every_cyclic_task_gives_a_circuit(task):
    circuit = circuit_of(probe(TASKS[task], model_for("nanda", TASKS[task])), keys=[1])
    contract(circuit)
    assert {"restricted-2d", "excluded-3d", "keep-sums", "remove-1", "mlp-skip-zero"} <= {
        a.name for a in circuit.ablations
    }


@pytest.mark.parametrize("model", WITH_MLP)
def test_every_network_with_neurons_gives_a_circuit(model):
    circuit = circuit_of(probe(TASKS["add, a b"], model_for(model, TASKS["add, a b"])), keys=[1, 3])
    contract(circuit)
    named = {a.name for a in circuit.ablations}
    assert any("mlp-skip" in name for name in named) == (MODELS[model][0].__name__ == "Transformer")
    assert ("keep-directions" in named) == circuit.setting["linear"] == ("W_L" not in circuit.evidence.missing)


@pytest.mark.parametrize("task", [name for name in TASKS if name not in CYCLIC and suits("mlp, one-hot", name)])
def test_tasks_without_a_cyclic_group_say_why(task):
    made = probe(TASKS[task], model_for("mlp, one-hot", TASKS[task]))
    with pytest.raises(NoCircuitError, match="The four lines of evidence") as refused:
        circuit_of(made)
    assert refused.value.code == 2


def test_a_network_without_neurons_says_so():
    with pytest.raises(LatebloomError, match="expected a network with an MLP layer"):
        circuit_of(probe(TASKS["add"], model_for("attention only", TASKS["add"])))


@pytest.mark.parametrize("keys", [[0], [6], [2, 99]])
def test_frequencies_that_the_group_has_not_are_refused(keys):
    with pytest.raises(LatebloomError, match="expected key frequencies from 1 to 5"):
        circuit_of(probe(TASKS["add"], model_for("nanda", TASKS["add"])), keys=keys)


def test_memory_is_asked_for_before_it_is_taken():
    with pytest.raises(LatebloomError, match=r"needs about .* GB of memory"):
        check_memory(100_000, 512)


@pytest.mark.parametrize("operation", ["add", "sub", "mul"])
def test_a_network_built_to_multiply_is_found_out(operation):
    circuit = circuit_of(built(trigonometric(13, [1, 4], operation)))
    assert circuit.keys == (1, 4)
    assert circuit.rules["neurons"] == (1, 4)
    by_name = {c.name: c for c in circuit.verdict.criteria}
    for name in ("answers", "w_l", "logits", "sufficient", "necessary", "each-counts", "directions"):
        assert by_name[name].passed, name
    found = {a.name: a for a in circuit.ablations}
    assert found["remove-others"].score["accuracy_all"] == 1
    assert found["restricted-2d"].control.greatest("accuracy_all") < 0.5


def test_an_untrained_network_and_a_lookup_table_do_not_multiply():
    circuit = circuit_of(built(untrained(13)))
    assert circuit.keys == ()
    assert circuit.verdict.name == "not"
    task = Modular("add", 11, "a b")
    table = circuit_of(built(lookup(task, torch.arange(60))))
    assert table.verdict.name != "Fourier multiplication"


def test_the_same_seed_gives_the_same_circuit():
    made = probe(TASKS["add"], model_for("nanda", TASKS["add"]))
    one, other = (circuit_of(made, keys=[2], seed=5).to_json() for _ in range(2))
    for record in (one, other):
        del record["seconds"]
    assert one == other
    assert circuit_of(made, keys=[2], seed=6).to_json()["ablations"] != one["ablations"]

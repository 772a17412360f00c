"""Every model of the list: the fast path equals `apply`, gradients included, and `edit` reaches every activation."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
from torch import Tensor

import cases
from latebloom.models import MLP, Bilinear, Transformer, initial_params
from latebloom.tasks import Examples
from models_at_random import float64_params

TOLERANCE = 1e-10

PAIRS = [
    (model, task)
    for model in cases.MODELS
    for task in ("add", "add, a b", "div", "add mod 2")
    if cases.suits(model, task)
]


def parts(examples: Examples) -> dict[str, Examples]:
    """The whole table, and parts of all sizes of it."""
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(2))
    third = examples.take(order[: max(1, len(order) // 3)].sort().values)
    return {
        "all": examples,
        "a third": third,
        "part of the third": third.take(torch.arange(0, len(third), 2)),
        "in any order": examples.take(order[: min(7, len(order))]),
        "one": examples.take(order[:1]),
        "alone": third.alone(),
        "twice each": Examples(third.tokens.repeat(2, 1), third.labels.repeat(2)),
    }


@pytest.mark.parametrize(("model_name", "task_name"), PAIRS)
def test_fast_path_equals_apply_with_gradients(model_name, task_name):
    task = cases.TASKS[task_name]
    model = cases.model_for(model_name, task)
    params = float64_params(model)
    for name, examples in parts(task.examples()).items():
        slow = model.apply(params, examples.tokens)[0]
        fast = model.logits(params, examples)
        assert fast.shape == (len(examples), model.d_vocab_out), name
        assert (slow - fast).abs().max() <= TOLERANCE, name
        weights = torch.randn(slow.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        grads = [
            torch.autograd.grad((logits.tanh() * weights).sum(), list(params.values()), materialize_grads=True)
            for logits in (slow, fast)
        ]
        for tensor, of_slow, of_fast in zip(params, *grads, strict=True):
            assert (of_slow - of_fast).abs().max() <= TOLERANCE, (name, tensor)


@pytest.mark.parametrize(("model_name", "task_name"), PAIRS)
def test_traced_activations_equal_those_of_apply_at_the_last_position(model_name, task_name):
    task = cases.TASKS[task_name]
    model = cases.model_for(model_name, task)
    params = float64_params(model)
    for name, examples in parts(task.examples()).items():
        slow, seen = model.apply(params, examples.tokens)
        fast, traced = model.traced(params, examples)
        assert (slow - fast).abs().max() <= TOLERANCE, name
        wanted = [n for n in seen if n.endswith(("hook_pattern", "mlp.hook_pre", "mlp.hook_post"))]
        assert sorted(traced) == sorted(wanted), name
        for hook in wanted:
            there = seen[hook] if seen[hook].dim() == 2 else seen[hook][:, :, -1]
            if hook.startswith("blocks") and "mlp" in hook and seen[hook].dim() == 3:
                there = seen[hook][:, -1]
            assert traced[hook].shape == there.shape, (name, hook)
            assert (traced[hook] - there).abs().max() <= TOLERANCE, (name, hook)


@pytest.mark.parametrize("model_name", cases.MODELS)
def test_fast_path_has_the_same_second_derivatives(model_name):
    task = cases.TASKS["add, a b"]
    model = cases.model_for(model_name, task)
    params = float64_params(model)
    examples = task.examples().take(torch.arange(0, 49, 3))
    found = []
    for logits in (model.apply(params, examples.tokens)[0], model.logits(params, examples)):
        loss = torch.nn.functional.cross_entropy(logits, examples.labels)
        first = torch.autograd.grad(loss, list(params.values()), create_graph=True, materialize_grads=True)
        size = sum(grad.square().sum() for grad in first)
        found.append(torch.autograd.grad(size, list(params.values()), materialize_grads=True))
    for tensor, slow, fast in zip(params, *found, strict=True):
        assert (slow - fast).abs().max() <= TOLERANCE * max(1, slow.abs().max().item()), tensor


@pytest.mark.parametrize("task_name", ["digits", "induction"])
@pytest.mark.parametrize("model_name", [name for name, (cls, _) in cases.MODELS.items() if cls is Transformer])
def test_several_answers_are_the_last_one_of_each_beginning(model_name, task_name):
    """With a causal mask what is read at a position is what a shorter example would have been asked at its end."""
    task = cases.TASKS[task_name]
    model = cases.model_for(model_name, task)
    if not model.causal:
        return
    params = {name: tensor.detach() for name, tensor in float64_params(model).items()}
    examples = task.examples()
    n, answers = examples.labels.shape
    logits = model.logits(params, examples)
    assert logits.shape[0] == n * answers
    single = dataclasses.replace(model, answers=1)
    for j in range(answers):
        beginning = examples.tokens[:, : examples.tokens.shape[1] - (answers - 1 - j)]
        expected = single.apply(params, beginning)[0]
        assert torch.allclose(logits.view(n, answers, -1)[:, j], expected, rtol=0, atol=TOLERANCE)
    traced = model.traced(params, examples)
    assert torch.equal(traced[0], logits)


@pytest.mark.parametrize("model_name", cases.MODELS)
def test_every_activation_can_be_edited(model_name):
    task = cases.TASKS["add" if cases.suits(model_name, "add") else "add, a b"]
    model = cases.model_for(model_name, task)
    params = {name: tensor.detach() for name, tensor in float64_params(model).items()}
    tokens = task.examples().tokens
    logits, activations = model.apply(params, tokens)
    assert torch.isfinite(logits).all()
    for edited in activations:
        noise = torch.randn(activations[edited].shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)

        def edit(name: str, tensor: Tensor, edited: str = edited, noise: Tensor = noise) -> Tensor:
            return tensor + noise if name == edited else tensor

        changed, seen = model.apply(params, tokens, edit)
        assert torch.equal(seen[edited], activations[edited] + noise) or "scores" in edited
        uniform = isinstance(model, Transformer) and model.softmax_share == 0
        if not (uniform and edited.endswith(("hook_q", "hook_k", "hook_attn_scores"))):
            assert not torch.allclose(changed, logits), edited


@pytest.mark.parametrize("model_name", cases.MODELS)
def test_apply_reads_every_tensor(model_name):
    task = cases.TASKS["add" if cases.suits(model_name, "add") else "add, a b"]
    model = cases.model_for(model_name, task)
    params = float64_params(model)
    # softmax ignores what all scores share, so only a uniform pattern leaves queries and keys unread
    unread = ("W_Q", "W_K", "b_Q", "b_K") if getattr(model, "softmax_share", 1) == 0 else ("b_K",)
    grads = torch.autograd.grad(
        model.apply(params, task.examples().tokens)[0].tanh().sum(), list(params.values()), materialize_grads=True
    )
    for name, grad in zip(params, grads, strict=True):
        assert name.endswith(unread) or grad.abs().max() > 1e-12, name


def test_activations_have_transformer_lens_names_and_shapes():
    task = cases.TASKS["add"]
    model = cases.model_for("pre-norm", task)
    params = {name: tensor.detach() for name, tensor in float64_params(model).items()}
    _, seen = model.apply(params, task.examples().tokens)
    n = 121
    shapes = {
        "hook_embed": (n, 3, 8),
        "blocks.0.attn.hook_q": (n, 3, 2, 4),
        "blocks.0.attn.hook_attn_scores": (n, 2, 3, 3),
        "blocks.0.attn.hook_pattern": (n, 2, 3, 3),
        "blocks.0.attn.hook_z": (n, 3, 2, 4),
        "blocks.0.hook_attn_out": (n, 3, 8),
        "blocks.0.hook_resid_mid": (n, 3, 8),
        "blocks.0.mlp.hook_post": (n, 3, 16),
        "ln_final.hook_normalized": (n, 3, 8),
    }
    assert {name: tuple(seen[name].shape) for name in shapes} == shapes


def test_heads_must_divide_the_width():
    with pytest.raises(
        ValueError, match="expected n_heads to divide d_model, got n_heads = 5 and d_model = 8; n_heads = 4"
    ):
        Transformer(3, 3, 2, d_model=8, n_heads=5)


def test_published_sizes():
    nanda = Transformer(114, 3, 113, unembed="tokens")
    assert sum(torch.Size(w.shape).numel() for w in nanda.tensors().values()) == 226_816
    power = Transformer(239, 5, 97, n_layers=2, norm="post", biases="none", positions="sinusoidal", unembed="tokens")
    inner = {name: w for name, w in power.tensors().items() if name.startswith("blocks.")}
    # facts.md counts 2·(4·128² + 2·128·512 + 2·256): weights, and two LayerNorms of 256 numbers a block
    assert sum(torch.Size(w.shape).numel() for w in inner.values()) == 394_240


def test_sizes_are_those_that_the_records_state():
    tasks, ctx, classes, d, m = 40, 3, 31, 24, 56

    def size(model) -> int:
        return sum(torch.Size(weight.shape).numel() for weight in model.tensors().values())

    transformer = Transformer(tasks, ctx, classes, n_layers=2, d_model=d, d_mlp=m)
    assert size(transformer) == 2 * (4 * d**2 + 2 * d * m + m + d) + d * (tasks + ctx + classes)
    widths = [ctx * d, m, 10]
    inner = sum((before + 1) * after for before, after in itertools.pairwise(widths))
    assert size(MLP(tasks, ctx, classes, d_model=d, widths=(m, 10))) == tasks * d + inner + 11 * classes
    assert size(Bilinear(tasks, 2, classes, d_hidden=m)) == m * (2 * tasks + classes)


def test_bilinear_is_its_formula_and_is_drawn_as_published():
    model = Bilinear(6, 2, 4, d_hidden=300)
    params = initial_params(model.tensors(), "normal", 0)
    for tensor in params.values():
        # N(0, 1/m) for all three, as the code of Chughtai et al. 2023 draws them
        assert tensor.square().mean().sqrt().item() == pytest.approx(300**-0.5, rel=0.05)
    w_a, w_b = params["blocks.0.mlp.W_in"].split(6)
    z = model.apply(params, torch.cartesian_prod(torch.arange(6), torch.arange(6)))[0].view(6, 6, 4)
    for a, b, c in itertools.product(range(6), range(6), range(4)):
        expected = sum(w_a[a, i] * w_b[b, i] * params["unembed.W_U"][i, c] for i in range(300))
        assert z[a, b, c].item() == pytest.approx(float(expected), abs=1e-5)


def test_a_gated_mlp_without_a_non_linearity_is_bilinear():
    task = cases.TASKS["add"]
    model = cases.model_for("bilinear in its MLP", task)
    params = {name: tensor.detach() for name, tensor in float64_params(model).items()}
    _, seen = model.apply(params, task.examples().tokens)
    x = seen["blocks.0.hook_resid_mid"]
    g, w, b = (params[f"blocks.0.mlp.{name}"] for name in ("W_gate", "W_in", "b_in"))
    assert torch.allclose(seen["blocks.0.mlp.hook_post"], (x @ g) * (x @ w + b), atol=1e-12)


def test_bilinear_networks_read_two_tokens():
    with pytest.raises(ValueError, match=r'expected examples of two tokens.*got 3.*set task.equation = "a b"'):
        Bilinear(5, 3, 5)

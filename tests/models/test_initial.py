from __future__ import annotations

import math
import re

import pytest
import torch

from latebloom.models import INIT_SCHEMES, MLP, Transformer, initial_params


def sizes(d_mlp: int) -> Transformer:
    return Transformer(114, 3, 113, d_mlp=d_mlp, unembed="tokens", biases="all", norm="pre")


@pytest.mark.parametrize("scheme", ["normal", "pytorch", "xavier"])
def test_changing_one_shape_leaves_the_other_tensors_alone(scheme):
    small, large = (initial_params(sizes(m).tensors(), scheme, 3) for m in (64, 128))
    for name in small:
        if "mlp" not in name:
            assert torch.equal(small[name], large[name]), name


@pytest.mark.parametrize("scheme", INIT_SCHEMES)
def test_seeds_differ_and_repeat(scheme):
    tensors = Transformer(114, 3, 113).tensors()
    one, again, other = (initial_params(tensors, scheme, seed) for seed in (0, 0, 1))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["embed.W_E"], other["embed.W_E"])


@pytest.mark.parametrize(
    ("scheme", "name", "deviation"),
    [
        ("normal", "blocks.0.mlp.W_out", 1 / math.sqrt(512)),
        ("normal", "embed.W_E", 1 / math.sqrt(128)),
        ("pytorch", "blocks.0.mlp.W_in", 1 / math.sqrt(128 * 3)),
        ("pytorch", "blocks.0.mlp.b_in", 1 / math.sqrt(128 * 3)),
        ("pytorch", "embed.W_E", 1.0),
        ("xavier", "blocks.0.mlp.W_in", math.sqrt(2 / (128 + 512))),
        ("xavier", "embed.W_E", 0.02),
        ("xavier", "blocks.0.mlp.b_in", 0.0),
        ("nanda2023", "blocks.0.mlp.W_out", 1 / math.sqrt(128)),
        ("nanda2023", "unembed.W_U", 1 / math.sqrt(114)),
    ],
)
def test_scales(scheme, name, deviation):
    found = initial_params(Transformer(114, 3, 113, unembed="tokens").tensors(), scheme, 0)[name]
    assert found.square().mean().sqrt().item() == pytest.approx(deviation, rel=0.05)


def test_nanda2023_has_the_published_sums_of_squares_at_seed_0():
    # facts from the paper's figure and code (arXiv 2301.05217): initial Σw² of the mainline's tensors
    found = initial_params(Transformer(114, 3, 113, unembed="tokens").tensors(), "nanda2023", 0)
    published = {"embed.W_E": 115.45, "blocks.0.attn.W_K": 126.84, "unembed.W_U": 129.05}
    for name, value in published.items():
        assert found[name].double().square().sum().item() == pytest.approx(value, abs=0.01), name


def test_nanda2023_is_refused_where_it_was_not_defined():
    for model in (MLP(5, 2, 3), Transformer(5, 3, 3, tied=True)):
        with pytest.raises(ValueError, match=re.escape("use another init scheme")):
            initial_params(model.tensors(), "nanda2023", 0)


@pytest.mark.parametrize("scheme", ["normal", "pytorch", "xavier"])
def test_layer_norms_start_as_torch_has_them(scheme):
    norm = torch.nn.LayerNorm(128)
    found = initial_params(sizes(64).tensors(), scheme, 0)
    for name in ("blocks.0.ln1", "blocks.0.ln2", "ln_final"):
        assert torch.equal(found[f"{name}.w"], norm.weight)
        assert torch.equal(found[f"{name}.b"], norm.bias)

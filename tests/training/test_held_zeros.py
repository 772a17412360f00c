"""A mask that is held through training, against training with the mask in the forward pass."""

from __future__ import annotations

import pytest
import torch

import cases
from latebloom.spec import REGISTRIES, SpecError, override, read, resolve
from latebloom.training import Setup, train

SMALL = {"task.p": "7", "steps": "12", "precision": "float64", "schedule.warmup": "0", "regular.hold_zeros": "*.W_*"}
SIZES = {"model.d_model": "8", "model.n_heads": "2", "model.d_mlp": "8"}


def masked(changes: dict[str, str]) -> tuple[Setup, dict[str, torch.Tensor]]:
    """A run that begins with two fifths of each matrix zero, and its masks."""
    made = Setup.of(resolve(override(read("quick")[1], SMALL | SIZES | changes)))
    generator = torch.Generator().manual_seed(0)
    masks = {
        name: torch.rand(w.shape, generator=generator) < 0.6 for name, w in made.initial_params.items() if ".W_" in name
    }
    return made.with_initial({n: w * masks[n] if n in masks else w for n, w in made.initial_params.items()}), masks


def test_it_is_training_with_the_mask_in_the_forward_pass():
    made, masks = masked({})
    leaves = {name: w.clone().requires_grad_() for name, w in made.initial_params.items()}
    optimiser = torch.optim.AdamW(leaves.values(), lr=1e-3, betas=(0.9, 0.98), weight_decay=1.0)
    for state in train(made, made.initial_state(), lambda step: True):
        for name, w in state.params.items():
            assert torch.allclose(w, leaves[name], atol=1e-9), (state.step, name)
        optimiser.zero_grad()
        seen = {name: w * masks[name] if name in masks else w for name, w in leaves.items()}
        made.loss(made.model.apply(seen, made.train.tokens)[0], made.train.labels).backward()
        optimiser.step()


@pytest.mark.parametrize("name", cases.OPTIMISERS)
def test_zeros_of_matrices_stay_and_biases_are_free(name):
    part = cases.OPTIMISERS[name]
    known = next(key for key, cls in REGISTRIES["optim"].items() if cls is type(part))
    made, masks = masked({"optim.name": known} | {f"optim.{key}": str(value) for key, value in vars(part).items()})
    *_, last = train(made, made.initial_state(), lambda step: False)
    for tensor, mask in masks.items():
        assert not last.params[tensor][~mask].any()
        assert (last.params[tensor][mask] != 0).double().mean() > 0.9, tensor
    assert last.params["blocks.0.mlp.b_in"].any()


def test_a_norm_is_held_with_the_mask():
    made, masks = masked({"regular.norm": "0.5"})
    *_, last = train(made, made.initial_state(), lambda step: False)
    squares = [sum(w.square().sum().item() for w in params.values()) for params in (last.params, made.initial_params)]
    assert squares[0] == pytest.approx(squares[1] / 4, rel=1e-12)
    assert not any(last.params[name][~mask].any() for name, mask in masks.items())


def test_faults():
    with pytest.raises(
        SpecError, match=r"regular.hold_zeros: expected a pattern that fits one of embed.W_E, .*got 'W_E'"
    ):
        masked({"regular.hold_zeros": "W_E"})
    with pytest.raises(SpecError, match=r"regular.weight_noise: expected 0 with hold_zeros"):
        masked({"regular.weight_noise": "0.1"})

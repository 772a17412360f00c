"""Pruning and lottery tickets on numbers small enough to see, and on networks whose answer is known."""

from __future__ import annotations

import pytest
import torch

from latebloom.analysis.circuits.handbuilt import clock, untrained
from latebloom.analysis.surgery import surgery_of
from latebloom.analysis.surgery.masks import drawn_like, largest
from latebloom.errors import LatebloomError
from patients import logits, operated, patient_of

WEIGHTS = {"a.W_A": torch.tensor([[1.0, -5.0], [3.0, 0.5]]), "a.W_B": torch.tensor([0.1, -4.0, 2.0, 0.2])}


def mask(*rows):
    return [torch.tensor(row, dtype=torch.bool) for row in rows]


def by_hand(weights, share, scope):
    """The same by sorting a list of entries."""
    groups = [list(weights)] if scope == "global" else [[name] for name in weights]
    kept = {name: torch.ones_like(w, dtype=torch.bool) for name, w in weights.items()}
    for names in groups:
        entries = [(abs(x), i, n) for n in names for i, x in enumerate(weights[n].flatten().tolist())]
        entries.sort(key=lambda entry: entry[0])
        for _, i, n in entries[: int(share * len(entries) + 1e-9)]:
            kept[n].view(-1)[i] = False
    return kept


def test_magnitudes_of_all_together_or_of_each_alone():
    together, alone = largest(WEIGHTS, 0.5, "global"), largest(WEIGHTS, 0.5, "tensor")
    a, b = mask([[False, True], [True, False]], [False, True, True, False])
    assert torch.equal(together["a.W_A"], a)
    assert torch.equal(together["a.W_B"], b)
    assert torch.equal(alone["a.W_A"], a)
    assert torch.equal(alone["a.W_B"], b)
    few, of_each = largest(WEIGHTS, 0.25, "global"), largest(WEIGHTS, 0.25, "tensor")
    assert (int(few["a.W_A"].sum()), int(few["a.W_B"].sum())) == (4, 2)
    assert (int(of_each["a.W_A"].sum()), int(of_each["a.W_B"].sum())) == (3, 3)


@pytest.mark.parametrize("scope", ["global", "tensor"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 0.999])
def test_masks_against_a_sorted_list(share, scope):
    weights = {name: w.float() for name, w in untrained(5, d_model=4).params.items() if ".W_" in name}
    found, expected = largest(weights, share, scope), by_hand(weights, share, scope)
    assert all(torch.equal(found[name], expected[name]) for name in weights)


def test_the_share_is_met_exactly_though_all_are_equal():
    ones = {"W": torch.ones(10)}
    assert int(largest(ones, 0.6, "global")["W"].sum()) == 4


def test_random_masks_keep_as_many_of_each_tensor():
    weights = untrained(11, d_model=8).params
    masks = largest(weights, 0.7, "global")
    one, again, other = (drawn_like(masks, seed, "test") for seed in (0, 0, 1))
    for name in masks:
        assert one[name].sum() == masks[name].sum()
        assert torch.equal(one[name], again[name])
    assert any(not torch.equal(one[name], masks[name]) for name in masks)
    assert any(not torch.equal(one[name], other[name]) for name in masks)


def test_pruning_what_is_zero_already_changes_nothing():
    built = clock(23, (2, 5, 9))
    weights = [w for name, w in built.params.items() if ".W_" in name]
    zeros = sum(int((w == 0).sum()) for w in weights) / sum(w.numel() for w in weights)
    assert zeros > 0.3
    less = operated(built, name="prune", share=zeros - 1e-6)
    assert torch.equal(logits(less), logits(built))
    control = operated(built, name="prune", share=zeros - 1e-6, control=True)
    assert (logits(control) - logits(built)).abs().max() > 1


def test_pruning_a_tensor_alone_leaves_the_others():
    built = untrained(11, d_model=8)
    less = operated(built, name="prune", share=0.5, tensors="blocks.*.mlp.W_in")
    assert [name for name in built.params if less.params[name] is not built.params[name]] == ["blocks.0.mlp.W_in"]
    w, pruned = built.params["blocks.0.mlp.W_in"], less.params["blocks.0.mlp.W_in"]
    assert int((pruned == 0).sum()) == w.numel() // 2
    assert w[pruned == 0].abs().max() < w[pruned != 0].abs().min()
    assert torch.equal(pruned[pruned != 0], w[pruned != 0])


@pytest.fixture
def grown():
    """Initial weights, and later ones: each initial weight times a number of its own."""
    start = untrained(7, seed=1, d_model=8)
    gain = {name: torch.rand(w.shape, dtype=torch.float64) for name, w in start.params.items()}
    later = start._replace(params={name: w * gain[name] for name, w in start.params.items()})
    return later, patient_of(later, start.params, seed=3), start.params


def test_a_ticket_is_initial_where_later_weights_are_large_and_zero_elsewhere(grown):
    later, patient, initial = grown
    ticket = operated(later, patient, name="ticket", share=0.6, source="now").params
    names = [name for name in initial if ".W_" in name]
    masks = by_hand({name: later.params[name] for name in names}, 0.6, "global")
    for name, w in initial.items():
        expected = w * masks[name] if name in masks else w
        assert torch.equal(ticket[name], expected), name


def test_controls_have_its_norm_or_its_density(grown):
    later, patient, initial = grown
    ticket, norm, random = (
        operated(later, patient, name="ticket", share=0.6, source="now", control=control).params
        for control in ("none", "norm", "random")
    )
    names = [name for name in initial if ".W_" in name]
    squares = [sum(float((p[name] ** 2).sum()) for name in names) for p in (ticket, norm)]
    assert squares[0] == pytest.approx(squares[1], rel=1e-12)
    factors = [norm[name] / initial[name] for name in names]
    assert max(float(f.max()) for f in factors) - min(float(f.min()) for f in factors) < 1e-12
    for name in names:
        assert (random[name] != 0).sum() == (ticket[name] != 0).sum()
        assert torch.equal(random[name][random[name] != 0], initial[name][random[name] != 0])
    assert any(not torch.equal(random[name], ticket[name]) for name in names)


def test_a_ticket_asks_the_run_for_its_later_weights(grown):
    later, patient, _ = grown
    asked = []
    run = patient_of(later, patient.initial, at=lambda when: asked.append(when) or later.params)
    one = operated(later, run, name="ticket", source="grokked").params
    other = operated(later, patient, name="ticket", source="now").params
    assert asked == ["grokked"]
    assert all(torch.equal(one[name], other[name]) for name in one)
    with pytest.raises(LatebloomError, match="expected now or initial, got 'end'"):
        operated(later, patient, name="ticket")
    with pytest.raises(LatebloomError, match="expected a run whose initial weights are known"):
        operated(later, patient_of(later), name="ticket", source="now")


def test_bounds():
    with pytest.raises(LatebloomError, match=r"surgery.share: expected less than 1, got 1"):
        surgery_of({"name": "prune", "share": 1})
    with pytest.raises(LatebloomError, match=r"expected a pattern that fits a tensor \(.*\), got 'W_E'"):
        operated(untrained(5, d_model=4), name="prune", tensors="W_E")

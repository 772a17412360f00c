"""Rewinding, redrawing, transplanting, projecting, and taking memorising neurons out, where the answer is known."""

from __future__ import annotations

import pytest
import torch

from latebloom.analysis.circuits.handbuilt import Built, clock, lookup, trigonometric, untrained
from latebloom.errors import LatebloomError
from latebloom.models import MLP, initial_params
from patients import logits, loss, operated, patient_of

P = 23


def changed(before: Built, after: Built) -> list[str]:
    """The tensors that are not the very same."""
    return [name for name in before.params if after.params[name] is not before.params[name]]


def test_rewinding_some_tensors_leaves_the_others():
    built, start = untrained(7, d_model=8), untrained(7, seed=1, d_model=8).params
    back = operated(built, patient_of(built, start), name="rewind", tensors="blocks.*.W_*")
    assert changed(built, back) == [name for name in built.params if name.startswith("blocks.") and ".W_" in name]
    assert all(back.params[name] is start[name] for name in changed(built, back))


def test_rewinding_what_was_changed_gives_the_network_back():
    built = clock(P, (2, 5))
    broken = operated(built, name="remove-frequencies", where="embedding")
    assert loss(broken) > 3
    again = operated(broken, patient_of(broken, built.params), name="rewind", tensors="embed.*")
    assert torch.equal(logits(again), logits(built))


def test_redrawn_tensors_are_draws_of_the_scheme_by_another_seed():
    built = untrained(7, d_model=8)
    tensors = built.model.tensors()
    asked = []

    def draw(seed):
        asked.append(seed)
        return initial_params(tensors, "normal", seed)

    def redrawn(run: int, seed: int) -> Built:
        return operated(built, patient_of(built, seed=run, draw=draw), name="redraw", tensors="embed.*", seed=seed)

    one = redrawn(0, 0)
    assert changed(built, one) == ["embed.W_E"]
    assert one.params["embed.W_E"].dtype == torch.float64
    assert torch.equal(one.params["embed.W_E"].float(), initial_params(tensors, "normal", asked[0])["embed.W_E"])
    assert torch.equal(redrawn(0, 0).params["embed.W_E"], one.params["embed.W_E"])
    redrawn(0, 1), redrawn(1, 0)
    assert len(set(asked)) == 3
    with pytest.raises(LatebloomError, match="expected a run, whose spec says how weights are drawn"):
        operated(built, name="redraw")


def test_a_transplanted_readout_answers_as_the_donor_does():
    # one network's circles are read with the other's frequencies: they have 5 in common, and only that is answered
    ours, theirs = trigonometric(P, (2, 5), scale=20), trigonometric(P, (5, 7), scale=20)
    patient = patient_of(ours, donor={"other": theirs.params}.__getitem__)
    both = operated(ours, patient, name="transplant", donor="other", tensors="*.W_*")
    assert torch.equal(logits(both), logits(theirs))
    read = operated(ours, patient, name="transplant", donor="other", tensors="blocks.0.mlp.W_in")
    assert changed(ours, read) == ["blocks.0.mlp.W_in"]
    # their neurons of frequency 5 stand where ours have 2, and those of 7 where ours have 5
    a = torch.arange(P, dtype=torch.float64)
    total = (a[:, None] + a)[..., None]
    angle = 2 * torch.pi / P
    expected = 10 * ((angle * (5 * total - 2 * a)).cos() + (angle * (7 * total - 5 * a)).cos())
    assert (logits(read) - expected.reshape(P * P, P)).abs().max() < 1e-9


def test_a_donor_must_have_the_same_shapes():
    small, large = clock(P, (2, 5)), clock(P, (2, 5, 7))
    patient = patient_of(small, donor={"large": large.params, "none": {}}.__getitem__)
    with pytest.raises(LatebloomError, match=r"expected embed.W_E of shape \(24, 20\) in large, got \(24, 28\)"):
        operated(small, patient, name="transplant", donor="large")
    with pytest.raises(LatebloomError, match=r"expected embed.W_E of shape \(24, 20\) in none, got none"):
        operated(small, patient, name="transplant", donor="none")
    with pytest.raises(LatebloomError, match="expected a donor"):
        operated(small, name="transplant")


def test_projecting_on_the_directions_of_the_circles_changes_nothing_and_out_of_them_leaves_chance():
    built = clock(P, (2, 5, 9))  # three circles: six directions of W_E, and one of the token "="
    on = operated(built, name="project", rank=7)
    assert changed(built, on) == ["embed.W_E"]
    assert (logits(on) - logits(built)).abs().max() < 1e-9
    out = operated(built, name="project", rank=7, part="outside")
    assert out.params["embed.W_E"].abs().max() < 1e-12
    assert loss(out) == pytest.approx(torch.tensor(P).double().log().item(), abs=1e-6)


def test_inside_and_outside_add_up_and_inside_is_the_best_approximation():
    built = untrained(7, d_model=8)
    for name in ("blocks.0.attn.W_Q", "blocks.0.mlp.W_in"):
        on, out = (operated(built, name="project", tensors=name, rank=2, part=p) for p in ("inside", "outside"))
        w, inside, outside = built.params[name], on.params[name], out.params[name]
        assert torch.allclose(inside + outside, w, atol=1e-14)
        # Eckart and Young: what is missed are the squares of the other singular values, of each head's matrix
        missed = torch.linalg.svdvals(w)[..., 2:].square().sum()
        assert outside.square().sum().item() == pytest.approx(missed.item(), rel=1e-12)
        assert torch.linalg.matrix_rank(inside).max() == 2


def test_directions_may_be_those_of_another_step():
    built, later = untrained(7, d_model=8), clock(7, (1,))
    directions = torch.zeros(8, 8, dtype=torch.float64)
    directions[0, 3] = 1
    run = patient_of(built, at=lambda when: {"embed.W_E": directions})
    on = operated(built, run, name="project", rank=1, source="end").params["embed.W_E"]
    assert torch.allclose(on[:, 3], built.params["embed.W_E"][:, 3], atol=1e-14)
    assert on[:, [0, 1, 2, 4, 5, 6, 7]].abs().max() < 1e-14
    with pytest.raises(LatebloomError, match=r"expected matrices, got blocks.0.mlp.b_in, a vector"):
        operated(built, name="project", tensors="blocks.0.mlp.b_in")
    with pytest.raises(LatebloomError, match=r"expected a rank of at most 8 for embed.W_E, got 9"):
        operated(later, name="project", rank=9)


def memorising(known: torch.Tensor, scale: float) -> Built:
    """A lookup table of quadratic neurons: 2·1[a]·1[b] = ((1[a] + 1[b])² − (1[a] − 1[b])²)/2."""
    relu = lookup(trigonometric(P, (1,)).task, known, scale)
    reads = relu.params["blocks.0.mlp.W_in"]
    a, b = reads.clone(), reads.clone()
    a[P:], b[:P] = 0, 0
    writes = relu.params["unembed.W_U"]
    model = MLP(P, 2, P, "one-hot", widths=(2 * len(known),), activation="quadratic", biases=False)
    params = {
        "blocks.0.mlp.W_in": torch.cat([a + b, a - b], dim=1),
        "unembed.W_U": torch.cat([writes, -writes]) / 4,
    }
    return Built(relu.task, model, params)


def side_by_side(one: Built, other: Built) -> Built:
    """The network whose logits are the sum of both."""
    params = {
        "blocks.0.mlp.W_in": torch.cat([b.params["blocks.0.mlp.W_in"] for b in (one, other)], dim=1),
        "unembed.W_U": torch.cat([b.params["unembed.W_U"] for b in (one, other)]),
    }
    width = params["unembed.W_U"].shape[0]
    model = MLP(P, 2, P, "one-hot", widths=(width,), activation="quadratic", biases=False)
    return Built(one.task, model, params)


def test_without_its_memorising_neurons_a_mixed_network_is_its_generalising_part():
    general, table = trigonometric(P, (2, 5, 9)), memorising(torch.arange(0, P * P, 7), 20.0)
    mixed = side_by_side(general, table)
    assert (logits(mixed) - logits(general) - logits(table)).abs().max() < 1e-9
    assert (logits(table).amax(1) > 19).double().mean() == pytest.approx(1 / 7, abs=0.01)
    # squares of one frequency have 4/5 of their variance in its products, the rest in second harmonics
    less = operated(mixed, name="remove-memorising", explained=0.5)
    assert changed(mixed, less) == ["unembed.W_U"]
    assert torch.equal(less.params["unembed.W_U"][: len(general.params["unembed.W_U"])], general.params["unembed.W_U"])
    assert not less.params["unembed.W_U"][len(general.params["unembed.W_U"]) :].any()
    assert torch.allclose(logits(less), logits(general), atol=1e-12)
    assert loss(less) == pytest.approx(loss(general), rel=1e-9)


def test_a_network_without_a_generalising_part_is_refused():
    with pytest.raises(LatebloomError, match=r"one frequency explains more than 0.85, got at most 0\.\d+"):
        operated(memorising(torch.arange(0, P * P, 7), 20.0), name="remove-memorising")

from __future__ import annotations

import pytest
import torch

from latebloom.analysis.circuits.handbuilt import clock, pizza, trigonometric, untrained
from latebloom.analysis.surgery import surgery_of
from latebloom.errors import LatebloomError
from patients import logits, loss, operated

P, KEYS = 23, (2, 5, 9)


def closed_form(n: int, frequencies, scale: float) -> float:
    """Cross-entropy of z_c = scale·Σ_k cos w_k(s − c), which is the same for every pair."""
    x = torch.arange(n, dtype=torch.float64)
    z = scale * sum(torch.cos(2 * torch.pi * k * x / n) for k in frequencies)
    return (z.logsumexp(0) - z[0]).item()


@pytest.mark.parametrize("where", ["embedding", "readout", "both"])
@pytest.mark.parametrize("build", [trigonometric, clock])
def test_removing_a_key_frequency_leaves_the_others_and_costs_what_the_closed_form_says(build, where):
    options = {"unevenness": 0.0} if build is clock else {}
    built = build(P, KEYS, **options)
    less = operated(built, name="remove-frequencies", frequencies=[5], where=where)
    # in a clock's embedding the circle is also what the squares multiply: without it the product is zero
    assert loss(less) == pytest.approx(closed_form(P, (2, 9), 20 / 3), rel=1e-9)
    assert loss(built) == pytest.approx(closed_form(P, KEYS, 20 / 3), rel=1e-9)
    assert loss(less) > 2 * loss(built)


@pytest.mark.parametrize("operation", ["add", "sub", "mul", "div"])
@pytest.mark.parametrize("build", [trigonometric, clock])
def test_removing_other_frequencies_changes_nothing(build, operation):
    built = build(P, KEYS, operation)
    highest = built.task.algebra().order // 2
    others = [k for k in range(1, highest + 1) if k not in KEYS]
    for less in (
        operated(built, name="remove-frequencies", frequencies=others, where="embedding"),
        operated(built, name="keep-frequencies", where="embedding"),
    ):
        assert (logits(less) - logits(built)).abs().max() < 1e-9


@pytest.mark.parametrize("build", [trigonometric, clock, pizza])
def test_removing_all_key_frequencies_leaves_chance(build):
    built = build(P, KEYS)
    less = operated(built, name="remove-frequencies")
    assert loss(less) == pytest.approx(torch.tensor(P).double().log().item(), abs=1e-9)
    control = operated(built, name="remove-frequencies", control=True, where="embedding")
    assert (logits(control) - logits(built)).abs().max() < 1e-9


def test_keeping_some_is_the_network_of_those_alone():
    kept = operated(trigonometric(P, KEYS, scale=20.0), name="keep-frequencies", frequencies=[2, 9])
    alone = trigonometric(P, (2, 9), scale=20.0 * 2 / 3)
    assert (logits(kept) - logits(alone)).abs().max() < 1e-9


def test_readout_is_the_projection_of_logits_along_the_classes():
    built = untrained(P)
    less = operated(built, name="remove-frequencies", frequencies=[3], where="readout")
    z, after = logits(built)[:, :P], logits(less)[:, :P]
    x = torch.arange(P, dtype=torch.float64)
    expected = z.clone()
    for wave in (torch.cos(2 * torch.pi * 3 * x / P), torch.sin(2 * torch.pi * 3 * x / P)):
        expected -= (2 / P) * torch.outer(z @ wave, wave)
    assert (after - expected).abs().max() < 1e-12


def test_biases_of_the_answers_lose_their_part_too():
    built = trigonometric(P, KEYS, activation="relu")
    x = torch.arange(P, dtype=torch.float64)
    biased = built._replace(params=built.params | {"unembed.b_U": 3 * torch.cos(2 * torch.pi * 4 * x / P) + 0.5})
    less = operated(biased, name="remove-frequencies", frequencies=[4], where="readout")
    assert torch.allclose(less.params["unembed.b_U"], torch.full((P,), 0.5, dtype=torch.float64), atol=1e-12)
    assert (logits(less) - logits(built) - 0.5).abs().max() < 1e-9


def test_what_is_not_touched_is_the_same_tensor():
    built = untrained(P)
    less = operated(built, name="remove-frequencies", frequencies=[3], where="embedding")
    assert [name for name in built.params if less.params[name] is not built.params[name]] == ["embed.W_E"]
    assert torch.equal(less.params["embed.W_E"][P:], built.params["embed.W_E"][P:])
    zero = operated(clock(P, KEYS, "mul"), name="remove-frequencies", where="embedding")
    assert torch.equal(zero.params["embed.W_E"][0], clock(P, KEYS, "mul").params["embed.W_E"][0])


def test_faults_say_what_to_do():
    with pytest.raises(LatebloomError, match="expected frequencies from 1 to 11, got 12"):
        operated(clock(P, KEYS), name="remove-frequencies", frequencies=[12])
    with pytest.raises(LatebloomError, match=r"expected key frequencies .now., got a network without any"):
        operated(untrained(P), name="remove-frequencies")
    with pytest.raises(LatebloomError, match="there is no run whose other steps are stored"):
        operated(untrained(P), name="remove-frequencies", keys_of="end")
    with pytest.raises(LatebloomError, match=r"surgery.frequencies.0: expected greater than or equal to 1, got 0"):
        surgery_of({"name": "remove-frequencies", "frequencies": [0]})
    with pytest.raises(LatebloomError, match="no such surgery 'remove-frequency'; did you mean remove-frequencies"):
        surgery_of({"name": "remove-frequency"})

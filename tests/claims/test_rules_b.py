"""The rules of document B's claims, of C3 and of D4, on results whose verdict is known."""

import pytest

from claims_at_will import grid, part
from latebloom.claims.judging import judge
from latebloom.claims.statements import b1, b2, b3, b4, b5, b6, c3, d4

WIDTHS = (32, 128)


def wobble(seed, size=0.01):
    return 1 + size * (seed - 2)


# B6


@pytest.mark.parametrize(
    ("step", "verdict"),
    [
        (lambda w, s: int(40000 / w * wobble(s)), "supported"),
        (lambda w, s: int(40000 / w * wobble(s)) if w < 128 else 800 + s, "mixed"),
        (lambda w, s: 500 + 3 * s, "refuted"),
        (lambda w, s: [5, 3000, 40, 5000, 300][(s + w // 16) % 5], "open"),
    ],
)
def test_b6(step, verdict):
    rows = grid("model.widths", [[w, w] for w in (16, 32, 64, 128)], 5, lambda w, s: {"memorised": step(w[0], s)})
    found = judge(b6.CLAIM, {"memorising": part(rows, axes=["model.widths"])})
    assert found.verdict == verdict
    assert found.numbers["width_16"].value == pytest.approx(sorted(step(16, s) for s in range(5))[2])


# B1


def decay(memorised, grokked=None, seeds=5):
    rows = []
    for name, (_, optimiser, strength) in b1.ARMS.items():
        for seed in range(seeds):
            events = {"memorised": memorised(seed), "grokked": grokked} if name == "none" else {"memorised": 300 + seed}
            rows.append({"optim.name": optimiser, "optim.weight_decay": strength, "seed": seed} | events)
    return part(rows, axes=["optim.name", "optim.weight_decay"])


@pytest.mark.parametrize(
    ("memorised", "verdicts"),
    [
        (lambda s: None, ("supported", "supported")),
        (lambda s: 200 + s, ("refuted", "refuted")),
        (lambda s: 200 + s if s < 2 else None, ("mixed", "mixed")),
        (lambda s: 900 + s, ("refuted", "supported")),
    ],
)
def test_b1(memorised, verdicts):
    found = judge(b1.CLAIM, {"decay": decay(memorised)})
    assert (found.observation.verdict, found.interpretation.verdict) == verdicts


# B2


def without_decay(**grokked):
    rows = []
    for name, (_, where) in b2.ARMS.items():
        settings = {"gradient.name": "plain", "loss.name": "cross-entropy", "split.fraction": 0.5}
        settings |= {key.replace("_", ".", 1): value for key, value in where.items()}
        rows += [settings | {"seed": s, "grokked": 500 if s < grokked.get(name, 0) else None} for s in range(5)]
    return part(rows, axes=["gradient.name", "loss.name", "split.fraction"])


@pytest.mark.parametrize(
    ("arms", "verdicts"),
    [
        ({}, ("supported", "supported")),
        ({"orthograd": 5}, ("supported", "refuted")),
        ({"most": 5}, ("supported", "mixed")),
        ({"mse": 2}, ("supported", "mixed")),
    ],
)
def test_b2(arms, verdicts):
    found = judge(b2.CLAIM, {"decay": decay(lambda s: 200), "without-decay": without_decay(**arms)})
    assert (found.observation.verdict, found.interpretation.verdict) == verdicts
    assert found.verdict == (verdicts[0] if verdicts[0] == verdicts[1] else "mixed")
    assert (found.numbers["train_mse"].value, found.numbers["test_mse"].value) == (1, 0.5)


# B3, B4, B5, D4: one study


def widths(columns, grokked=1000):
    """Runs of all widths; `columns(width, seed)` gives each measure when memorised and at the end."""
    rows = grid("model.widths", [[w, w] for w in WIDTHS], 5, lambda w, s: {"grokked": grokked})
    curves = []
    for row in rows:
        ends = columns(row["model.widths"][0], row["seed"])
        curves.append({"step": [0, 100, 1000, 5000]} | {name: [9.9, a, b, b] for name, (a, b) in ends.items()})
    return {"widths": part(rows, curves, axes=["model.widths"])}


def activations(change):
    def columns(width, seed):
        ends = (1.0, 1 + change(width, seed))
        return {f"activation_post_{kind}[{layer}]": ends for kind in b3.KINDS for layer in b3.LAYERS}

    return columns


@pytest.mark.parametrize(
    ("change", "verdicts"),
    [
        (lambda w, s: (0.3 if w <= 32 else -0.3) * wobble(s), ("supported", "supported")),
        (lambda w, s: (-0.3 if w <= 32 else 0.3) * wobble(s), ("refuted", "refuted")),
        (lambda w, s: -0.3 * wobble(s), ("mixed", "refuted")),
        (lambda w, s: -0.3 * wobble(s) if w > 32 else 0.1 * (s - 2), ("open", "supported")),
        (lambda w, s: 0.1 * (s - 2), ("open", "refuted")),
    ],
)
def test_b3(change, verdicts):
    found = judge(b3.CLAIM, widths(activations(change)))
    assert (found.observation.verdict, found.interpretation.verdict) == verdicts
    assert found.numbers["median_128_end"].value == pytest.approx(sum(change(128, s) for s in range(5)) / 5)


def test_b3_has_nothing_to_compare():
    found = judge(b3.CLAIM, {"widths": widths(activations(lambda w, s: 0.1))["widths"].where(model_widths=[32, 32])})
    assert (found.observation.verdict, found.interpretation.verdict) == ("open", "open")


def weights(small, gini):
    def columns(width, seed):
        ends = {name: (0.3, 0.3 + gini(seed)) for name in b4.MEASURES}
        return ends | {"weight_norm_sq": (4.0, 3.0)} | {name: (0.02, 0.02 * small(seed)) for name in b4.SHARES}

    return columns


@pytest.mark.parametrize(
    ("small", "gini", "verdicts"),
    [
        (lambda s: 1.1 * wobble(s), lambda s: 0.005 + 0.001 * s, ("supported", "supported")),
        (lambda s: 2.0 * wobble(s), lambda s: 0.1 + 0.001 * s, ("refuted", "refuted")),
        (lambda s: 0.4 * wobble(s), lambda s: -0.1 + 0.001 * s, ("refuted", "refuted")),
        (lambda s: 1.5 * wobble(s, 0.2), lambda s: 0.02 * (s - 1), ("open", "open")),
    ],
)
def test_b4(small, gini, verdicts):
    found = judge(b4.CLAIM, widths(weights(small, gini)))
    assert (found.observation.verdict, found.interpretation.verdict) == verdicts
    assert found.numbers["norm_128"].value == pytest.approx(0.75)


def circuits(active, circuit):
    return lambda width, seed: {
        "active_units[1]": (60.0, 60 * active(seed)),
        "circuit_size_merrill": (100.0, 100 * circuit(seed)),
    }


@pytest.mark.parametrize(
    ("active", "circuit", "verdicts"),
    [
        (lambda s: wobble(s), lambda s: wobble(s), ("supported", "supported")),
        (lambda s: wobble(s), lambda s: 0.7 * wobble(s), ("supported", "refuted")),
        (lambda s: 0.5 * wobble(s), lambda s: 0.9 * wobble(s, 0.2), ("refuted", "open")),
    ],
)
def test_b5(active, circuit, verdicts):
    found = judge(b5.CLAIM, widths(circuits(active, circuit)))
    assert (found.observation.verdict, found.interpretation.verdict) == verdicts


@pytest.mark.parametrize(("grokked", "verdict"), [(1000, "refuted"), (None, "supported")])
def test_d4(grokked, verdict):
    assert judge(d4.CLAIM, widths(lambda w, s: {}, grokked)).verdict == verdict


# C3


def regularisers(step, none, dropout):
    rows = [
        {"optim.weight_decay": decay, "grokked": int(step(decay) * wobble(seed)), "seed": seed}
        for decay in c3.DECAYS
        for seed in range(5)
    ]
    for other in ({}, {"regular.dropout": 0.2}, {"regular.dropout": 0.5}, {"regular.l1": 1e-5}):
        many = dropout if "regular.dropout" in other else 0 if other else none
        rows += [{"optim.weight_decay": 0.0, "seed": s, "grokked": 900 if s < many else None} | other for s in range(5)]
    rows = [{"regular.dropout": 0.0, "regular.l1": 0.0, "test_end": 0.5, "steps": 10_000} | row for row in rows]
    return {"regularisers": part(rows, axes=["optim.weight_decay", "regular.dropout", "regular.l1"])}


@pytest.mark.parametrize(
    ("step", "none", "dropout", "verdicts"),
    [
        (lambda d: 1500 / d, 0, 5, ("supported", "supported")),
        (lambda d: 1500 / d, 5, 0, ("mixed", "refuted")),
        (lambda d: 1500 * d, 5, 0, ("refuted", "refuted")),
        (lambda d: 1500 / d, 0, 2, ("supported", "mixed")),
    ],
)
def test_c3(step, none, dropout, verdicts):
    found = judge(c3.CLAIM, regularisers(step, none, dropout))
    assert (found.observation.verdict, found.interpretation.verdict) == verdicts


def test_few_seeds_are_said():
    rows = grid("model.widths", [[w, w] for w in WIDTHS], 3, lambda w, s: {"memorised": 4000 // w[0] + s})
    found = judge(b6.CLAIM, {"memorising": part(rows, axes=["model.widths"])})
    assert found.verdict == "supported"
    assert "3 seeds" in found.notes[0]

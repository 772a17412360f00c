"""The rules of document A's claims on curves whose verdict is known."""

import json
from dataclasses import replace

import numpy as np
import pytest

from claims_at_will import part
from latebloom.claims.judging import judge
from latebloom.claims.statements import a1, a2, a3, a4, a5, a6, a7
from latebloom.errors import LatebloomError

STEPS = np.arange(0, 26001, 500)
GROKKED, DROP = 6500, 20000


def results(columns, grokked=GROKKED, memorised=400):
    """Five runs; `columns(steps, seed)` gives the curves that matter, the others are as in a run that drops."""
    curves = []
    for seed in range(5):
        ordinary = {
            "alignment_published": np.where(DROP + 100 * seed <= STEPS, 0.03, 0.85),
            "alignment_batch": np.full(len(STEPS), 0.85),
            "alignment": np.where(STEPS >= GROKKED, 0.4, 0.75),
            "gradient_norm_batch": np.exp(-STEPS / 2000),
            "hessian_gradient_norm_batch": np.exp(-STEPS / 1000),
            "weight_norm_sq": fall(5000, 9000),
            "gini_raw_weights": np.full(len(STEPS), 0.4),
            "gini_fourier_W_E": np.where(STEPS < GROKKED, 0.1, 0.6),
            "test_accuracy": np.clip((STEPS - 5500) / 2000, 0, 1),
            "train_loss": np.full(len(STEPS), 1e-4),
            "test_loss": np.full(len(STEPS), 1e-3),
            "excluded_loss": np.full(len(STEPS), 1.0),
            "gradient_captured[1]": np.full(len(STEPS), 0.1),
            "gradient_captured_top": np.full(len(STEPS), 0.3),
            "gradient_curvature": np.full(len(STEPS), 0.1),
            "hessian_max": np.full(len(STEPS), 1.0),
            "gradient_effective_rank": np.full(len(STEPS), 50.0),
        }
        shaken = {
            name: np.asarray(x, dtype=float) * (1 + 0.002 * seed) for name, x in (ordinary | columns(seed)).items()
        }
        curves.append({"step": STEPS} | shaken)
    rows = [{"memorised": memorised, "grokked": grokked, "last": 26000} for _ in range(5)]
    return {"cleanup": part(rows, curves)}


def fall(first, last, high=2700.0, low=1400.0):
    """Σw²: high, then a straight line down between two steps, then low."""
    return high - (high - low) * np.clip((STEPS - first) / (last - first), 0, 1)


def verdicts(claim, columns, **run):
    found = judge(claim, results(columns, **run))
    return found.observation.verdict, found.interpretation and found.interpretation.verdict


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (lambda s: {}, ("supported", "refuted")),
        (lambda s: {"alignment_batch": np.where(STEPS >= DROP, 0.05, 0.85)}, ("supported", "supported")),
        (lambda s: {"alignment_batch": np.where(STEPS >= DROP, 0.05 if s < 2 else 0.8, 0.85)}, ("supported", "mixed")),
        (lambda s: {"alignment_published": np.full(len(STEPS), 0.85)}, ("refuted", "open")),
        (lambda s: {} if s < 3 else {"alignment_published": np.full(len(STEPS), 0.85)}, ("mixed", "refuted")),
    ],
)
def test_a1(columns, expected):
    assert verdicts(a1.CLAIM, columns) == expected


def test_a1_gives_the_step_of_the_drop():
    found = judge(a1.CLAIM, results(lambda s: {})).numbers
    assert found["drop"].value == 20500
    assert (found["drop"].low, found["drop"].high) == (20000, 20500)
    assert found["kept"].runs == 5


def test_a_single_low_row_is_no_drop():
    blip = np.where((STEPS == 15000) | (STEPS == 15500), 0.01, 0.85)
    assert verdicts(a1.CLAIM, lambda s: {"alignment_published": blip})[0] == "refuted"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (lambda s: {}, ("refuted", "refuted")),
        (
            lambda s: {"weight_norm_sq": fall(19800, 21500), "gini_raw_weights": np.where(STEPS < 20400, 0.3, 0.5)},
            ("supported", "supported"),
        ),
        (lambda s: {"weight_norm_sq": fall(12000, 23000)}, ("refuted", "mixed")),
        (lambda s: {"alignment_published": np.full(len(STEPS), 0.85)}, ("open", "open")),
    ],
)
def test_a2(columns, expected):
    assert verdicts(a2.CLAIM, columns) == expected


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (lambda s: {}, ("refuted", "supported")),
        (lambda s: {"test_accuracy": np.clip((STEPS - 7500) / 2700 + 0.02 * s, 0, 1)}, ("supported", "supported")),
        (lambda s: {"test_accuracy": np.clip((STEPS - 7500) / 4900, 0, 1)}, ("mixed", "supported")),
        (lambda s: {"test_loss": np.full(len(STEPS), 1.1e-4)}, ("refuted", "refuted")),
        (lambda s: {"test_loss": np.full(len(STEPS), 1.1e-4 if s < 2 else 1e-3)}, ("refuted", "mixed")),
    ],
)
def test_a3(columns, expected):
    assert verdicts(a3.CLAIM, columns) == expected


@pytest.mark.parametrize(
    ("share", "expected"), [(lambda s: 0.1, "refuted"), (lambda s: 0.8, "supported"), (lambda s: 0.2 * s, "open")]
)
def test_a4(share, expected):
    assert verdicts(a4.CLAIM, lambda s: {"gradient_captured[1]": np.full(len(STEPS), share(s))}) == (expected, None)


def test_results_without_what_a_rule_reads_are_told():
    whole = results(lambda s: {})["cleanup"]
    with pytest.raises(LatebloomError, match=r"A4: its results lack .*claims run A4"):
        judge(a4.CLAIM, {"cleanup": replace(whole, curves=whole.curves.drop("gradient_captured[1]"))})


@pytest.mark.parametrize(
    ("factor", "expected"),
    [(lambda s: 1.0, "refuted"), (lambda s: 1.5, "supported"), (lambda s: 0.7 + 0.3 * s, "open")],
)
def test_a5(factor, expected):
    def columns(seed):
        return {"gradient_effective_rank": np.where(STEPS > DROP, 50.0 * factor(seed), 50.0)}

    assert verdicts(a5.CLAIM, columns) == (expected, None)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (lambda s: {"weight_norm_sq": fall(2000, 18000)}, ("supported", "refuted")),
        (lambda s: {"weight_norm_sq": fall(9000, 9800)}, ("supported", "supported")),
        (lambda s: {"weight_norm_sq": fall(8000, 10000)}, ("supported", "mixed")),
        (
            lambda s: {"alignment_published": np.clip(0.9 - (STEPS - 8000) / 16000, 0, 0.85)},
            ("refuted", "refuted"),
        ),
    ],
)
def test_a6(columns, expected):
    assert verdicts(a6.CLAIM, columns) == expected


def grid(alarm, exact, falls):
    """Document A's network and five small ones: when each cosine drops, and whether Σw² falls at step 9000."""
    part_of = {}
    for study, arms in (("cleanup", ["document"]), ("cosine-grid", ["summed", "deep", "squares", "weak", "none"])):
        rows, curves = [], []
        for name in arms:
            for seed in range(5):
                task = {"name": "polynomial" if name == "squares" else "modular"}
                model = {"embedding": "concatenate" if name == "deep" else "sum"}
                decay = {"weak": 0.3, "none": 0.0}.get(name, 1.0)
                axes = {"task": json.dumps(task), "model": json.dumps(model), "optim.weight_decay": decay}
                rows.append({"memorised": 400, "last": 26000, "seed": seed} | (axes if study != "cleanup" else {}))
                norm = fall(8000, 10000) if falls(name) else np.linspace(1000.0, 2000.0, len(STEPS))
                curves.append(
                    {
                        "step": STEPS,
                        "alignment_published": np.where(alarm(name) <= STEPS, 0.03, 0.85),
                        "alignment_batch": np.where(exact(name) <= STEPS, 0.03, 0.85),
                        "weight_norm_sq": norm,
                        "hessian_gradient_norm_batch": np.full(len(STEPS), 1e-9),
                    }
                )
        part_of[study] = part(rows, curves)
    return part_of


@pytest.mark.parametrize(
    ("alarm", "exact", "expected"),
    [
        (lambda name: 8000 if name != "none" else 1e9, lambda name: 1e9, ("supported", "refuted")),
        (lambda name: 20000, lambda name: 8000, ("refuted", "mixed")),
        (lambda name: 1000, lambda name: 8000 if name in ("deep", "weak") else 1e9, ("refuted", "mixed")),
    ],
)
def test_a7(alarm, exact, expected):
    found = judge(a7.CLAIM, grid(alarm, exact, lambda name: name != "none"))
    assert (found.observation.verdict, found.interpretation.verdict) == expected
    assert found.numbers["cleaned"].value == pytest.approx(5 / 6)
    assert found.numbers["size"].value == pytest.approx(1e-9)

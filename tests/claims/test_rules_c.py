"""The rule of C1 on curves whose verdict is known; that of C3 is tested with document B's."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from claims_at_will import part
from latebloom.claims.judging import judge
from latebloom.claims.statements import c1, c2

STEPS = np.arange(0, 14001, 100)


def falling(middle, width, high, low):
    """From high to low in the logarithm, half way at a step."""
    share = 1 / (1 + np.exp(-(STEPS - middle) / width))
    return high * (low / high) ** share


def results(restricted, excluded, norm):
    curves = [
        {
            "step": STEPS,
            "restricted_loss_all": falling(restricted + 50 * s, 500, 4.0, 1e-6),
            "excluded_loss_all_frequencies": falling(excluded + 50 * s, 500, 0.3, 12.0),
            "weight_norm_sq": falling(norm + 50 * s, 300, 3600.0, 950.0),
            "test_loss": falling(9800 + 50 * s, 200, 25.0, 1e-7),
            "train_loss": np.full(len(STEPS), 1e-7),
            "test_accuracy": 1 - falling(9500 + 50 * s, 100, 1.0, 1e-3),
        }
        for s in range(5)
    ]
    return {"mainline": part([{"memorised": 200, "grokked": 9800 + 50 * s, "last": 14000} for s in range(5)], curves)}


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ((6000, 6500, 10000), ("supported", "supported")),
        ((11000, 6500, 10000), ("refuted", "supported")),
        ((6000, 12500, 10000), ("refuted", "supported")),
        ((6000, 6500, 5000), ("supported", "refuted")),
    ],
)
def test_c1(places, expected):
    found = judge(c1.CLAIM, results(*places))
    assert (found.observation.verdict, found.interpretation.verdict) == expected
    assert found.numbers["place"].value == pytest.approx(places[2] - 9800, abs=200)


# C2

PASSING = {name: threshold for line in c2.LINES.values() for name, (_, threshold) in line.items()}


def networks(trained, control, seeds=5):
    """Examined networks: criteria at the end of training, and those of every control."""
    rows = [{"run": f"run-{s}"} for s in range(seeds)]
    mainline, undecayed = part([{}] * seeds), part([{}] * seeds)
    for s, row in enumerate(rows):
        row |= {f"end.{n}": x for n, x in trained(s).items()}
        row |= {f"{m}.{n}": x for m in ("initial", "memorised") for n, x in control(s).items()}
    others = [{"run": f"run-{s}"} | {f"end.{n}": x for n, x in control(s).items()} for s in range(seeds)]
    frames = [pl.DataFrame(x, infer_schema_length=None) for x in (rows, others)]
    return {
        "mainline": replace(mainline, examined=frames[0]),
        "mainline-undecayed": replace(undecayed, examined=frames[1]),
    }


@pytest.mark.parametrize(
    ("trained", "control", "expected"),
    [
        (lambda s: PASSING, lambda s: {"embedding_key_share": 0.8}, ("supported", "supported")),
        (lambda s: PASSING | {"neurons": 0.5} if s > 2 else PASSING, lambda s: {}, ("mixed", "supported")),
        (lambda s: PASSING | {"multiplies": 2}, lambda s: {}, ("refuted", "supported")),
        (lambda s: PASSING, lambda s: PASSING, ("supported", "refuted")),
        (lambda s: PASSING, lambda s: PASSING | {"necessary": 0.1}, ("supported", "mixed")),
    ],
)
def test_c2(trained, control, expected):
    found = judge(c2.CLAIM, networks(trained, control))
    assert (found.observation.verdict, found.interpretation.verdict) == expected


@pytest.mark.parametrize("name", PASSING)
def test_every_criterion_of_c2_counts(name):
    sign, threshold = next(line[name] for line in c2.LINES.values() if name in line)
    worse = PASSING | {name: threshold - 0.01 if sign == "≥" else threshold + 0.01}
    assert judge(c2.CLAIM, networks(lambda s: worse, lambda s: {})).observation.verdict == "refuted"

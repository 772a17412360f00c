"""The rule of C1 on curves whose verdict is known; that of C3 is tested with document B's."""

import numpy as np
import pytest

from claims_at_will import part
from latebloom.claims.judging import judge
from latebloom.claims.statements import c1

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

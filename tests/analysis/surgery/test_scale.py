from __future__ import annotations

import math

import pytest
import torch

from latebloom.analysis.circuits.handbuilt import untrained
from latebloom.analysis.surgery import Patient, surgery_of
from latebloom.errors import LatebloomError
from patients import patient_of


@pytest.fixture
def patient() -> Patient:
    built = untrained(7, d_model=8)
    return patient_of(built, initial={name: 3 * tensor for name, tensor in built.params.items()})


def norm(params) -> float:
    return math.sqrt(sum(float((w**2).sum()) for w in params.values()))


@pytest.mark.parametrize(("unit", "factor"), [("initial", 3.0), ("now", 1.0), ("1", None)])
def test_the_norm_is_what_was_asked_for_and_directions_stay(patient, unit, factor):
    before = norm(patient.params)
    after = surgery_of({"name": "scale-norm", "norm": 2.0, "unit": unit}).apply(patient.params, patient)
    wanted = 2 * (before * factor if factor else 1)
    assert norm(after) == pytest.approx(wanted, rel=1e-12)
    for name, w in patient.params.items():
        assert torch.allclose(after[name], w * (wanted / before), rtol=1e-12, atol=0)


def test_zero_weights_have_no_direction(patient):
    zero = {name: 0 * w for name, w in patient.params.items()}
    with pytest.raises(LatebloomError, match="got a network of norm 0"):
        surgery_of({"name": "scale-norm"}).apply(zero, patient)

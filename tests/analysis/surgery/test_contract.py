"""Every surgery of the list: pure, the same names and shapes, described, and with a fault for what it cannot do."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from latebloom.analysis.circuits.handbuilt import clock
from latebloom.analysis.surgery import SURGERIES, Surgery, surgery_of
from latebloom.errors import LatebloomError
from latebloom.models import initial_params
from latebloom.spec import described
from patients import patient_of

ROWS: dict[str, dict] = {
    "keep-frequencies": {"frequencies": [2]},
    "project": {"rank": 2},
    "prune": {},
    "redraw": {},
    "remove-frequencies": {},
    "remove-memorising": {"explained": 0.7},
    "rewind": {},
    "scale-norm": {"norm": 0.5, "unit": "now"},
    "ticket": {},
    "transplant": {"donor": "other"},
}


def test_every_surgery_has_a_row():
    assert ROWS.keys() == SURGERIES.keys()
    assert list(SURGERIES) == sorted(SURGERIES)


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_surgery_is_pure_and_keeps_names_shapes_and_precision(name, dtype):
    built, other = clock(11, (2, 5)), clock(11, (1, 4))
    noise = initial_params(built.model.tensors(), "normal", 8)
    params = {key: (w + 0.2 * noise[key]).to(dtype) for key, w in built.params.items()}
    initial = {key: w.to(dtype) for key, w in initial_params(built.model.tensors(), "normal", 7).items()}
    patient = patient_of(
        built._replace(params=params),
        initial,
        at=lambda when: params,
        donor=lambda run: other.params,
        draw=lambda seed: initial_params(built.model.tensors(), "normal", seed),
    )
    surgery = surgery_of({"name": name} | ROWS[name])
    assert isinstance(surgery, Surgery)
    assert surgery_of({"name": name} | dataclasses.asdict(surgery)) == surgery
    kept = [{key: w.clone() for key, w in of.items()} for of in (params, initial, other.params)]
    after, again = surgery.apply(params, patient), surgery.apply(params, patient)
    assert list(after) == list(params)
    assert any(not torch.equal(after[key], params[key]) for key in params)
    for key, w in params.items():
        assert (after[key].shape, after[key].dtype) == (w.shape, w.dtype), key
        assert torch.equal(after[key], again[key]), key
    for before, now in zip(kept, (params, initial, other.params), strict=True):
        assert all(torch.equal(before[key], now[key]) for key in now)


@pytest.mark.parametrize("name", ROWS)
def test_a_surgery_says_what_it_is(name):
    told = described(SURGERIES[name])
    assert told["facts"].keys() >= {"Formula", "Source"}
    assert len(told["description"]) > 40
    for field, facts in told["fields"].items():
        assert facts["description"], field
        assert facts["values"], field


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "surgery.name: expected one of keep-frequencies, project, .*, got None"),
        ({"name": "prunes"}, r"no such surgery 'prunes'; did you mean prune\? \(your own: file.py:Class"),
        ({"name": "none.py:Own"}, "expected a Python file, found none at"),
        ({"name": "prune", "shape": 0.3}, r"surgery.shape: no such field; did you mean share\?"),
        ({"name": "prune", "scope": "all"}, "surgery.scope: expected 'global' or 'tensor', got 'all'"),
        ({"name": "prune", "share": -1, "scopes": 1}, "the spec has 2 faults"),
    ],
)
def test_faults(table, message):
    with pytest.raises(LatebloomError, match=message):
        surgery_of(table)

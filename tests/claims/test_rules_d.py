"""The rules of document D's claims on small networks, on results whose verdict is known."""

import pytest

from claims_at_will import part
from latebloom.claims.judging import judge
from latebloom.claims.statements import d2

SEEDS = range(5)

# D2


def rates(step, loss=lambda name: 0.1):
    rows, curves = [], []
    for name, (_, arm) in d2.ARMS.items():
        settings = {"optim.lr": 1e-3, "optim.weight_decay": 1.0} | {k.replace("_", ".", 1): x for k, x in arm.items()}
        for s in SEEDS:
            rows.append(settings | {"seed": s, "grokked": int(step(name) * (1 + 0.01 * s)), "last": 4000})
            curves.append({"step": [0, 4000], "test_loss": [4.0, loss(name) * (1 + 0.01 * s)]})
    return {d2.STUDY: part(rows, curves, axes=["batch", "optim.lr", "optim.weight_decay"])}


@pytest.mark.parametrize(
    ("step", "loss", "expected"),
    [
        ({"b64": 900, "slow": 3000, "fast": 900}, {"slow": 0.01}, ("supported", "supported")),
        ({"b64": 3000, "slow": 3000, "fast": 900}, {"slow": 0.3}, ("mixed", "refuted")),
        ({"b64": 3000, "slow": 900, "fast": 3000}, {}, ("refuted", "open")),
    ],
)
def test_d2(step, loss, expected):
    found = judge(d2.CLAIM, rates(lambda name: step.get(name, 2000), lambda name: loss.get(name, 0.1)))
    assert (found.observation.verdict, found.interpretation.verdict) == expected
    assert found.numbers["batch_steps"].value == pytest.approx(step["b64"] / 2000, rel=0.01)
    assert found.numbers["batch_epochs"].value == pytest.approx(step["b64"] / 9 / 2000, rel=0.01)

"""The one list of claims."""

from __future__ import annotations

from latebloom.claims.claim import Claim
from latebloom.claims.statements import (
    a1,
    a2,
    a3,
    a4,
    a5,
    a6,
    a7,
    b1,
    b2,
    b3,
    b4,
    b5,
    b6,
    c1,
    c2,
    c3,
    c4,
    d1,
    d2,
    d3,
    d4,
    d5,
    d6,
)
from latebloom.errors import LatebloomError

MODULES = (a1, a2, a3, a4, a5, a6, a7, b1, b2, b3, b4, b5, b6, c1, c2, c3, c4, d1, d2, d3, d4, d5, d6)
CLAIMS: tuple[Claim, ...] = tuple(sorted((module.CLAIM for module in MODULES), key=lambda claim: claim.id))


def claim_of(name: str) -> Claim:
    """A claim by its number.

    Raises:
        LatebloomError: there is none of that number.
    """
    for claim in CLAIMS:
        if claim.id == name.upper():
            return claim
    raise LatebloomError(f"expected a claim among {', '.join(claim.id for claim in CLAIMS)}, got {name!r}")

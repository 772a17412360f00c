"""The one list of claims."""

from __future__ import annotations

from latebloom.claims.claim import Claim
from latebloom.claims.statements import a1, a2, a3, a4, a5, a6, b1, b2, b3, b4, b5, b6, c3, d4
from latebloom.errors import LatebloomError

CLAIMS: tuple[Claim, ...] = (
    a1.CLAIM,
    a2.CLAIM,
    a3.CLAIM,
    a4.CLAIM,
    a5.CLAIM,
    a6.CLAIM,
    b1.CLAIM,
    b2.CLAIM,
    b3.CLAIM,
    b4.CLAIM,
    b5.CLAIM,
    b6.CLAIM,
    c3.CLAIM,
    d4.CLAIM,
)


def claim_of(name: str) -> Claim:
    """A claim by its number.

    Raises:
        LatebloomError: there is none of that number.
    """
    for claim in CLAIMS:
        if claim.id == name.upper():
            return claim
    raise LatebloomError(f"expected a claim among {', '.join(claim.id for claim in CLAIMS)}, got {name!r}")

"""What a claim is: a statement, the studies that test it, and a rule from their results to a verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from latebloom.claims.evidence import Number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from latebloom.claims.results import Examination, Results

Verdict = Literal["supported", "refuted", "mixed", "open"]
LEAST_SEEDS = 5
"""Seeds in every cell below which a verdict is called preliminary."""


@dataclass(frozen=True)
class Judged:
    """One verdict, and the sentence that says why; numbers stand in it as `{name}`."""

    verdict: Verdict
    why: str


@dataclass(frozen=True)
class Judgement:
    """What a rule makes of results.

    Attributes:
        observation: whether what was described is there.
        interpretation: whether it means what was said; None where the claim is an observation alone.
        numbers: effect sizes and counts by name, with intervals.
        notes: what limits this verdict.
    """

    observation: Judged
    interpretation: Judged | None
    numbers: dict[str, Number]
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Of the claim as a whole: that of both parts where they agree, of the decided one where one is open."""
        if self.interpretation is None or self.interpretation.verdict in ("open", self.observation.verdict):
            return self.observation.verdict
        return self.interpretation.verdict if self.observation.verdict == "open" else "mixed"

    @property
    def verdicts(self) -> str:
        """Those of its parts: "supported, refuted"."""
        return ", ".join(part.verdict for part in (self.observation, self.interpretation) if part is not None)

    def said(self, text: str) -> str:
        """A text with its `{name}`s replaced by the numbers."""
        return text.format_map(self.numbers)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        parts = {"observation": self.observation, "interpretation": self.interpretation}
        told = {
            part: None if judged is None else {"verdict": judged.verdict, "why": self.said(judged.why)}
            for part, judged in parts.items()
        }
        numbers = {name: asdict(number) | {"text": f"{number}"} for name, number in self.numbers.items()}
        return {"verdict": self.verdict, **told, "numbers": numbers, "notes": list(self.notes)}


@dataclass(frozen=True)
class Drawn:
    """A figure with the sentence below it, in which numbers stand as `{name}`."""

    figure: Figure
    caption: str


@dataclass(frozen=True)
class Claim:
    """A published statement with everything that decides it.

    Attributes:
        id: its number in the ledger, A1 … D6.
        title: in a few words.
        statement: what is claimed, in a sentence that can be true or false.
        source: who says so and where.
        published: the set-up as published.
        departures: where ours differs from it, and why.
        reads: the studies, and of each the scalars and arrays that the rule and the figures read.
        forks: of what it reads, the plans of forks, each with the study whose runs are forked, which stands before it.
        examines: of its studies, what is taken from every finished run's checkpoints; the numbers stand in the results'
            `examined`.
        rule: what decides, in words; written before results were looked at.
        judge: the same rule as a function.
        figures: by file name.
        change: what would change the verdict.
        quick: changes of each study that make it small enough for seconds; None where it would decide nothing.
        discussion: what is to be learnt, by the verdicts it was written for (`Judgement.verdicts`); numbers stand in it
            as `{name}`.
        doubt: what speaks against the rule, found after its results; the verdict stays the rule's.
        budget: of a claim without results, the minutes of one core that deciding it takes, roughly.
    """

    id: str
    title: str
    statement: str
    source: str
    published: str
    departures: str
    reads: Mapping[str, tuple[str, ...]]
    rule: str
    judge: Callable[[Results], Judgement]
    figures: Callable[[Results], dict[str, Drawn]]
    change: str
    forks: Mapping[str, str] = field(default_factory=dict)
    examines: Mapping[str, Examination] = field(default_factory=dict)
    quick: Mapping[str, Mapping[str, Any]] | None = None
    discussion: Mapping[str, str] = field(default_factory=dict)
    doubt: str = ""
    budget: int = 0

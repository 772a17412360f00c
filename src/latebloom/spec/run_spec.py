"""Everything that decides a run's result, validated, frozen and hashed."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from latebloom.errors import LatebloomError
from latebloom.measures import Measure, check_strides, chosen, own_words
from latebloom.models import INIT_SCHEMES, Model
from latebloom.optim import GradientRule, Optimiser
from latebloom.spec.cadence import stride_within
from latebloom.spec.example_list import unpacked
from latebloom.spec.faults import Fault, SpecError, suggestion
from latebloom.spec.named import construct, sizes_from
from latebloom.spec.own_measures import own_measures
from latebloom.tasks import Blocks, Task, cosets, rows

IDENTITY_VERSION = 1
"""Raised when the same spec would give another result, so that runs of older versions are not taken for the same."""

ADDED: dict[tuple[str, ...], Any] = {
    ("split", "subgroup"): None,
    ("regular", "hold_zeros"): None,
    ("fork",): None,
    ("fork", "source"): None,
}
"""Fields added since that version, by path, and the value with which a run is what it was without the field.

They stand in the identity only with another value, so that a new field makes no finished run a stranger.
"""


def _strides(strides: dict[str, int], info: ValidationInfo) -> dict[str, int]:
    if own_words(str(info.data.get("measures"))):
        # what the user's own are called is known to `resolve`: reading somebody's spec must not run their file
        return strides
    try:
        check_strides(strides)
    except LatebloomError as error:
        raise ValueError(str(error)) from error
    return strides


def _measures(choice: str) -> str:
    try:
        chosen(choice)
    except LatebloomError as error:
        raise ValueError(str(error)) from error
    return choice


class Part(BaseModel):
    """A frozen table of a spec that knows no other fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Split(Part):
    """Which examples are trained on; all others are tested on."""

    scheme: Literal["uniform", "nanda2023", "numpy", "power2022", "torch", "list", "rows", "cosets", "fresh"] = (
        "uniform"
    )
    """How the training pairs are drawn: uniformly; as published, bit for bit; as listed; or as whole blocks: rows (all
    pairs with one first operand) or cosets (pairs from one left and one right coset of `subgroup`). Or `fresh`: every
    update draws its own; the parts of the task's sample are then both unseen, and estimate the loss on all there is."""
    fraction: float = Field(default=0.3, gt=0, lt=1)
    """Share of all examples that is trained on; with rows and cosets, of all blocks."""
    examples: str | None = None
    """The training examples of scheme `list`, as `latebloom import --split-file` writes them: N, a colon, N bits."""
    subgroup: str | None = Field(default=None, min_length=1, max_length=200)
    """Elements that generate the subgroup of scheme `cosets`, with commas between them ("10234, 12340")."""

    @model_validator(mode="before")
    @classmethod
    def _fraction_of_list(cls, table: Any) -> Any:
        if isinstance(table, dict) and table.get("scheme") == "list" and isinstance(table.get("examples"), str):
            total, taken = unpacked(table["examples"])
            if not 0 < len(taken) < total:
                raise ValueError(f"expected a list of 1 … {total - 1} training examples, got {len(taken)}")
            return {"fraction": len(taken) / total} | table
        return table

    @model_validator(mode="after")
    def _agrees(self) -> Split:
        if (self.scheme == "list") != (self.examples is not None):
            raise ValueError(f"expected examples with the scheme list and with no other, got scheme {self.scheme}")
        if (self.scheme == "cosets") != (self.subgroup is not None):
            raise ValueError(f"expected a subgroup with the scheme cosets and with no other, got scheme {self.scheme}")
        if self.examples is not None:
            total, taken = unpacked(self.examples)
            # exactly, or one split would have several identities
            if self.fraction != len(taken) / total:
                raise ValueError(f"expected no fraction beside a list ({len(taken)} of {total}), got {self.fraction}")
        return self

    def blocks(self, task: Task) -> Blocks | None:
        """The blocks that are trained on as wholes; None where single examples are drawn.

        Raises:
            SpecError: the task has no such blocks.
        """
        try:
            if self.scheme == "rows":
                return rows(task)
            return cosets(task, self.subgroup) if self.subgroup is not None else None
        except ValueError as error:
            raise SpecError([Fault(f"split.{'scheme' if self.subgroup is None else 'subgroup'}", str(error))]) from None

    def train_size(self, task: Task) -> int:
        """The number of training examples: rounded down, or to the nearest as Power et al. do.

        Raises:
            SpecError: as `blocks` and `listed`.
        """
        if (blocks := self.blocks(task)) is not None:
            return blocks.outside + blocks.size * self.share(blocks.count)
        examples = len(task.examples())
        listed = self.listed(examples)
        return self.share(examples) if listed is None else len(listed)

    def share(self, examples: int) -> int:
        """The fraction of so many examples or blocks, as a whole number."""
        share = self.fraction * examples
        # 0.29 of 100 is 28.999… in binary; the published schemes keep their codes' rounding
        return (
            round(share)
            if self.scheme == "power2022"
            else int(share + 1e-9 * (self.scheme in ("uniform", "rows", "cosets", "fresh")))
        )

    def listed(self, examples: int) -> list[int] | None:
        """The training examples, ascending, of a spec that lists them; None of one that draws them.

        Raises:
            SpecError: the list is that of another number of examples.
        """
        if self.examples is None:
            return None
        total, taken = unpacked(self.examples)
        if total != examples:
            raise SpecError(
                [Fault("split.examples", f"expected a list for the task's {examples} examples, got {total}")]
            )
        return taken


class Labels(Part):
    """What is done to the training labels."""

    corrupted: float = Field(default=0.0, ge=0, le=1)
    """Share of the training examples (rounded down) whose label is another one, drawn uniformly by the split's seed."""


LossName = Literal["cross-entropy", "stablemax", "mse", "hinge"]


def _loss(name: Any) -> Any:
    # what the name means is looked up by `resolve`: reading somebody's spec must not run their file
    known = get_args(LossName)
    if name in known or (isinstance(name, str) and name.rpartition(":")[0]):
        return name
    told = (
        f"no such loss {name!r}{suggestion(name, known)}" if isinstance(name, str) else f"expected a name, got {name!r}"
    )
    raise ValueError(f"{told}; your own: file.py:function or module:function")


class Loss(Part):
    """What is minimised."""

    name: Annotated[LossName | str, BeforeValidator(_loss)] = "cross-entropy"
    """Mean over answers: cross-entropy of softmax or of StableMax, squared error to one-hot, multi-class hinge, or your
    own function of logits (batch, class) and labels (batch) as `file.py:function`."""
    precision: Literal["float64", "float32"] = "float64"
    """Precision of the loss; float32 cross-entropy is quantised at 1.2e-7 and causes spikes near the floor."""


class Schedule(Part):
    """The learning rate over time."""

    warmup: int = Field(default=0, ge=0, le=10**7)
    """Updates of linear warm-up: update i (from 0) has lr·min(i / warmup, 1), so the first one has lr 0; 0 = none."""
    shape: Literal["constant", "linear", "cosine"] = "constant"
    """After the warm-up: constant, or from 1 down to `floor` at the last step."""
    floor: float = Field(default=0.0, ge=0, le=1)
    """Share of the learning rate that a linear or cosine schedule ends at."""


class Regular(Part):
    """Penalties, noise and constraints besides the optimiser's weight decay."""

    l1: float = Field(default=0.0, ge=0, le=1e4)
    """Factor of Σ|w| in the loss."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of entries dropped from what attention and MLP add (without a residual stream: from hidden units)."""
    weight_noise: float = Field(default=0.0, ge=0, le=100)
    """σ: gradients are taken at w + σξ, ξ ~ N(0, 1)."""
    gradient_noise: float = Field(default=0.0, ge=0, le=100)
    """σ: ξ ~ N(0, σ²) is added to every entry of the gradient."""
    decay_to: Literal["zero", "init"] = "zero"
    """What weight decay pulls the weights towards."""
    decay_factors: dict[str, Annotated[float, Field(ge=0, le=1e4)]] = Field(default_factory=dict)
    """Factors on the weight decay of tensors by patterns of their names, the last that fits ("*.b_*" = 0)."""
    norm: float | None = Field(default=None, gt=0, le=1e4)
    """After every update all weights are rescaled to this multiple of their initial norm; none = free."""
    hold_zeros: str | None = Field(default=None, min_length=1, max_length=200)
    """Zeros of the tensors whose names this pattern fits stay zero: a mask, as in a ticket ("*.W_*"); none = free."""


class Seeds(Part):
    """Separate seeds; each is `seed` unless it is set."""

    split: int = Field(ge=0, lt=2**32)
    """Which examples are trained on."""
    init: int = Field(ge=0, lt=2**32)
    """Initial weights."""
    order: int = Field(ge=0, lt=2**32)
    """Order of minibatches."""


class Log(Part):
    """When the measures are taken."""

    every: int = Field(default=10, ge=1)
    """Longest gap between log rows, in steps; the first steps are logged more densely (gap about step/20)."""
    measures: Annotated[str, AfterValidator(_measures)] = "default"
    """Which measures: none (how well the network answers, no more), light, default, all, or names with commas; your own
    as `file.py:object`."""
    strides: Annotated[dict[str, Annotated[int, Field(ge=1)]], AfterValidator(_strides)] = Field(default_factory=dict)
    """Log rows from one taking of a measure to the next: {alignment = 4}. Of others its cost decides, in a short run so
    that it is taken some 20 times all the same."""


class Checkpoints(Part):
    """When the whole state is stored."""

    every: int = Field(default=500, ge=1)
    """Steps between checkpoints; a killed run does at most this many again."""


class Stop(Part):
    """When to end before `steps`. Off by default; `cleanup-ended` is the event that does not cut cleanup off."""

    event: Literal[
        "never",
        "memorised",
        "generalised",
        "grokked",
        "circuit-formation-ended",
        "cleanup-started",
        "cleanup-ended",
        "norm-fall-ended",
    ] = "never"
    """The event to wait for, as `latebloom phases` names it; grokked stops at generalising, late or not. Those of
    circuit and cleanup need the measures `restricted`, `excluded` and `norms`; the set `default` has them."""
    after: int = Field(default=1000, ge=0)
    """Steps that the run still goes on after the event."""


class Fork(Part):
    """Where a run begins that continues another one; `latebloom fork` makes them."""

    parent: str = Field(pattern=r"^[0-9a-f]{64}$")
    """The identity of the run that it continues."""
    step: int = Field(ge=0, le=10**9)
    """The updates that lie behind it, made by the parent."""
    surgery: dict[str, Any] | None = None
    """What is done to the parent's weights at that step: a surgery's name and its settings; none = nothing."""
    source: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the source file of the user's own surgery; none = it is built in."""
    reset_optimiser: bool = False
    """Whether the optimiser and the gradient rule begin as at step 0, though they could go on."""


def _batch(value: Any) -> Any:
    # one message instead of one for each side of the union
    if value == "full" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise ValueError(f'expected "full" or a whole number ≥ 1, got {value!r}')


class RunSpec(Part):
    """One run, resolved: every default filled in, epochs turned into steps, seeds told apart."""

    task: dict[str, Any]
    """What is learnt: a task's name and its settings (`latebloom tasks`)."""
    model: dict[str, Any]
    """The network: an architecture's name and its sizes (`latebloom models`)."""
    optim: dict[str, Any]
    """The optimiser: its name and its hyperparameters (`latebloom optimisers`)."""
    gradient: dict[str, Any] = Field(default_factory=lambda: {"name": "plain"})
    """What the optimiser is given for the gradient: a rule's name and its hyperparameters (`latebloom optimisers`)."""
    init: Literal[tuple(INIT_SCHEMES)] = "normal"  # pyright: ignore[reportInvalidTypeForm]
    """The scheme that initial weights are drawn by."""
    init_scale: float = Field(default=1.0, gt=0, le=1e4)
    """Factor on every initial weight."""
    split: Split = Split()
    labels: Labels = Labels()
    loss: Loss = Loss()
    regular: Regular = Regular()
    schedule: Schedule = Schedule()
    changes: dict[Annotated[str, Field(pattern=r"^[0-9]{1,9}$")], dict[str, float]] = Field(default_factory=dict)
    """Hyperparameters that change at a step: {"5000" = {weight_decay = 0}} holds for all updates from 5000 on."""
    precision: Literal["float32", "float64"] = "float32"
    """Precision of weights and activations."""
    batch: Annotated[Literal["full"] | int, BeforeValidator(_batch)] = "full"
    """Examples per update; "full" is all of them. The last batch of an epoch may be smaller."""
    steps: int = Field(ge=1, le=10**9)
    """Updates. Instead, `epochs` may be given in a spec file: passes over the training set."""
    seeds: Seeds
    log: Log = Log()
    checkpoints: Checkpoints = Checkpoints()
    stop: Stop = Stop()
    device: Literal["cpu", "cuda"] = "cpu"
    """The kind of device; which one of several is an option of the command, not of the spec."""
    fork: Fork | None = None
    """The run and the step that this one continues from; none = it begins with initial weights."""
    sources: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of the source files of the user's own task, model, optimiser, gradient rule, loss or measures."""

    @property
    def identity(self) -> str:
        """SHA-256 over every field that can change the result or what is recorded of it."""
        text = json.dumps(without_neutral(self.model_dump(mode="json")), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(f"{IDENTITY_VERSION}:{text}".encode()).hexdigest()

    @property
    def run_id(self) -> str:
        """The run's name: what varies most often, then the identity's beginning."""
        seeds = self.seeds
        same = seeds.split == seeds.init == seeds.order
        seed = f"{seeds.init}" if same else f"{seeds.split}.{seeds.init}.{seeds.order}"
        # not "seed-…": the beginning of a parent's name is to name the parent alone
        kind = "" if self.fork is None else f"fork-{self.fork.step}-"
        return f"{kind}seed-{seed}-{self.identity[:10]}".replace(".", "-")

    @property
    def first_step(self) -> int:
        """The updates that lie behind its beginning: none, or those of a fork's parent."""
        return 0 if self.fork is None else self.fork.step

    @property
    def strides(self) -> dict[str, int]:
        """Log rows from one taking of each chosen measure to the next.

        As `log.strides` has it; else as its cost asks for, or less in a run that would not take it some 20 times.
        """
        asked = {m.name: stride_within(self.steps, self.log.every, m.stride) for m in self.measures}
        return asked | self.log.strides

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The measures that are chosen, the user's own last."""
        try:
            return (*chosen(self.log.measures), *own_measures(self.log.measures))
        except ValueError as error:
            raise SpecError([Fault("log.measures", str(error))]) from None

    def names_of(self, kind: str) -> list[str]:
        """The name of the task, model, optim, gradient or loss; those of the user's own measures."""
        if kind == "measures":
            return own_words(self.log.measures)
        return [self.loss.name if kind == "loss" else getattr(self, kind)["name"]]

    def build_task(self) -> Task:
        """The task."""
        return _built("task", self.task, {})

    def build_model(self, task: Task | None = None) -> Model:
        """The network, its sizes that depend on the task filled in."""
        return _built("model", self.model, sizes_from(task or self.build_task()))

    def build_optimiser(self) -> Optimiser:
        """The optimiser."""
        return _built("optim", self.optim, {})

    def build_gradient_rule(self) -> GradientRule:
        """What the optimiser is given for the gradient."""
        return _built("gradient", self.gradient, {})


def without_neutral(table: dict[str, Any], added: dict[tuple[str, ...], Any] | None = None) -> dict[str, Any]:
    """A dumped spec less the fields of `ADDED` that have their neutral value."""
    for path, neutral in (ADDED if added is None else added).items():
        if len(path) == 1 and path[0] in table and table[path[0]] == neutral:
            table = {name: value for name, value in table.items() if name != path[0]}
        elif len(path) > 1 and isinstance(table.get(path[0]), dict):
            table = table | {path[0]: without_neutral(table[path[0]], {path[1:]: neutral})}
    return table


def _built(kind: str, table: dict[str, Any], derived: dict[str, int]) -> Any:
    made, faults = construct(kind, table, derived)
    if faults:
        raise SpecError(faults)
    return made

"""What is kept of a study's runs: small Parquet files from which every verdict and figure can be had again."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from latebloom.analysis.outcomes import outcomes
from latebloom.errors import LatebloomError
from latebloom.store import open_study

if TYPE_CHECKING:
    import xarray

    from latebloom.store import Run, Study

ALWAYS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
EXAMINED = "examined.parquet"
VERSIONS = ("latebloom", "python", "torch", "numpy", "platform", "processor", "threads", "git")


Examination = Callable[["Run"], Mapping[str, float]]
"""Numbers by name from one finished run: what is taken from its checkpoints, and is not in its log."""


@dataclass(frozen=True)
class Part:
    """One study's results.

    Attributes:
        runs: a row a run, as `analysis.outcomes` has it: axes, seed, events, end state, `wall_s`. Forks have no end
            state, and `change` is their axis.
        curves: a row a run and log step: `run`, `step`, then scalars, and arrays as `name[label]` or
            `name[label,label]`; null where a measure was not taken.
        facts: versions and machine that the runs were made with, and the study's file.
        examined: a row a run: `run`, then the numbers of the claims' examinations; empty where no claim has any.
    """

    runs: pl.DataFrame
    curves: pl.DataFrame
    facts: dict[str, Any]
    examined: pl.DataFrame = field(default_factory=pl.DataFrame)

    @property
    def seeds(self) -> int:
        """Seeds in the cell that has fewest."""
        axes = [name for name in self.facts["axes"] if name in self.runs.columns]
        return self.runs.group_by(axes).len()["len"].min() if axes else self.runs.height  # pyright: ignore[reportReturnType]

    def where(self, **settings: Any) -> Part:
        """The runs with these values of axes; `optim_lr=1` is the axis `optim.lr`."""
        runs = self.runs
        for name, value in settings.items():
            asked = json.dumps(value) if isinstance(value, list) else value
            runs = runs.filter(pl.col(name.replace("_", ".", 1)) == asked)
        kept = runs["run"].to_list()
        examined = self.examined.filter(pl.col("run").is_in(kept)) if self.examined.height else self.examined
        return Part(runs, self.curves.filter(self.curves["run"].is_in(kept)), self.facts, examined)

    def each(self) -> list[tuple[dict[str, Any], pl.DataFrame]]:
        """Every run's row with its curve, ascending in steps."""
        curves = {str(key[0]): part.sort("step") for key, part in self.curves.group_by("run")}
        return [(row, curves[row["run"]]) for row in self.runs.iter_rows(named=True) if row["run"] in curves]


Results = dict[str, Part]
"""By the study's name."""


def collect(folder: Path, wanted: Iterable[str], text: str, examinations: Iterable[Examination] = ()) -> Part:
    """Reads a trained study.

    Args:
        folder: the study's.
        wanted: scalars and arrays beside `ALWAYS`.
        text: of the study's file.
        examinations: what is taken from each run's checkpoints.

    Raises:
        LatebloomError: no run has ended, or one cannot be examined.
    """
    study = open_study(folder)
    runs = outcomes(study)
    names = (*ALWAYS, *(name for name in wanted if name not in ALWAYS))
    curves = [curve_of(study.run(run), names) for run in runs["run"].to_list()]
    facts = {
        "question": study.plan.question,
        "axes": [path for axis in study.plan.axes for path in axis.paths],
        "seeds": list(study.plan.seeds),
        "made": made_with(study.run(runs["run"][0])),
        "file": text,
    }
    return Part(runs, pl.concat(curves, how="diagonal_relaxed"), facts, _examined(study, runs, list(examinations)))


def made_with(run: Run) -> dict[str, Any]:
    """Versions and machine that a run was made with."""
    return {name: run.provenance.get(name) for name in VERSIONS}


def _examined(study: Study, runs: pl.DataFrame, examinations: list[Examination]) -> pl.DataFrame:
    if not examinations:
        return pl.DataFrame()
    rows = [{"run": run} for run in runs["run"].to_list()]
    for row in rows:
        for examine in examinations:
            row |= {name: float(value) for name, value in examine(study.run(row["run"])).items()}
    return pl.DataFrame(rows, infer_schema_length=None).fill_nan(None)


def curve_of(run: Run, names: Iterable[str]) -> pl.DataFrame:
    """A run's curves as `Part.curves` has them."""
    names = tuple(names)
    scalars = run.scalars
    kept = scalars.select("step", *(name for name in names if name in scalars.columns)).sort("step")
    arrays = run.arrays if any(name not in scalars.columns for name in names) else {}
    for name in names:
        if name in arrays:
            kept = kept.join(_flat(arrays[name]), on="step", how="left")
    numbers = [pl.col(name).cast(pl.Float32) for name in kept.columns if name != "step"]
    return kept.select(pl.lit(run.id).alias("run"), pl.col("step").cast(pl.Int64), *numbers)


def _flat(array: xarray.DataArray) -> pl.DataFrame:
    """An array over steps as a column for each of its entries; rows in which it was not taken are left out."""
    array = array.squeeze("run", drop=True) if "run" in array.dims else array
    axes = [str(dim) for dim in array.dims if dim != "step"]
    columns: dict[str, Any] = {"step": array["step"].to_numpy().astype("int64")}
    for labels in itertools.product(*(array[axis].to_numpy().tolist() for axis in axes)):
        one = array.sel(dict(zip(axes, labels, strict=True)))
        columns[f"{array.name}[{','.join(map(str, labels))}]"] = one.to_numpy().astype("float64")
    return pl.DataFrame(columns).fill_nan(None).filter(~pl.all_horizontal(pl.exclude("step").is_null()))


def write_part(part: Part, folder: Path) -> None:
    """Stores a study's results in a folder of its own.

    Raises:
        LatebloomError: the disk refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.runs.write_parquet(folder / "runs.parquet", compression="zstd", compression_level=19)
        part.curves.write_parquet(folder / "curves.parquet", compression="zstd", compression_level=19)
        if part.examined.height:
            part.examined.write_parquet(folder / EXAMINED, compression="zstd", compression_level=19)
        (folder / "study.toml").write_text(part.facts["file"], "utf-8")
        facts = {name: value for name, value in part.facts.items() if name != "file"}
        (folder / "made.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", "utf-8")
    except OSError as error:
        raise LatebloomError(f"{folder} cannot be written: {error.strerror}") from error


def read_part(folder: Path) -> Part | None:
    """A study's stored results; None where there are none.

    Raises:
        LatebloomError: the files are damaged.
    """
    if not (folder / "runs.parquet").is_file():
        return None
    try:
        facts = json.loads((folder / "made.json").read_text("utf-8"))
        facts["file"] = (folder / "study.toml").read_text("utf-8")
        examined = pl.read_parquet(folder / EXAMINED) if (folder / EXAMINED).is_file() else pl.DataFrame()
        runs, curves = (pl.read_parquet(folder / f"{name}.parquet") for name in ("runs", "curves"))
        return Part(runs, curves, facts, examined)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise LatebloomError(f"{folder} cannot be read: {error}; run the claim again, which writes it anew") from error

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latebloom.errors import LatebloomError
from latebloom.spec import (
    REGISTRIES,
    RunSpec,
    SpecError,
    about,
    describe,
    json_schema,
    override,
    presets,
    read,
    resolve,
    write,
)
from latebloom.spec.run_spec import without_neutral


def quick(**changes: str):
    return resolve(override(read("quick")[1], {name.replace("__", "."): value for name, value in changes.items()}))


def faults(**changes: str) -> dict[str, str]:
    with pytest.raises(SpecError, match="the spec has") as caught:
        quick(**changes)
    return {fault.path: fault.message for fault in caught.value.faults}


@pytest.mark.parametrize("name", presets())
def test_every_preset_resolves_and_survives_being_written(name):
    found, table = read(name)
    spec = resolve(table)
    assert found == name
    assert resolve(tomllib.loads(write(spec))) == spec
    assert resolve(tomllib.loads(write(spec))).identity == spec.identity
    assert len(about(presets()[name])) > 40
    jsonschema.validate(table, json_schema())


def test_all_faults_are_reported_at_once_with_their_paths():
    found = faults(
        task__p="60", task__operation="div", model__n_heads="5", model__foo="1", optim__lr="-1", log__evry="3", bach="3"
    )
    assert set(found) == {"model", "optim.lr", "task", "log.evry", "bach", "model.foo"}
    assert found["optim.lr"] == "expected greater than or equal to 0, got -1"
    assert "expected a prime p for div, got 60" in found["task"]
    assert "n_heads = 4 would do" in found["model"]
    assert found["log.evry"] == "no such field; did you mean every?"
    assert found["bach"] == "no such field; did you mean batch?"


FIELDS = {name: set(facts["properties"]) for name, facts in RunSpec.model_json_schema()["$defs"].items()}
"""The fields of each part's class, by the class's name."""

PARTS = {
    **{
        kind: set(describe(kind)[read("quick")[1].get(kind, {"name": "plain"})["name"]]["fields"])
        for kind in REGISTRIES
    },
    **{name.lower(): fields for name, fields in FIELDS.items()},
    "": {*RunSpec.model_fields, "seed", "epochs"} - {"sources"},
}


def test_the_parts_are_all_parts():
    plain = {"init", "init_scale", "changes", "precision", "batch", "steps", "device", "sources"}
    assert set(PARTS) - {""} == set(RunSpec.model_fields) - plain


@pytest.mark.parametrize("part", PARTS)
def test_a_mistyped_field_is_told_the_fields_of_its_own_table(part):
    named = {"gradient__name": "plain"} if part == "gradient" else {}
    told = faults(**named, **{f"{part}__q" if part else "q": "1"})[f"{part}.q" if part else "q"]
    said, _, known = told.partition("; known: ")
    if PARTS[part]:
        assert (said, set(known.split(", "))) == ("no such field", PARTS[part])
    else:
        assert told == "no such field; there are none"


@pytest.mark.parametrize(("typed", "meant"), [("stps", None), ("floo", "floor"), ("warm_up", "warmup")])
def test_a_field_of_another_table_is_not_suggested(typed, meant):
    told = faults(**{f"schedule__{typed}": "1"})[f"schedule.{typed}"]
    assert ("did you mean" in told) == (meant is not None)
    assert meant is None or f"did you mean {meant}?" in told


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        (
            {"split__fraction": "0.9999", "split__scheme": "power2022"},
            "split.fraction",
            "expected at least one test pair",
        ),
        ({"split__fraction": "0.0001"}, "split.fraction", "expected at least one training pair"),
        ({"split__fraction": "1.5"}, "split.fraction", "expected less than 1, got 1.5"),
        ({"batch": "100000"}, "batch", "expected at most the 1566 training pairs, got 100000"),
        ({"batch": "0"}, "batch", "got 0"),
        ({"steps": "0"}, "steps", "expected greater than or equal to 1, got 0"),
        ({"steps": "1e400"}, "steps", "got inf"),
        ({"optim__lr": "nan"}, "optim.lr", "got nan"),
        ({"seed": "-1"}, "seed", "got -1"),
        ({"seed": "'x'"}, "seed", "got 'x'"),
        ({"epochs": "0"}, "epochs", "expected a whole number ≥ 1, got 0"),
        ({"task__p": "999999"}, "task.p", "expected less than or equal to"),
        ({"task__p": "4001", "task__operation": "add"}, "task", "logits in the full table"),
        ({"task__name": "modul"}, "task.name", "did you mean modular?"),
        ({"model__name": "cnn:Net"}, "model.name", "the module cnn could not be imported"),
        ({"model__name": "absent.py:Net"}, "model.name", "expected a Python file, found none"),
        ({"model__name": "json:JSONDecoder"}, "model.name", "expected a dataclass 'JSONDecoder' in json"),
        ({"model__d_vocab": "7"}, "model.d_vocab", "no such field"),
        ({"init": "nanda2023", "model__tied": "true"}, "init", "use another init scheme"),
        ({"split__scheme": "cosets"}, "split", "expected a subgroup with the scheme cosets"),
        ({"split__subgroup": "'3'"}, "split", "expected a subgroup with the scheme cosets and with no other"),
        (
            {"split__scheme": "cosets", "split__subgroup": "'3'"},
            "split.subgroup",
            "those of the whole group; a group of prime order has no other subgroup",
        ),
        (
            {"split__scheme": "cosets", "split__subgroup": "'2'", "task__name": "polynomial"},
            "split.subgroup",
            "expected a task over a group",
        ),
        (
            {"split__scheme": "rows", "task__name": "conditional", "task__by": "a"},
            "split.scheme",
            "equally many examples for each first operand, got 96 to 97",
        ),
        (
            {"split__scheme": "rows", "split__fraction": "0.01"},
            "split.fraction",
            "expected at least one training block of pairs, got 0.01 of 59: use ≥ 0.01695",
        ),
        ({"split__scheme": "fresh"}, "split.scheme", "expected a task that draws fresh examples (parity, digits,"),
        ({"split__scheme": "fresh"}, "batch", "expected a number of examples with fresh ones at every step"),
        ({"split__scheme": "fresh", "epochs": "3"}, "epochs", "expected steps with fresh examples at every step"),
        ({"task__name": "digits", "model__name": "mlp"}, "model", "expected a network that gives 6 answers"),
        ({"task__name": "digits", "model__causal": "false"}, "model.causal", "would read its own answer"),
        ({"task__name": "digits", "labels__corrupted": "0.1"}, "labels.corrupted", "expected 0 with several answers"),
        ({"stop__event": "grokt"}, "stop.event", "'cleanup-ended' or 'norm-fall-ended', got 'grokt'"),
    ],
)
def test_faults(changes, path, message):
    found = faults(**changes)
    assert message in found[path], found


@pytest.mark.parametrize("kind", REGISTRIES)
def test_everything_built_in_says_its_formula_size_and_source(kind):
    facts = ["Formula", "Domain", "Size", "Source"] if kind == "task" else ["Formula", "Size", "Source"]
    for name, part in describe(kind).items():
        assert list(part["facts"]) == facts, name
        assert all(len(text) > 5 for text in part["facts"].values()), name
        assert part["description"].endswith("."), name
        assert all(field["description"] for field in part["fields"].values()), name


def test_tables_of_the_wrong_kind():
    with pytest.raises(SpecError, match="task: expected a table with a name, got 3"):
        resolve(read("quick")[1] | {"task": 3})
    with pytest.raises(SpecError, match=r"model\.name: expected one of bilinear, mlp, transformer, got None"):
        resolve(read("quick")[1] | {"model": {}})
    with pytest.raises(SpecError, match="task: expected a table"):
        resolve({})


def test_epochs_become_steps():
    table = read("cleanup-mlp")[1]
    table.pop("steps")
    # 2822 pairs in batches of 512: six a pass, the last one smaller
    assert resolve(table | {"epochs": 10}).steps == 60
    with pytest.raises(SpecError, match="expected either steps or epochs, got both"):
        resolve(table | {"epochs": 10, "steps": 5})


def test_one_seed_stands_for_three_and_each_can_be_set():
    assert quick(seed="7").seeds.model_dump() == {"split": 7, "init": 7, "order": 7}
    assert quick(seed="7", seeds__init="1").seeds.model_dump() == {"split": 7, "init": 1, "order": 7}


@given(st.sampled_from(["task.p", "split.fraction", "optim.lr", "seed", "steps", "log.every", "schedule.warmup"]))
def test_every_field_that_decides_the_result_is_in_the_identity(path):
    base = quick()
    changed = resolve(override(read("quick")[1], {path: "0.25" if "fraction" in path or "lr" in path else "61"}))
    assert changed.identity != base.identity
    assert changed.run_id != base.run_id


def test_identity_does_not_depend_on_how_a_spec_was_written():
    assert quick(optim__lr="0.001").identity == quick(optim__lr="1e-3").identity == quick().identity


def test_own_source_file_is_a_part_of_the_identity(tmp_path):
    own = Path(__file__).parents[2] / "examples" / "own_task.py"
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    shutil.copy(own, first)
    second.write_text(own.read_text("utf-8") + "\n# changed\n", "utf-8")
    specs = [quick(task__name=f"{file}:SumOfSquares") for file in (first, second)]
    assert [len(spec.sources["task"]) for spec in specs] == [64, 64]
    assert specs[0].sources != specs[1].sources


def test_own_loss_is_a_part_of_the_identity_and_its_faults_are_told(tmp_path):
    own = Path(__file__).parents[2] / "examples" / "own_loss.py"
    changed = tmp_path / "changed.py"
    changed.write_text(own.read_text("utf-8").replace("SMOOTHING = 0.1", "SMOOTHING = 0.2"), "utf-8")
    specs = [quick(loss__name=f"{file}:smoothed") for file in (own, changed)]
    assert [len(spec.sources["loss"]) for spec in specs] == [64, 64]
    assert specs[0].sources != specs[1].sources
    assert "did you mean smoothed" in faults(loss__name=f"{own}:smooth")["loss.name"]
    assert "found none at" in faults(loss__name=f"{tmp_path}/none.py:smoothed")["loss.name"]
    assert "did you mean stablemax" in faults(loss__name="stablemx")["loss.name"]
    # what is stored is read without running the file
    raw = specs[1].model_dump(mode="json")
    changed.unlink()
    assert RunSpec.model_validate(raw) == specs[1]


def test_own_measure_is_a_part_of_the_identity_and_its_faults_are_told(tmp_path):
    own = Path(__file__).parents[2] / "examples" / "own_measure.py"
    changed = tmp_path / "changed.py"
    changed.write_text(own.read_text("utf-8").replace("cost=0.05", "cost=2.0"), "utf-8")
    specs = [quick(log__measures=f"light,{file}:UNDECIDED") for file in (own, changed)]
    assert [len(spec.sources["measures"]) for spec in specs] == [64, 64]
    assert specs[0].sources != specs[1].sources
    assert [spec.measures[-1].name for spec in specs] == ["undecided", "undecided"]
    assert [spec.strides["undecided"] for spec in specs] == [1, 10]
    assert "did you mean UNDECIDED" in faults(log__measures=f"{own}:UNDECIDE")["log.measures"]
    assert "found none at" in faults(log__measures=f"{tmp_path}/none.py:x")["log.measures"]
    both = f"{own}:UNDECIDED,{changed}:UNDECIDED"
    assert "got 'undecided', which another measure has" in faults(log__measures=both)["log.measures"]
    assert "your own: file.py:object" in faults(log__measures="undecided")["log.measures"]
    strided = quick(log__measures=f"{own}:UNDECIDED", log__strides="{undecided = 7}")
    assert strided.strides == {"fit": 1, "undecided": 7}
    misspelt = faults(log__measures=f"{own}:UNDECIDED", log__strides="{undecide = 7}")
    assert "did you mean undecided" in misspelt["log.strides"]
    # what is stored is read without running the file
    raw = specs[1].model_dump(mode="json")
    changed.unlink()
    assert RunSpec.model_validate(raw) == specs[1]


def test_own_file_that_raises(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("1 / 0", "utf-8")
    assert "could not be loaded: ZeroDivisionError" in faults(task__name=f"{bad}:X")["task.name"]


def test_reading(tmp_path):
    with pytest.raises(LatebloomError, match=r"no such preset: quikc; did you mean quick\?"):
        read("quikc")
    broken = tmp_path / "broken.toml"
    broken.write_text("steps = = 3", "utf-8")
    with pytest.raises(LatebloomError, match="expected TOML, got a syntax error: Invalid value"):
        read(str(broken))
    with pytest.raises(LatebloomError, match="could not be read: No such file"):
        read(str(tmp_path / "none.toml"))
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(LatebloomError, match="could not be read: Is a directory"):
        read(str(tmp_path / "folder.toml"))
    (tmp_path / "My_Spec.toml").write_text(presets()["quick"], "utf-8")
    assert read(str(tmp_path / "My_Spec.toml")) == ("my-spec", read("quick")[1])


def test_override_drops_what_belonged_to_another_name():
    table = override(read("quick")[1], {"model.widths": "[32, 32]", "model.name": "mlp"})
    assert table["model"] == {"name": "mlp", "widths": [32, 32]}
    assert "steps" not in override(read("quick")[1], {"epochs": "5"})
    written = tomllib.loads(write(quick(seed="3")))
    assert set(resolve(override(written, {"seeds.init": "4", "seed": "5"})).seeds.model_dump().values()) == {4, 5}
    with pytest.raises(LatebloomError, match=r"--steps\.x: expected a table at steps"):
        override(read("quick")[1], {"steps.x": "1"})


@pytest.mark.parametrize("kind", ["task", "model", "optim"])
def test_everything_built_in_describes_itself(kind):
    for name, part in describe(kind).items():
        assert part["description"], name
        for field, facts in part["fields"].items():
            assert facts["description"], (name, field)
            assert facts["values"], (name, field)


def test_a_new_field_with_its_neutral_value_is_not_in_the_identity():
    table = {"model": {"name": "mlp", "twist": 0}, "loss": {"name": "mse"}, "cut": None}
    added = {("model", "twist"): 0, ("cut",): None}
    assert without_neutral(table, added) == {"model": {"name": "mlp"}, "loss": {"name": "mse"}}
    changed = table | {"cut": 3, "model": {"name": "mlp", "twist": 1}}
    assert without_neutral(changed, added) == changed
    assert without_neutral(table, {("loss", "name", "x"): 0, ("none",): 0}) == table

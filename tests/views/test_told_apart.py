"""What tells runs apart in a list."""

from latebloom.store import RunRow
from latebloom.views.told_apart import told_apart


def row(folder, **spec):
    return RunRow(folder, folder, "done", "", "", 1, 1, None, spec, [])


def test_runs_of_one_folder_are_told_apart_by_what_differs_among_them():
    def swept(name, decay, seed):
        return row(f"sweep/{name}", optim={"lr": 1e-3, "weight_decay": decay}, seeds={"init": seed}, steps=10)

    rows = [swept("a", 1.0, 0), swept("b", 0.1, 0), swept("c", 0.1, 1), row("alone/d", optim={"lr": 1.0})]
    assert told_apart(rows) == ["optim.weight_decay=1.0", "optim.weight_decay=0.1", "optim.weight_decay=0.1", ""]
    assert told_apart(rows[1:3]) == ["", ""]


def test_a_field_that_only_some_runs_have_is_told_of_these():
    rows = [row("forks/a", fork={"step": 5, "surgery": {"name": "prune"}}), row("forks/b", fork={"step": 5})]
    assert told_apart(rows) == ["fork.surgery.name=prune", ""]


def test_at_most_four_fields_are_told():
    rows = [row("x/a", **dict.fromkeys("abcde", 1)), row("x/b", **dict.fromkeys("abcde", None))]
    assert told_apart(rows) == ["a=1, b=1, c=1, d=1, …", "a=none, b=none, c=none, d=none, …"]


def test_damaged_specs_are_told_as_far_as_they_go():
    assert told_apart([row("x/a"), row("x/b", task=[True]), row("x/c", task={"p": True})]) == [
        "",
        "task=[True]",
        "task.p=true",
    ]

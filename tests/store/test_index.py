"""The index: made from the folders, and never trusted over them."""

from __future__ import annotations

import shutil
import sqlite3

import pytest

from latebloom.store import Index, RunWriter, StoreError
from latebloom.store.layout import Layout
from store.child import train, train_many


@pytest.fixture
def root(tmp_path):
    for name in ("a", "b"):
        train(tmp_path, name, 10)
    RunWriter.open(tmp_path, "other/deep", "c", {"steps": 5}, {}, total_steps=5).fail("it broke")
    Layout(tmp_path / "waiting").folder.mkdir()
    Layout(tmp_path / "waiting").spec.write_text("{}")
    return tmp_path


def told(rows) -> list[tuple]:
    return [(row.folder, row.state, row.last_step, row.total_steps, row.error) for row in rows]


EXPECTED = [
    ("group/a", "done", 10, 10, None),
    ("group/b", "done", 10, 10, None),
    ("other/deep/c", "failed", None, 5, "it broke"),
    ("waiting", "pending", None, None, None),
]


def test_runs_are_listed_with_what_they_are(root):
    rows = Index(root).runs()
    assert told(rows) == EXPECTED
    assert rows[0].events == [{"name": "grokked", "step": 10}]
    assert rows[2].spec == {"steps": 5}


@pytest.mark.parametrize("damage", ["deleted", "rubbish", "torn", "other table", "empty"])
def test_a_lost_or_damaged_index_is_made_anew(root, damage):
    path = root / "index.sqlite"
    assert told(Index(root).runs()) == EXPECTED
    data = path.read_bytes()
    path.unlink()
    if damage == "rubbish":
        path.write_bytes(b"not a database, certainly not" * 100)
    elif damage == "torn":
        path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    elif damage == "other table":
        with sqlite3.connect(path) as connection:
            connection.execute("create table runs (id text)")
        connection.close()
    elif damage == "empty":
        path.touch()
    assert told(Index(root).runs()) == EXPECTED
    assert told(Index(root).rescan()) == EXPECTED
    with sqlite3.connect(path) as connection:
        assert connection.execute("select count(*) from runs").fetchone() == (4,)
    connection.close()


def test_the_folders_are_right_and_the_index_follows(root):
    index = Index(root)
    index.runs()
    shutil.rmtree(root / "group" / "a")
    shutil.copytree(root / "group" / "b", root / "copied")
    (root / "group" / "b" / "manifest.json").unlink()
    assert [(row.folder, row.state) for row in index.runs()] == [
        ("copied", "done"),
        ("group/b", "interrupted"),
        ("other/deep/c", "failed"),
        ("waiting", "pending"),
    ]


def test_entries_and_links_that_leave_the_root_are_ignored(root, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    train(outside, "secret", 10)
    (root / "link").symlink_to(outside)
    index = Index(root)
    index.runs()
    with sqlite3.connect(root / "index.sqlite") as connection:
        for folder in ("../outside/group/secret", str(outside / "group" / "secret"), "link/group/secret"):
            connection.execute(
                "insert into runs select ?, id, state, created, updated, 1, 1, '', spec, events from runs limit 1",
                (folder,),
            )
    connection.close()
    assert told(index.runs()) == EXPECTED


def test_rows_of_another_kind_are_read_from_the_folder_again(root):
    index = Index(root)
    index.runs()
    with sqlite3.connect(root / "index.sqlite") as connection:
        connection.execute("update runs set spec = '[[[' where folder = 'group/a'")
        connection.execute("update runs set state = 'odd' where folder = 'group/b'")
    connection.close()
    assert told(index.runs()) == EXPECTED


def test_one_damaged_run_does_not_hide_the_others(root):
    (root / "waiting" / "spec.json").write_text("{")
    rows = Index(root).runs()
    assert told(rows)[:3] == EXPECTED[:3]
    assert rows[3].state == "failed"
    assert "not valid JSON" in (rows[3].error or "")


def test_progress_shows_before_the_next_checkpoint(tmp_path):
    with RunWriter.open(tmp_path, "g", "a", {}, {}) as run:
        run.log(1, {"loss": 1.0})
        run._live._seconds = 0
        run.log(77, {"loss": 1.0})
        row = Index(tmp_path).runs()[0]
        assert (row.state, row.last_step) == ("running", 77)


def test_no_folder_is_no_runs_and_cannot_be_rescanned(tmp_path):
    assert Index(tmp_path / "absent").runs() == []
    with pytest.raises(StoreError, match=r"cannot be written.*runs themselves are safe"):
        Index(tmp_path / "absent").rescan()


def test_many_processes_write_and_list_at_once(tmp_path, fresh_processes):
    workers = [fresh_processes.Process(target=train_many, args=(tmp_path, f"run-{number}", 5)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    with sqlite3.connect(tmp_path / "index.sqlite") as connection:
        found = connection.execute("select state, count(*) from runs group by state").fetchall()
    connection.close()
    assert found == [("done", 20)]

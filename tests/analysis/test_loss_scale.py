"""cos(g, Hg) does not depend on the loss's scale; as published it does, where norms fall below its ε."""

import pytest

from latebloom import open as open_run
from latebloom.analysis.loss_scale import cosines_by_scale


def test_a_factor_changes_the_published_cosine_only_below_its_epsilon(tmp_path, command):
    args = "run quick --task.p 11 --steps 3 --log.measures none --checkpoints.every 3 --split.fraction 0.5"
    code, _, err = command(*args.split(), "--runs", str(tmp_path))
    assert code == 0, err
    run = open_run(next((tmp_path / "quick").glob("seed-*")))
    found = cosines_by_scale(run, 3, (1.0, 1e3, 1e-9))
    assert found["published_1"] == pytest.approx(found["exact"], rel=1e-3)
    assert found["published_1000"] == pytest.approx(found["exact"], rel=1e-3)
    assert abs(found["published_1e-09"]) < 0.5 * abs(found["exact"])

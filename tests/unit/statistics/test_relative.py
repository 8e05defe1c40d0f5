"""Statistics of relative actions are those of all stretches, one by one."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lecompose.concurrency import Workers
from lecompose.errors import RequestError
from lecompose.formats import feature
from lecompose.statistics import FileRows, relative
from lecompose.statistics.relative import list_relative, measure_relative
from lecompose.statistics.relative_action import RelativeAction

QUANTILES = {"q01": 0.01, "q50": 0.5, "q99": 0.99}
LENGTHS = (7, 3, 12)


def vector(name: str, size: int, names: Any = None) -> Any:
    return feature(name, {"dtype": "float32", "shape": [size], "names": names})


@pytest.mark.parametrize("block", [8, 2**20])
def test_every_stretch_counts(block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relative, "_BLOCK", block)
    rng = np.random.default_rng(0)
    actions, states = (rng.normal(size=(22, 3)).astype(np.float32) for _ in range(2))
    table = pa.table({"action": actions.tolist(), "state": states.tolist()})
    pq.write_table(table, tmp_path / "rows.parquet")
    wanted = RelativeAction("action", "state", 4, ("Grip", ""))
    names = {"motors": ["a", "left_gripper.pos", "c"]}
    found = measure_relative(
        Workers(2, 2**30, tmp_path),
        [FileRows(tmp_path / "rows.parquet", ((0, 7), (7, 10), (10, 22)))],
        [vector("action", 3, names), vector("state", 3)],
        wanted,
        QUANTILES,
    ).whole
    every = []
    for start, length in ((0, 7), (10, 12)):
        for first in range(start, start + length - 3):
            chunk = actions[first : first + 4].copy()
            chunk[:, [0, 2]] -= states[first, [0, 2]]
            every.append(chunk)
    rows = np.concatenate(every)
    assert found["count"].tolist() == [len(rows)]
    assert np.array_equal(found["min"], rows.min(0))
    assert np.array_equal(found["max"], rows.max(0))
    np.testing.assert_allclose(found["mean"], rows.mean(0, dtype=float), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found["std"], rows.std(0, dtype=float), rtol=1e-12)
    for name, level in QUANTILES.items():
        assert np.array_equal(found[name], np.quantile(rows.astype(float), level, axis=0))


@pytest.mark.parametrize(
    ("features", "horizon", "says"),
    [
        ([vector("acton", 3), vector("state", 3)], 4, 'no feature "action"'),
        ([vector("action", 3), vector("state", 2)], 4, "has 2 dimensions"),
        ([vector("action", 3), vector("state", 3)], 13, "no episode has so many frames, the longest one 12"),
        ([feature("action", {"dtype": "string", "shape": [1]}), vector("state", 3)], 4, "is string"),
    ],
)
def test_what_cannot_be(features: list[Any], horizon: int, says: str, tmp_path: Path) -> None:
    files = [FileRows(Path("none"), ((0, 7), (7, 10), (10, 22)))]
    with pytest.raises(RequestError, match=says):
        measure_relative(
            Workers(1, 2**30, tmp_path),
            files,
            features,
            RelativeAction("action", "state", horizon, ()),
            QUANTILES,
        )


def test_names_that_are_not_there_are_relative() -> None:
    wanted = RelativeAction("action", "state", 1, ("x",))
    assert list_relative(wanted, vector("action", 3)) == [True] * 3
    assert list_relative(wanted, vector("action", 3, ["X", "y"])) == [False, True, True]

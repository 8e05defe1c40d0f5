"""Sources that are sound but not alike: what other writers leave behind merges as it should."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import lecompose

Record = Callable[..., Path]


def test_files_of_two_writers_in_one_source(recorded: Record, tmp_path: Path) -> None:
    """LeRobot records on in a packed dataset: the same columns, annotated in another way."""
    one = recorded(cameras=(), frames=(6, 5, 7), seed=4)
    limits: dict[str, Any] = {"data_mb": 0.001, "row_groups": "packed"}
    lecompose.merge([one], out=tmp_path / "packed", **limits)
    last = sorted((tmp_path / "packed/data").glob("*/*.parquet"))[-1]
    assert last.name != "file-000.parquet"
    pq.write_table(pq.read_table(last), last)
    report = lecompose.merge([tmp_path / "packed"], out=tmp_path / "out")
    assert (report.episodes, report.frames) == (3, 18)


@pytest.mark.parametrize(
    "lines", [lambda held: held[:-1], lambda held: [*held, held[-1]]], ids=["less", "more"]
)
def test_statistics_of_too_few_or_too_many_episodes(
    lines: Callable[[list[str]], list[str]], make_dataset: Record, tmp_path: Path
) -> None:
    root = make_dataset(version="v2.1", cameras=(), seed=5)
    path = root / "meta/episodes_stats.jsonl"
    path.write_text("".join(lines(path.read_text().splitlines(keepends=True))))
    lecompose.merge([root], out=tmp_path / "out")
    assert lecompose.check(tmp_path / "out") == []
    rows = pq.read_table(tmp_path / "out/meta/episodes/chunk-000/file-000.parquet").to_pylist()
    data = pq.read_table(tmp_path / "out/data/chunk-000/file-000.parquet")
    for row in rows:
        mine = data.filter(pc.equal(data["episode_index"], row["episode_index"]))
        action = np.array(mine["action"].to_pylist(), dtype=np.float64)
        np.testing.assert_allclose(row["stats/action/mean"], action.mean(0), rtol=1e-6, atol=1e-7)
        assert row["stats/action/count"] == [len(action)]
        assert row["stats/action/q50"] is not None


@pytest.mark.parametrize("row_groups", ["episode", "packed"])
def test_damaged_pages_are_told_alike(row_groups: str, make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset(version="v2.1", cameras=())
    path = sorted(root.glob("data/*/*.parquet"))[-1]
    content = bytearray(path.read_bytes())
    content[40:400] = bytes(byte ^ 0x5A for byte in content[40:400])
    path.write_bytes(content)
    with pytest.raises(lecompose.SourceBroken, match=r"^data cannot be read, damaged pages"):
        lecompose.merge(root, out=tmp_path / "out", row_groups=row_groups)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("row_groups", ["episode", "packed"])
def test_a_vector_of_another_length_is_told(row_groups: str, make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset(cameras=())
    (path,) = (root / "data").glob("*/*.parquet")
    held = pq.read_table(path)
    vectors = held["action"].to_pylist()
    vectors[4] = vectors[4][:-1]
    place = held.schema.get_field_index("action")
    pq.write_table(held.set_column(place, "action", pa.array(vectors, pa.list_(pa.float32()))), path)
    with pytest.raises(lecompose.SourceBroken, match=r'^feature "action" is not as declared: vectors of 6'):
        lecompose.merge(root, out=tmp_path / "out", row_groups=row_groups)
    assert not (tmp_path / "out").exists()

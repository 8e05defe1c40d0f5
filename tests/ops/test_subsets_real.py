"""Subsets of real recordings, put together again: the set that comes out is the set that went in."""

from pathlib import Path
from typing import Any

import pytest
from support.effort import Effort
from support.independent import Pick, assert_composed, every

import lecompose

# All pictures are decoded by `make thorough`, and in test_merge_real.py.
AS_RECORDED: dict[str, Any] = {"robot_type": "Unitree_G1_Inspire", "undecoded": not Effort.whole}


@pytest.fixture(scope="module")
def day(real: Path) -> dict[str, Path]:
    return {"a": real / "g1_pick_a", "b": real / "g1_pick_b"}


def origin(root: Path, day: dict[str, Path]) -> list[Pick]:
    """The recording that each episode was made of, by the oldest step of its lineage."""
    oldest = "from lineage qualify step = max(step) over (partition by src_episode) order by src_episode"
    rows = lecompose.query(root, oldest).to_pylist()
    return [(day[row["from_dataset"]], row["from_episode"]) for row in rows]


def test_split_and_merged_and_sorted_is_the_original(day: dict[str, Path], tmp_path: Path) -> None:
    split = lecompose.split(day, out=tmp_path / "parts", into={"train": 0.7, "val": 0.3}, seed=7)
    assert [output.episodes for output in split.outputs] == [6, 3]
    merged = lecompose.merge([output.path for output in split.outputs], out=tmp_path / "merged")
    assert origin(tmp_path / "merged", day) != every(*day.values()), "a seed that mixes is needed"
    by_source = """
        select src_dataset, src_episode
        from lineage
        qualify step = max(step) over (partition by src_episode)
        order by from_dataset, from_episode
    """
    again = lecompose.compose(by_source, tmp_path / "merged", out=tmp_path / "again")
    assert [r.frames_decoded for r in (split, merged, again)] == [0, 0, 0]
    assert_composed(tmp_path / "again", every(*day.values()), **AS_RECORDED)


def test_delete_is_filter_with_the_complement(day: dict[str, Path], tmp_path: Path) -> None:
    left = [(day["a"], n) for n in (1, 2, 4)]
    for out, report in (
        ("deleted", lecompose.delete(day["a"], out=tmp_path / "deleted", episodes="0,3")),
        ("kept", lecompose.filter(day["a"], out=tmp_path / "kept", where="src_episode in (1, 2, 4)")),
    ):
        assert report.frames_decoded == 0
        assert_composed(tmp_path / out, left, pictures=out == "deleted", **AS_RECORDED)
    videos = [p.read_bytes() for p in sorted(tmp_path.glob("*/videos/*/*/*.mp4"))]
    assert len(videos) == 2
    assert videos[0] == videos[1]


def test_a_sample_of_all_is_a_shuffle(day: dict[str, Path], tmp_path: Path) -> None:
    report = lecompose.sample(day, out=tmp_path / "out", seed=1)
    assert report.frames_decoded == 0
    order = origin(tmp_path / "out", day)
    assert order != every(*day.values())
    assert sorted(order) == sorted(every(*day.values()))
    assert_composed(tmp_path / "out", order, **AS_RECORDED)

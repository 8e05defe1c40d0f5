"""Merging merged datasets loses nothing: seconds do not drift, pointers stay true, tasks stay together."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.effort import few, thorough
from support.independent import assert_merged, decoded, read

import lecompose

Record = Callable[..., Path]


@pytest.mark.parametrize("codec", few(("h264", "libsvtav1", "hevc"), kept=lambda n: n == 0))
def test_merge_of_a_merge_of_a_merge(codec: str, recorded: Record, tmp_path: Path) -> None:
    """Four sources by way of three merges, each limit another one, are the four sources."""
    settings: dict[str, Any] = {"codec": codec, "fps": 24, "cameras": ("front",)}
    sources = [
        recorded(version=version, frames=frames, seed=n, tasks=tasks, **settings)
        for n, (version, frames, tasks) in enumerate(
            [
                ("v2.1", (7, 5, 3), ("pick", "place")),
                ("v3.0", (4, 9), ("wave",)),
                ("v2.0", (3, 6), ("place", "tidy")),
                ("v3.0", (11, 3, 4), ("pick", "wave", "rest")),
            ]
        )
    ]
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    lecompose.merge(sources[:2], out=first, video_mb=0.003)
    lecompose.merge([first, sources[2]], out=second, data_mb=0.003)
    lecompose.merge([second, sources[3]], out=third)
    assert lecompose.check(third) == []
    assert_merged(third, sources)


@thorough
def test_fifty_datasets(recorded: Record, tmp_path: Path) -> None:
    kinds = [
        recorded(
            version=version,
            codec="h264",
            fps=50,
            cameras=("front",),
            frames=(3 + n, 2),
            tasks=("pick", f"task {n}"),
            seed=n,
        )
        for n, version in enumerate(["v2.1", "v3.0", "v2.0", "v2.1", "v3.0"])
    ]
    sources = [kinds[n % 5] for n in range(50)]
    report = lecompose.merge(sources, out=tmp_path / "out")
    assert (report.episodes, report.frames_decoded) == (100, 0)
    made = assert_merged(tmp_path / "out", sources)
    (video,) = made.root.glob("videos/*/*/*.mp4")
    assert len(decoded(video)[0]) == made.info["total_frames"]
    assert made.tasks == ("pick", *(f"task {n}" for n in range(5)))


def test_with_itself(dataset_v30_many_files: Path, dataset_v21: Path, tmp_path: Path) -> None:
    for n, root in enumerate((dataset_v30_many_files, dataset_v21)):
        lecompose.merge([root, root], out=tmp_path / f"{n}")
        assert_merged(tmp_path / f"{n}", [root, root])


@thorough
def test_result_with_a_third_dataset(
    dataset_v20: Path, dataset_v21: Path, dataset_v30: Path, tmp_path: Path
) -> None:
    lecompose.merge([dataset_v21, dataset_v30], out=tmp_path / "two", row_groups="packed")
    lecompose.merge([tmp_path / "two", dataset_v20], out=tmp_path / "three")
    assert_merged(tmp_path / "three", [dataset_v21, dataset_v30, dataset_v20])
    lecompose.merge([dataset_v20, tmp_path / "three"], out=tmp_path / "four")
    assert_merged(tmp_path / "four", [dataset_v20, dataset_v21, dataset_v30, dataset_v20])


def test_one_source_is_made_anew(dataset_v30_many_files: Path, tmp_path: Path) -> None:
    lecompose.merge([dataset_v30_many_files], out=tmp_path / "out")
    assert_merged(tmp_path / "out", [dataset_v30_many_files])


def test_a_merge_of_its_own_output_changes_no_byte(dataset_v21: Path, tmp_path: Path) -> None:
    """But for the lineage, which is one step longer."""
    lecompose.merge([dataset_v21, dataset_v21], out=tmp_path / "one")
    lecompose.merge([tmp_path / "one"], out=tmp_path / "two")
    one, two = tmp_path / "one", tmp_path / "two"
    names = [p.relative_to(one).as_posix() for p in one.rglob("*.*") if p.is_file()]
    differing = [n for n in names if (one / n).read_bytes() != (two / n).read_bytes()]
    assert [n for n in differing if "stats" not in n] == ["meta/lineage.parquet"]
    assert read(one).stats.keys() == read(two).stats.keys()

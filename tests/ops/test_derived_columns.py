"""What rows tell themselves need not be stored: it is counted from their order, and told."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from broken.damage import DATA, edit_parquet, without_columns
from support.effort import every_nth

import lecompose

Record = Callable[..., Path]


def lacking(name: str, sound: Path, to: Path) -> Path:
    shutil.copytree(sound, to)
    edit_parquet(DATA, without_columns(lambda column: column == name), whole=True)(to)
    return to


@every_nth(3)
@pytest.mark.parametrize(
    ("name", "version"), [("frame_index", "v2.1"), ("timestamp", "v3.0"), ("index", "v2.1")]
)
def test_counted_anew(name: str, version: str, recorded: Record, tmp_path: Path) -> None:
    sound = recorded(version=version, codec="h264", cameras=("front",), frames=(6, 5, 7))
    root = lacking(name, sound, tmp_path / "day")
    report = lecompose.merge(root, out=tmp_path / "out")
    saved = lecompose.repair(root, out=tmp_path / "saved")
    for notes in (report.notes, saved.notes):
        assert len([note for note in notes if f'no "{name}"' in note]) == 1
        assert not any(str(tmp_path / "out") in note or "scratch" in note for note in notes)
    assert (saved.dropped, report.frames) == ((), 18)
    assert lecompose.check(tmp_path / "out") == []
    lecompose.repair(sound, out=tmp_path / "true")
    for file in [*(tmp_path / "true").glob("data/*/*.parquet"), *(tmp_path / "true").glob("videos/**/*.mp4")]:
        for out in ("out", "saved"):
            made = tmp_path / out / file.relative_to(tmp_path / "true")
            assert made.read_bytes() == file.read_bytes()
    assert lecompose.info(root).frames == 18
    with lecompose.open([sound, root]) as both:
        held = both.query(f"select {name} from frames order by src_episode, {name}")[name].to_pylist()
        assert held[::2] == held[1::2]
        assert [note for note in both.notes if f'no "{name}"' in note]


def test_rows_that_are_not_in_order_are_not_counted(recorded: Record, tmp_path: Path) -> None:
    root = lacking("frame_index", recorded(version="v2.1", cameras=(), frames=(6, 5)), tmp_path / "day")
    file = root / "data/chunk-000/episode_000001.parquet"
    pq.write_table(without_a_row(pq.read_table(file, partitioning=None)), file)
    with pytest.raises(lecompose.SourceBroken, match="episode 1") as refused:
        lecompose.merge(root, out=tmp_path / "out")
    assert "scratch" not in str(refused.value)
    assert lecompose.delete(root, out=tmp_path / "out", episodes=[1]).frames == 6


def without_a_row(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table.slice(0, 2), table.slice(3)])


def reversed_in_time(table: pa.Table) -> pa.Table:
    return table.take(pa.array(np.arange(len(table))[::-1]))


@every_nth(3)
@pytest.mark.parametrize("change", [without_a_row, reversed_in_time])
@pytest.mark.parametrize("kept", ["timestamp", "index"])
def test_episodes_whose_rows_are_not_all_there_in_order_are_left_out(
    change: Callable[[pa.Table], pa.Table], kept: str, recorded: Record, tmp_path: Path
) -> None:
    sound = recorded(version="v2.1", cameras=(), frames=(6, 5, 7))
    other = "index" if kept == "timestamp" else "timestamp"
    root = lacking("frame_index", lacking(other, sound, tmp_path / "half"), tmp_path / "day")
    file = root / "data/chunk-000/episode_000001.parquet"
    pq.write_table(change(pq.read_table(file, partitioning=None)), file)
    report = lecompose.repair(root, out=tmp_path / "out", dry_run=True)
    ((episode, reason, where),) = [(d.episode, d.reason, d.file) for d in report.dropped]
    assert (episode, where) == (1, str(file))
    assert "in order" in reason

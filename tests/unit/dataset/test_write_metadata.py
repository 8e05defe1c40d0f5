"""meta/ of v3.0 from a description: LeRobot's keys, columns, types and order."""

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lecompose import formats
from lecompose.dataset.write_metadata import (
    ClipPointers,
    DatasetInfo,
    Episodes,
    EpisodesFile,
    Metadata,
    make_episode_rows,
    stat_column,
    write_metadata,
    write_stats,
)
from lecompose.engine import Engine, open_engine
from lecompose.errors import OutputUnwritable

FRONT = formats.feature("front", {"dtype": "video", "shape": [4, 4, 3]})
STATE = formats.feature("state", {"dtype": "float32", "shape": [2]})


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(scratch=tmp_path, threads=1)
    yield engine
    engine.close()


@pytest.fixture
def metadata(engine: Engine) -> Metadata:
    """Two episodes, 3 and 7, of 5 and 10 frames; the second has no video, and no statistics of pictures."""
    columns = {
        "out_dataset": ["d", "d"],
        "src_dataset": ["s", "s"],
        "src_episode": [3, 7],
        "episode_index": [3, 7],
        "tasks": [["pick"], ["pick", "place"]],
        "length": [5, 10],
        "data/chunk_index": [0, 0],
        "data/file_index": [0, 1],
        "dataset_from_index": [0, 5],
        "dataset_to_index": [5, 15],
    }
    clips = {"front": ClipPointers([0, None], [2, None], [10, 0], [15, 10])}
    engine.load("rows", make_episode_rows(columns, clips, fps=Fraction(10)))
    stats = {
        "front/mean": pa.array([[0.1, 0.2, 0.3], None], pa.list_(pa.float64())),
        "state/min": [[1.0, 2.0], [3.0, 4.0]],
        "state/count": [[5.0], [10.0]],
    }
    engine.load("stats", pa.table({"out_dataset": ["d", "d"], "out_episode": [3, 7], **stats}))
    stat_columns = [stat_column(FRONT, "mean"), stat_column(STATE, "min"), stat_column(STATE, "count")]
    return Metadata(
        name="d",
        info=DatasetInfo(
            fps=Fraction(10),
            features={f.name: f.spec for f in (FRONT, STATE)},
            robot_type="so101",
            episodes=2,
            frames=15,
            other={"site": "Żywiec"},
        ),
        tasks={4: "pick", 9: "place"},
        episodes=Episodes(engine, "rows", ["front"], "stats", stat_columns),
        episodes_files=[EpisodesFile(0, 0, 3, 6), EpisodesFile(0, 1, 7, 7)],
    )


def test_info(metadata: Metadata, tmp_path: Path) -> None:
    write_metadata(metadata, tmp_path)
    info = json.loads((tmp_path / "meta/info.json").read_text(encoding="utf-8"))
    assert info == {
        "codebase_version": "v3.0",
        "fps": 10,
        "features": {"front": dict(FRONT.spec), "state": dict(STATE.spec)},
        "total_episodes": 2,
        "total_frames": 15,
        "total_tasks": 2,
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "data_path": formats.DATA_PATH,
        "video_path": formats.VIDEO_PATH,
        "robot_type": "so101",
        "splits": {"train": "0:2"},
        "site": "Żywiec",
    }


def test_tasks_keep_their_numbers(metadata: Metadata, tmp_path: Path) -> None:
    write_metadata(metadata, tmp_path)
    table = pq.read_table(tmp_path / "meta/tasks.parquet")
    assert table.to_pydict() == {"task_index": [4, 9], "task": ["pick", "place"]}
    assert json.loads(table.schema.metadata[b"pandas"])["index_columns"] == ["task"]
    assert not (tmp_path / "meta/subtasks.parquet").exists()


def test_episodes(metadata: Metadata, tmp_path: Path) -> None:
    write_metadata(metadata, tmp_path)
    first, second = (
        pq.ParquetFile(tmp_path / f"meta/episodes/chunk-000/file-00{n}.parquet").read() for n in (0, 1)
    )
    assert first.to_pylist() == [
        {
            "episode_index": 3,
            "tasks": ["pick"],
            "length": 5,
            "data/chunk_index": 0,
            "data/file_index": 0,
            "dataset_from_index": 0,
            "dataset_to_index": 5,
            "videos/front/chunk_index": 0,
            "videos/front/file_index": 2,
            "videos/front/from_timestamp": 1.0,
            "videos/front/to_timestamp": 1.5,
            "stats/front/mean": [[[0.1]], [[0.2]], [[0.3]]],
            "stats/state/min": [1.0, 2.0],
            "stats/state/count": [5],
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
        }
    ]
    (row,) = second.to_pylist()
    assert (row["episode_index"], row["videos/front/file_index"], row["stats/front/mean"]) == (7, None, None)
    assert row["meta/episodes/file_index"] == 1


def test_a_file_that_cannot_be_written_is_named(metadata: Metadata, tmp_path: Path) -> None:
    (tmp_path / "meta").write_text("a file")
    for write in (
        lambda: write_metadata(metadata, tmp_path),
        lambda: write_stats({}, tmp_path),
    ):
        with pytest.raises(OutputUnwritable, match=r"cannot write (metadata|statistics).*meta|stats"):
            write()

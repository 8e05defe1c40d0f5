"""The recorder keeps its word: all other tests lean on it."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow.parquet as pq
import pytest

from recorder import Barcode, picture, read_barcode, record, value
from recorder.stats import QUANTILES, describe


def clips(root: Path) -> list[dict[str, Any]]:
    """Camera, episode, file and first frame of every clip of a v3.0 dataset."""
    info = json.loads((root / "meta/info.json").read_text())
    cameras = [key for key, feature in info["features"].items() if feature["dtype"] == "video"]
    rows = [
        row
        for path in sorted(root.glob("meta/episodes/*/*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]
    return [
        {
            "camera": number,
            "episode": row["episode_index"],
            "length": row["length"],
            "path": root / info["video_path"].format(video_key=key, **place(row, f"videos/{key}")),
            "from_frame": round(row[f"videos/{key}/from_timestamp"] * info["fps"]),
            "fps": info["fps"],
        }
        for row in rows
        for number, key in enumerate(cameras)
    ]


def place(row: dict[str, Any], family: str) -> dict[str, int]:
    return {name: row[f"{family}/{name}"] for name in ("chunk_index", "file_index")}


def decoded(path: Path) -> dict[Fraction, Barcode]:
    """What each frame of a video file shows, by its exact time in seconds."""
    with av.open(str(path)) as video:
        return {
            frame.pts * frame.time_base: read_barcode(frame.to_ndarray(format="rgb24"))
            for frame in video.decode(video=0)
        }


@pytest.mark.parametrize("codec", ["libsvtav1", "h264", "hevc"])
def test_every_frame_of_a_shared_video_file_is_where_the_metadata_says(codec: str, tmp_path: Path) -> None:
    # A clip of one frame is not reordered, its neighbours are.
    lengths = (7, 3, 12, 4, 5) if codec == "hevc" else (7, 1, 12, 2, 5)
    root = record(tmp_path / "out", codec=codec, frames=lengths, fps=24, seed=7, frames_per_video_file=21)
    listed = clips(root)
    assert len({clip["path"] for clip in listed}) == 2 * 2
    for clip in listed:
        shown = decoded(clip["path"])
        for frame in range(clip["length"]):
            time = Fraction(clip["from_frame"] + frame, clip["fps"])
            assert shown[time] == (7, clip["episode"], frame, clip["camera"])


def test_data_files_hold_one_row_group_an_episode(dataset_v30_many_files: Path) -> None:
    files = sorted(dataset_v30_many_files.glob("data/*/*.parquet"))
    groups = [
        pq.ParquetFile(path).read_row_group(number)
        for path in files
        for number in range(pq.ParquetFile(path).num_row_groups)
    ]
    assert len(files) > 1
    assert [set(group["episode_index"].to_pylist()) for group in groups] == [{n} for n in range(8)]
    index = [number for group in groups for number in group["index"].to_pylist()]
    assert index == list(range(52))


@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v3.0"])
def test_values_are_those_of_value(version: str, recorded: Any) -> None:
    root = recorded(version=version, seed=2, state_dim=3)
    rows = [row for path in sorted(root.glob("data/*/*.parquet")) for row in pq.read_table(path).to_pylist()]
    assert len(rows) == 30
    for row in rows:
        expected = value("observation.state", row["episode_index"], row["frame_index"], seed=2, dim=3)
        assert np.array_equal(np.float32(row["observation.state"]), expected)


def test_v3_files_change_at_places_of_their_own(dataset_v30_many_files: Path) -> None:
    root = dataset_v30_many_files
    counts = {
        "data": len(list(root.glob("data/*/*.parquet"))),
        "front": len(list(root.glob("videos/*front/*/*.mp4"))),
        "wrist": len(list(root.glob("videos/*wrist/*/*.mp4"))),
        "meta": len(list(root.glob("meta/episodes/*/*.parquet"))),
    }
    assert counts == {"data": 3, "front": 5, "wrist": 3, "meta": 3}


def test_chunks(tmp_path: Path) -> None:
    root = record(tmp_path / "out", cameras=(), episodes=5, frames_per_data_file=10, chunks_size=2)
    files = sorted(path.relative_to(root).as_posix() for path in root.glob("data/*/*.parquet"))
    assert files[2:] == [
        "data/chunk-001/file-000.parquet",
        "data/chunk-001/file-001.parquet",
        "data/chunk-002/file-000.parquet",
    ]


def test_quantiles_are_near_the_true_ones() -> None:
    numbers = np.random.default_rng(0).uniform(size=(4000, 2))
    stats = describe(numbers, quantiles=True)
    for name, share in QUANTILES.items():
        assert stats[name] == pytest.approx(np.quantile(numbers, share, axis=0), abs=0.001)


def test_barcode_survives_and_nothing_else_passes_for_one() -> None:
    mark = Barcode(seed=255, episode=4095, frame=1234, camera=3)
    noise = np.random.default_rng(0).integers(-40, 40, size=(48, 64, 3))
    assert read_barcode(np.clip(picture(mark, (64, 48)) + noise, 0, 255)) == mark
    with pytest.raises(ValueError, match="no bar code"):
        read_barcode(np.zeros((48, 64, 3), np.uint8) + np.arange(64, dtype=np.uint8)[None, :, None] * 4)


def test_refuses_what_it_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="v1\\.6"):
        record(tmp_path / "old", version="v1.6")
    with pytest.raises(ValueError, match="vp9"):
        record(tmp_path / "other", codec="vp9")
    with pytest.raises(ValueError, match="hevc needs 3 frames"):
        record(tmp_path / "short", codec="hevc", frames=2)
    (tmp_path / "there").mkdir()
    with pytest.raises(FileExistsError):
        record(tmp_path / "there")

"""drop-frames --join: an episode stays one, without some frames, timed from 0 on."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pytest
from ops.test_pieces import LENGTHS, SMALL, command, halves
from support import typed
from support.effort import few
from support.independent import Dataset, read
from support.typed import Kind

import lecompose
from lecompose.errors import MediaError

Record = Callable[..., Path]
DROPPED = "frame_index in (0, 3, 4, 7)"
KEPT = [[n for n in range(length) if n not in (0, 3, 4, 7)] for length in LENGTHS]
RANGES = [[(1, 3), (5, 7), (8, length)] for length in LENGTHS]
CAMERA = "observation.images.front"


def pictures(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as video:
        return [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]


def clips(dataset: Dataset) -> list[list[np.ndarray]]:
    """The pictures of each episode."""
    found = []
    for episode in dataset.episodes:
        path, first = episode.clips[CAMERA]
        found.append(pictures(dataset.root / path)[first : first + len(episode)])
    return found


def psnr(ours: np.ndarray, theirs: np.ndarray) -> float:
    error = np.mean((ours.astype(float) - theirs.astype(float)) ** 2)
    return float("inf") if not error else 10 * np.log10(255**2 / error)


def assert_joined(out: Path, root: Path, *, kept: Sequence[Sequence[int]] = KEPT, least_db: float) -> None:
    """The output's episodes are those frames of the source's, one behind the other."""
    made, source = read(out), read(root)
    assert lecompose.check(out, decode=True) == []
    assert [len(e) for e in made.episodes] == [len(frames) for frames in kept]
    for ours, theirs, frames in zip(made.episodes, source.episodes, kept, strict=True):
        assert ours.rows["frame_index"].to_pylist() == list(range(len(frames)))
        times = (np.arange(len(frames)) / source.info["fps"]).astype(np.float32)
        assert ours.rows["timestamp"].to_numpy().tolist() == times.tolist()
        for name in ("observation.state", "action"):
            assert ours.rows[name].to_pylist() == theirs.rows[name].take(frames).to_pylist()
        assert list(ours.tasks) == [theirs.tasks[n] for n in frames]
        assert list(ours.listed) == list(dict.fromkeys(ours.tasks))
    for ours, theirs, frames in zip(clips(made), clips(source), kept, strict=True):
        assert len(ours) == len(frames)
        assert min(psnr(a, theirs[n]) for a, n in zip(ours, frames, strict=True)) >= least_db


def assert_true_statistics(out: Path, made: Dataset) -> None:
    again = out.parent / f"{out.name}_again"
    lecompose.stats(out, out=again)
    for ours, true in zip(made.episodes, read(again).episodes, strict=True):
        for key, values in ours.stats.items():
            if "images" not in key:
                np.testing.assert_allclose(values, true.stats[key], rtol=1e-6, err_msg=key)


@pytest.mark.parametrize("version", few(("v3.0", "v2.1"), kept=lambda n: n == 0))
@pytest.mark.parametrize("row_groups", few(("episode", "packed"), kept=lambda n: n == 0))
def test_runs_are_one_episode(version: str, row_groups: str, recorded: Record, tmp_path: Path) -> None:
    day = recorded(**SMALL, version=version, task_of=halves, seed=5)
    out = tmp_path / "out"
    report = lecompose.drop_frames(day, out=out, where=DROPPED, join=True, row_groups=row_groups)
    assert (report.episodes, report.reencoded) == (3, ())
    assert_joined(out, day, least_db=float("inf"))
    assert_true_statistics(out, read(out))
    lineage = lecompose.query(out, "select src_episode, from_frame, to_frame from lineage").to_pylist()
    assert [tuple(row.values()) for row in lineage] == [(n, *r) for n, rs in enumerate(RANGES) for r in rs]
    lecompose.merge(out, out=tmp_path / "again")
    assert [e.rows["action"] for e in read(tmp_path / "again").episodes] == [
        e.rows["action"] for e in read(out).episodes
    ]
    assert len(lecompose.query(tmp_path / "again", "from lineage where step = 1")) == 9


def test_the_command_shows_each_piece(recorded: Record, tmp_path: Path) -> None:
    day = recorded(**SMALL, task_of=halves, seed=5)
    words = ("drop-frames", day, "-o", tmp_path / "out", "--where", DROPPED, "--join", "--dry-run")
    said = command(*words)
    rows = [(r["out_episode"], r["from_frame"], r["to_frame"]) for r in said["plan"]]
    assert rows == [(n, *r) for n, rs in enumerate(RANGES) for r in rs]
    assert said["episodes"] == 3
    assert not (tmp_path / "out").exists()


def test_first_frames_of_pieces_are_encoded(recorded: Record, tmp_path: Path) -> None:
    day = recorded(**SMALL | {"gop": 2, "codec": "libsvtav1"}, task_of=halves, seed=6)
    report = lecompose.drop_frames(day, out=tmp_path / "out", where=DROPPED, join=True)
    # Of each episode the pieces at 1 and 5 start behind a keyframe; the one at 8 does not.
    assert [(c.frames, c.frames_copied) for c in report.reencoded] == [(1, 1), (1, 1)] * 3
    assert_joined(tmp_path / "out", day, least_db=30)


def test_pieces_that_no_file_could_hold_are_encoded_whole(recorded: Record, tmp_path: Path) -> None:
    # With B-frames a piece may need frames behind its end: that one is encoded, and its fellows with it.
    day = recorded(**SMALL | {"gop": 30, "frames": (30,), "cameras": ("front",)}, seed=7)
    where, kept = "frame_index in (9, 10, 20)", [[*range(9), *range(11, 20), *range(21, 30)]]
    with_b = encoded_with_b_frames(day, tmp_path / "b")
    report = lecompose.drop_frames(with_b, out=tmp_path / "out", where=where, join=True)
    assert [clip.frames for clip in report.reencoded] == [9, 9, 9]
    assert "joined with pieces that are encoded again" in {clip.reason for clip in report.reencoded}
    assert_joined(tmp_path / "out", with_b, kept=kept, least_db=30)
    with pytest.raises(MediaError, match="cannot be copied"):
        lecompose.drop_frames(with_b, out=tmp_path / "no", where=where, join=True, reencode=False)


def encoded_with_b_frames(root: Path, to: Path) -> Path:
    """The dataset with its video encoded again, with frames that lean on later ones."""
    import shutil

    shutil.copytree(root, to)
    (path,) = to.glob("videos/**/*.mp4")
    frames = pictures(path)
    path.unlink()
    with av.open(str(path), "w") as video:
        options = {"x264-params": "bframes=3:b-adapt=0:keyint=30:min-keyint=30:scenecut=0", "crf": "20"}
        stream = video.add_stream("libx264", rate=30, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            video.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        video.mux(stream.encode())
    return to


def test_what_holds_on_is_said_once(tmp_path: Path) -> None:
    def row(text: str, time_s: float, style: str = "subtask") -> dict[str, Any]:
        said = {"role": "assistant", "content": text, "style": style, "timestamp": time_s}
        return said | {"camera": None, "tool_calls": None}

    said = [row("plan", 0.0, "plan"), row("reach", 0.0), row("grasp", 0.4), row("lift", 0.8)]

    def stored(rows: int) -> pa.Array:
        return typed.stored_language("language_persistent", [said] * rows, json_type=False)

    cells = Kind("language", (1,), lambda rng, n: stored(n))
    root = typed.write(tmp_path / "said", {"language_persistent": cells}, lengths=[12])
    # Left are 1, 2, then 5, 6, then 7, 8 behind each other, then 10.
    lecompose.drop_frames(root, out=tmp_path / "out", where="frame_index in (0, 3, 4, 9, 11)", join=True)
    lists = lecompose.query(tmp_path / "out", "select language_persistent as said from frames")["said"]
    found = {
        tuple((each["content"], round(each["timestamp"] * 10)) for each in cell) for cell in lists.to_pylist()
    }
    assert found == {(("plan", 0), ("reach", 0), ("grasp", 2), ("lift", 5))}


def test_at_another_rate_and_with_computed_values(recorded: Record, tmp_path: Path) -> None:
    day = recorded(**SMALL, seed=5)
    lecompose.drop_frames(day, out=tmp_path / "out", where=DROPPED, join=True, fps=15)
    # Of each piece every second frame: 1, then 5, then 8, 10, …
    kept = [[1, 5, *range(8, length, 2)] for length in LENGTHS]
    made, source = read(tmp_path / "out"), read(day)
    assert lecompose.check(tmp_path / "out", decode=True) == []
    for ours, theirs, frames in zip(made.episodes, source.episodes, kept, strict=True):
        assert ours.rows["action"].to_pylist() == theirs.rows["action"].take(frames).to_pylist()
        assert ours.rows["timestamp"].to_pylist() == [float(np.float32(n / 15)) for n in range(len(frames))]
    lecompose.drop_frames(day, out=tmp_path / "more", where=DROPPED, join=True, add={"was": "frame_index"})
    assert [e.rows["was"].to_pylist() for e in read(tmp_path / "more").episodes] == KEPT


def test_a_piece_that_is_a_row_group_is_numbered_from_0(make_dataset: Record, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    root = make_dataset("day", cameras=(), frames=(10, 10))
    (path,) = root.glob("data/**/*.parquet")
    pq.write_table(pq.read_table(path), path, row_group_size=5)
    lecompose.cut(root, out=tmp_path / "out", every=5)
    assert [e.rows["frame_index"].to_pylist() for e in read(tmp_path / "out").episodes] == [[*range(5)]] * 4

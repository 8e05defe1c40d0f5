"""Rates: frames dropped on the grid so that sources of different rates go together, and frames timed anew."""

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pytest
from conftest import digest
from support.edited import retimed
from support.effort import every_nth, few, thorough
from support.independent import Dataset, Episode, assert_composed, assert_same_values, decoded, every, read

import lecompose
from lecompose.errors import FeatureMismatch, MediaError, RequestError
from recorder import read_barcode

Record = Callable[..., Path]
VERSIONS = ("v2.0", "v2.1", "v3.0")
SMALL: dict[str, Any] = {"cameras": ("front", "wrist"), "codec": "h264", "frames": (7, 1, 12)}
# The recorder's HEVC needs three frames.
FRONT: dict[str, Any] = {"cameras": ("front",), "frames": (7, 3, 12)}


def thinned(episode: Episode, stride: int) -> Episode:
    """Every `stride`-th frame of an episode, by pyarrow; its statistics are to be computed."""
    kept = pa.array(range(0, len(episode), stride))
    rows = episode.rows.take(kept)
    at = rows.schema.get_field_index("frame_index")
    rows = rows.set_column(at, "frame_index", pa.array(range(len(kept)), pa.int64()))
    return replace(episode, rows=rows, tasks=episode.tasks[::stride], stats={})


def marks(path: Path, first: int, count: int) -> list[tuple[int, int]]:
    """Episode and frame that the bar codes in a video say, frame by frame."""
    with av.open(str(path)) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    return [read_barcode(image)[1:3] for image in frames[first : first + count]]


def assert_thinned(out: Path, fps: int, *sources: Path) -> None:
    """Each frame that is on the grid, its cells and its pictures, and no other."""
    assert lecompose.check(out) == []
    made = read(out)
    strides = [read(root).info["fps"] // fps for root in sources]
    # Statistics of pictures are tested where they are measured.
    ours = iter([{k: v for k, v in e.stats.items() if "images" in k} for e in made.episodes])

    def edited(dataset: Dataset) -> Dataset:
        stride = dataset.info["fps"] // fps
        known = [next(ours) for _ in dataset.episodes]
        if stride == 1:
            return dataset
        held = [replace(thinned(e, stride), stats=k) for e, k in zip(dataset.episodes, known, strict=True)]
        return replace(dataset, info=dataset.info | {"fps": fps}, episodes=tuple(held))

    assert_composed(out, every(*sources), edited=edited, pictures=False)
    number = 0
    for root, stride in zip(sources, strides, strict=True):
        for n, episode in enumerate(read(root).episodes):
            wanted = list(range(0, len(episode), stride))
            for camera in made.cameras:
                path, first = made.episodes[number].clips[camera]
                assert marks(path, first, len(wanted)) == [(n, k) for k in wanted]
            number += 1
    for path in out.glob("videos/*/*/*.mp4"):
        times, _, rate = decoded(path)
        assert times == [Fraction(k, fps) for k in range(len(times))]
        assert rate == fps


@pytest.mark.parametrize(
    ("row_groups", "version"), few(product(("episode", "packed"), VERSIONS), kept=lambda n: n in (0, 2, 4))
)
def test_frames_are_dropped_on_the_grid(
    version: str, row_groups: str, recorded: Record, tmp_path: Path
) -> None:
    a = recorded(version=version, fps=30, **SMALL)
    b = recorded(version="v3.0", fps=10, seed=4, **SMALL)
    report = lecompose.merge({"a": a, "b": b}, out=tmp_path / "out", fps=10, row_groups=row_groups)
    if row_groups == "episode":
        assert_thinned(tmp_path / "out", 10, a, b)
    assert {(clip.src_dataset, clip.src_episode, clip.camera) for clip in report.reencoded} == {
        ("a", n, f"observation.images.{camera}") for n in range(3) for camera in ("front", "wrist")
    }
    assert report.frames == sum(-(-n // 3) for n in SMALL["frames"]) + sum(SMALL["frames"])
    assert report.notes[0].startswith('source "a": of every 3 frames the first is taken, 30 fps to 10')


def test_the_plan_says_it(recorded: Record, tmp_path: Path) -> None:
    source = recorded(fps=30, **SMALL)
    report = lecompose.merge(source, out=tmp_path / "out", fps="15", dry_run=True)
    assert report.frames == 4 + 1 + 6
    assert [clip.frames for clip in report.reencoded if "front" in clip.camera] == [4, 1, 6]
    assert {clip.reason for clip in report.reencoded} == {"of every 2 frames one is taken"}
    assert "30 fps to 15" in report.notes[0]


@every_nth(2)
@pytest.mark.parametrize("codec", ["libsvtav1", "h264", "hevc"])
def test_every_codec(codec: str, recorded: Record, tmp_path: Path) -> None:
    source = recorded(fps=30, codec=codec, **FRONT)
    lecompose.merge(source, out=tmp_path / "out", fps=15)
    assert_thinned(tmp_path / "out", 15, source)


def test_what_it_moves_is_told_as_video_and_frame_by_frame(recorded: Record, tmp_path: Path) -> None:
    class Steps:
        def __init__(self) -> None:
            self.stages: dict[str, tuple[int, list[int]]] = {}

        def stage(self, name: str, size_bytes: int, episodes: int = 0) -> None:
            self.now = self.stages[name] = (size_bytes, [])

        def advance(self, size_bytes: int, episodes: int = 0) -> None:
            self.now[1].append(size_bytes)

    steps = Steps()
    source = recorded(codec="h264", cameras=("front",), frames=(12, 9), fps=30)
    report = lecompose.merge(source, out=tmp_path / "out", fps=15, progress=steps)
    (video,) = (tmp_path / "out").glob("videos/*/*/*.mp4")
    assert 0 < report.bytes_encoded_video < video.stat().st_size  # the pictures, without the tables
    assert report.bytes_encoded > report.bytes_encoded_video
    moved, advances = steps.stages["video"]
    assert len([size for size in advances if size]) >= 12 + 9
    assert max(advances) < moved / 2


def test_statistics_are_those_of_the_frames_that_are_left(recorded: Record, tmp_path: Path) -> None:
    source = recorded(fps=30, cameras=("front",), image_features=("top",), codec="h264", frames=(30, 12))
    lecompose.merge(source, out=tmp_path / "out", fps=15)
    made = read(tmp_path / "out")
    for camera in ("observation.images.front", "observation.images.top"):
        told = made.stats[camera]
        assert np.shape(told["mean"]) == (3, 1, 1)
        for episode in made.episodes:
            assert episode.stats[f"{camera}/count"] == [len(episode)]  # so few are all looked at
    recomputed = lecompose.stats(tmp_path / "out", images=True)
    assert isinstance(recomputed, dict)
    assert recomputed == made.stats


def test_without_videos_nothing_is_encoded(recorded: Record, tmp_path: Path) -> None:
    source = recorded(fps=30, cameras=(), image_features=("top",), frames=(7, 1, 12))
    report = lecompose.filter(source, out=tmp_path / "out", where="length > 1", fps=10, reencode=False)
    assert report.frames == 3 + 4
    made, given = read(tmp_path / "out"), read(source)
    for ours, theirs in zip(made.episodes, [given.episodes[0], given.episodes[2]], strict=True):
        wanted = thinned(theirs, 3).rows
        for name in ("observation.images.top", "action", "timestamp"):
            assert_same_values(ours.rows[name], wanted[name], name)


def test_a_new_feature_and_another_rate_are_two_steps(recorded: Record, tmp_path: Path) -> None:
    """A reward in the last frame would be lost with it."""
    source = recorded(fps=30, **(SMALL | {"cameras": ()}))
    with pytest.raises(RequestError, match="one after the other"):
        lecompose.merge(source, out=tmp_path / "out", fps=10, add={"was": "frame_index"})
    lecompose.merge(source, out=tmp_path / "slow", fps=10)
    lecompose.edit_features(tmp_path / "slow", out=tmp_path / "out", add={"last": "frame_index = length - 1"})
    made = read(tmp_path / "out")
    assert [e.rows["last"].to_pylist()[-1] for e in made.episodes] == [True] * 3


def test_scattered_episodes_of_two_rates(recorded: Record, tmp_path: Path) -> None:
    a = recorded(fps=20, cameras=(), frames=tuple(1 + n % 5 for n in range(30)), frames_per_data_file=20)
    b = recorded(fps=10, cameras=(), frames=tuple(1 + n % 4 for n in range(30)), seed=2)
    lecompose.sample({"a": a, "b": b}, out=tmp_path / "out", fps=10, seed=1)
    came = lecompose.query(
        tmp_path / "out", "select from_dataset, from_episode from lineage where step = 0 order by src_episode"
    ).to_pylist()
    given = {"a": (read(a), 2), "b": (read(b), 1)}
    for ours, row in zip(read(tmp_path / "out").episodes, came, strict=True):
        dataset, stride = given[row["from_dataset"]]
        wanted = thinned(dataset.episodes[row["from_episode"]], stride).rows
        assert_same_values(ours.rows["action"], wanted["action"], "action")
    assert lecompose.check(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("rates", "asked", "told"),
    [
        ((30, 15), None, 'fps: 30 in "a"; 15 in "b". One dataset has one rate. Try: --fps 15'),
        ((30, 20), None, "Try: --fps 10"),
        ((30, 20), 15, 'fps: 20 in "b" is not a whole multiple of 15'),
        ((30, 30), 60, 'fps: 30 in "a" is not a whole multiple of 60'),
    ],
)
def test_rates_that_do_not_go_together(
    rates: tuple[int, int], asked: int | None, told: str, recorded: Record, tmp_path: Path
) -> None:
    a, b = (recorded(fps=fps, cameras=(), frames=(3,)) for fps in rates)
    with pytest.raises(FeatureMismatch) as refused:
        lecompose.merge({"a": a, "b": b}, out=tmp_path / "out", fps=asked)
    assert told in str(refused.value)


@pytest.mark.parametrize("fps", [0, -1, "fast", "1/0", float("nan")])
def test_no_rate(fps: float | str, recorded: Record, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"--fps .*: a number of frames per second"):
        lecompose.merge(recorded(cameras=(), frames=(3,)), out=tmp_path / "out", fps=fps)


def test_no_reencode_refuses_it(recorded: Record, tmp_path: Path) -> None:
    source = recorded(fps=30, **SMALL)
    with pytest.raises(MediaError, match="of every 2 frames one is taken"):
        lecompose.merge(source, out=tmp_path / "out", fps=15, reencode=False)
    assert list(tmp_path.iterdir()) == []


# Timed anew -------------------------------------------------------------------------------------


@every_nth(2)
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_videos_of_key_frames_alone_have_headers_of_their_own(
    codec: str, recorded: Record, tmp_path: Path
) -> None:
    settings = SMALL | {"codec": codec, "cameras": ("front",), "frames": (8, 12)}
    sources = [recorded(**settings, gop=gop) for gop in (1, 4)]
    lecompose.merge(sources, out=tmp_path / "out", fps=15)
    assert_thinned(tmp_path / "out", 15, *sources)


@pytest.mark.parametrize(
    ("version", "codec"),
    few(product(VERSIONS, ("libsvtav1", "h264", "hevc")), kept=lambda n: n % 3 == n // 3),
)
def test_every_frame_is_kept_and_timed_anew(
    version: str, codec: str, recorded: Record, tmp_path: Path
) -> None:
    source = recorded(version=version, codec=codec, **FRONT)
    report = lecompose.edit_info(source, out=tmp_path / "out", retime=12, robot_type="so101")
    assert report.frames_decoded == 0
    assert lecompose.check(tmp_path / "out") == []
    assert_composed(tmp_path / "out", every(source), edited=retimed(12), robot_type="so101")


def test_the_robot_in_place(make_dataset: Record) -> None:
    root = make_dataset("day", **SMALL)
    lecompose.edit_info(root, in_place=True, robot_type="so101")
    assert read(root).info["robot_type"] == "so101"
    assert lecompose.check(root) == []


@pytest.mark.parametrize("rate", few(("29.97", "30000/1001"), kept=lambda n: n == 0))
def test_a_rate_that_was_asked_for_is_no_finding(rate: str, recorded: Record, tmp_path: Path) -> None:
    lecompose.edit_info(recorded(fps=30, **SMALL), out=tmp_path / "out", retime=rate)
    assert lecompose.check(tmp_path / "out") == []
    lecompose.merge(tmp_path / "out", out=tmp_path / "merged")
    assert lecompose.check(tmp_path / "merged") == []
    info = json.loads((tmp_path / "merged/meta/info.json").read_text())
    (tmp_path / "merged/meta/info.json").write_text(json.dumps(info | {"fps": 29.98}))
    assert "fps_whole" in {f.code for f in lecompose.check(tmp_path / "merged")}


@thorough
def test_there_and_back_again(recorded: Record, tmp_path: Path) -> None:
    source = recorded(fps=30, **SMALL)
    lecompose.edit_info(source, out=tmp_path / "slow", retime=10)
    lecompose.edit_info(tmp_path / "slow", out=tmp_path / "back", retime=30)
    lecompose.merge(source, out=tmp_path / "plain", rewrite_data=True)
    assert_composed(tmp_path / "back", every(source), edited=retimed(30))
    assert digest(tmp_path / "back/data") == digest(tmp_path / "plain/data")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "no change was given"),
        ({"retime": 0}, "--retime 0: a number of frames per second"),
        ({"retime": 15, "fps": 15}, "--retime keeps every frame, --fps leaves some out"),
    ],
)
def test_info_that_cannot_be(asked: dict[str, Any], told: str, recorded: Record, tmp_path: Path) -> None:
    with pytest.raises(RequestError) as refused:
        lecompose.edit_info(recorded(**SMALL), out=tmp_path / "out", **asked)
    assert told in str(refused.value)

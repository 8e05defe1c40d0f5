"""Random pieces of videos of every kind: rows and copied pictures are the source's, encoded ones near it."""

import shutil
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ops.test_pieces import halves
from support.effort import examples, few
from support.independent import Dataset, read

import lecompose

Record = Callable[..., Path]
Span = tuple[str, int, int, int]

CAMERA = "observation.images.front"
LENGTHS = (9, 41, 23)
LEAST_DB = 40.0
# The codec that is recorded, how far its keyframes are apart, and what encodes its videos once more.
Again = tuple[str, dict[str, str]]


def x264(params: str) -> Again:
    return "libx264", {"crf": "18", "x264-params": f"b-adapt=0:scenecut=0:bframes=3:{params}"}


def x265(params: str) -> Again:
    return "libx265", {"crf": "18", "x265-params": f"log-level=none:pools=1:scenecut=0:b-adapt=0:{params}"}


KINDS: dict[str, tuple[str, int, Again | None]] = {
    "h264 g=2": ("h264", 2, None),
    "h264 g=30": ("h264", 30, None),
    "h264 with B-frames": ("h264", 30, x264("keyint=30:min-keyint=30")),
    "h264 open": ("h264", 30, x264("keyint=12:min-keyint=12:open-gop=1")),
    "hevc g=2": ("h264", 2, x265("keyint=2:min-keyint=2:bframes=0:open-gop=0")),
    "hevc g=30": ("h264", 2, x265("keyint=30:min-keyint=30:bframes=0:open-gop=0")),
    "hevc with B-frames": ("h264", 2, x265("keyint=30:min-keyint=30:bframes=3")),
    "av1 g=2": ("libsvtav1", 2, None),
    "av1 g=30": ("libsvtav1", 30, None),
}
VERSIONS = ("v3.0", "v2.1", "v2.0")


@pytest.fixture(scope="session", params=few(KINDS, kept=lambda n: n == 8))
def source(
    recorded: Record, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    codec, gop, again = KINDS[request.param]
    version = VERSIONS[list(KINDS).index(request.param) % 3]
    root = recorded(
        codec=codec, gop=gop, version=version, frames=LENGTHS, cameras=("front",), size=(96, 64),
        task_of=halves, crf=30 if codec == "libsvtav1" else 18, seed=11,
    )  # fmt: skip
    if again is None:
        return root
    copy = tmp_path_factory.mktemp("again") / "day"
    shutil.copytree(root, copy)
    for path in copy.glob("videos/**/*.mp4"):
        encode(pictures(path), path, *again)
    return copy


def encode(frames: Sequence[np.ndarray], path: Path, encoder: str, options: dict[str, str]) -> None:
    path.unlink()
    with av.open(str(path), "w") as video:
        stream = video.add_stream(encoder, rate=30, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            video.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        video.mux(stream.encode())


def pictures(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as video:
        return [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]


@lru_cache(maxsize=4)
def read_source(root: Path) -> tuple[Dataset, list[list[np.ndarray]]]:
    dataset = read(root)
    return dataset, clips(dataset)


def clips(dataset: Dataset) -> list[list[np.ndarray]]:
    """The pictures of each episode; each file is decoded once, in its order."""
    files: dict[str, list[np.ndarray]] = {}
    found = []
    for episode in dataset.episodes:
        path, first = episode.clips[CAMERA]
        held = files.setdefault(str(path), []) or files[str(path)]
        held or held.extend(pictures(dataset.root / path))
        found.append(held[first : first + len(episode)])
    return found


def psnr(ours: np.ndarray, theirs: np.ndarray) -> float:
    error = np.mean((ours.astype(float) - theirs.astype(float)) ** 2)
    return float("inf") if not error else float(10 * np.log10(255**2 / error))


def assert_frames(
    out: Path, root: Path, frames: Sequence[Sequence[tuple[int, int]]], encoded: dict[int, int]
) -> float:
    """Every episode is these frames (episode, frame) of the source; return how near the worst picture is.

    Of an episode so many first frames may be `encoded`; without a number any may be.
    """
    given, theirs = read_source(root)
    made = read(out)
    ours = clips(made)
    assert [len(e) for e in made.episodes] == [len(each) for each in frames]
    worst = float("inf")
    for number, (episode, wanted) in enumerate(zip(made.episodes, frames, strict=True)):
        assert episode.rows["frame_index"].to_pylist() == list(range(len(wanted)))
        times = (np.arange(len(wanted)) / given.info["fps"]).astype(np.float32)
        assert np.array_equal(episode.rows["timestamp"].to_numpy(), times)
        assert list(episode.tasks) == [halves(e, f) for e, f in wanted]
        for name in ("observation.state", "action"):
            rows = [given.episodes[e].rows[name][f].as_py() for e, f in wanted]
            assert episode.rows[name].to_pylist() == rows
        for place, (picture, (e, f)) in enumerate(zip(ours[number], wanted, strict=True)):
            near = psnr(picture, theirs[e][f])
            if place >= encoded.get(number, len(wanted) if -1 in encoded else 0):
                assert near == float("inf"), f"episode {number}, frame {place} was to be copied"
            worst = min(worst, near)
    return worst


spans = st.lists(
    st.integers(0, len(LENGTHS) - 1).flatmap(
        lambda n: st.tuples(
            st.sampled_from(["one", "one", "two"]),
            st.just(n),
            st.integers(0, LENGTHS[n] - 1),
            st.integers(1, LENGTHS[n]),
        ).filter(lambda span: span[2] < span[3])
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=examples(1, whole=30), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_pieces_of_videos(
    source: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    drawn: list[Span] = data.draw(spans)
    out = tmp_path_factory.mktemp("any") / "out"
    rows = ", ".join(f"('{o}', 'day', {n}, {a}, {b}, {place})" for place, (o, n, a, b) in enumerate(drawn))
    names = "out_dataset, src_dataset, src_episode, from_frame, to_frame"
    recipe = f"select {names} from (values {rows}) as t({names}, place) order by place"
    report = lecompose.compose(recipe, {"day": source}, out=out)
    for output in dict.fromkeys(o for o, *_ in drawn):
        own = [(n, a, b) for o, n, a, b in drawn if o == output]
        encoded = {clip.episode: clip.frames for clip in report.reencoded if clip.output == output}
        frames = [[(n, f) for f in range(a, b)] for n, a, b in own]
        note(source, assert_frames(out / output, source, frames, encoded))
        assert lecompose.check(out / output) == []


@settings(max_examples=examples(1, whole=15), deadline=None, suppress_health_check=list(HealthCheck))
@given(dropped=st.sets(st.integers(0, max(LENGTHS) - 1), min_size=1, max_size=12))
def test_any_frames_dropped_and_joined(
    source: Path, tmp_path_factory: pytest.TempPathFactory, dropped: set[int]
) -> None:
    frames = [[(n, f) for f in range(length) if f not in dropped] for n, length in enumerate(LENGTHS)]
    frames = [each for each in frames if each]
    out = tmp_path_factory.mktemp("joined") / "out"
    where = f"frame_index in ({', '.join(map(str, sorted(dropped)))})"
    report = lecompose.drop_frames(source, out=out, where=where, join=True)
    encoded = {-1: 0} if report.reencoded else {}
    note(source, assert_frames(out, source, frames, encoded))
    assert lecompose.check(out) == []


def note(source: Path, worst: float) -> None:
    assert worst >= LEAST_DB, f"{worst:.1f} dB"

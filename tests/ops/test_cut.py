"""Cutting long groups of pictures: what can be copied is copied, only the rest is encoded again.

Which clips those are is found here by searching the packets that PyAV lists, and every picture is decoded
with PyAV: lecompose's own tables have no say.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.effort import examples, few, thorough
from support.independent import Dataset, assert_same_values, read

import lecompose
from lecompose.composition.layout import Reencoded
from lecompose.errors import MediaError

Record = Callable[..., Path]

CAMERA = "observation.images.front"
SIZE = (96, 64)
# A keyframe every 12: the episodes at 12 and 24 start on one.
LENGTHS = (7, 5, 12, 8, 9, 4)
STARTS = [0, *accumulate(LENGTHS)]
GOP = 12
X264 = {"preset": "veryfast", "threads": "1", "crf": "18", "g": str(GOP)}
X265 = f"keyint={GOP}:min-keyint={GOP}:bframes=3:b-adapt=0:scenecut=0:log-level=none:pools=1"
SVT = {"g": str(GOP), "crf": "20", "preset": "12", "svtav1-params": "lp=1"}
VPX = {"b": "0", "deadline": "realtime", "cpu-used": "8"}
RECIPES: dict[str, tuple[str, str, dict[str, str]]] = {
    "h264-b": ("h264", "libx264", {**X264, "bf": "3", "x264-params": "b-adapt=0:scenecut=0"}),
    "h264-open": ("h264", "libx264", {**X264, "bf": "2", "x264-params": "open-gop=1:b-adapt=0:scenecut=0"}),
    "h264": ("h264", "libx264", {**X264, "bf": "0"}),
    "hevc": ("hevc", "libx265", {"crf": "18", "preset": "ultrafast", "x265-params": f"{X265}:open-gop=0"}),
    "hevc-open": ("hevc", "libx265", {"crf": "18", "preset": "ultrafast", "x265-params": X265}),
    "av1": ("libsvtav1", "libsvtav1", SVT),
    "vp9": ("h264", "libvpx-vp9", {**VPX, "g": str(GOP), "crf": "20"}),
    "mpeg4": ("h264", "mpeg4", {"g": str(GOP), "qmin": "3", "qmax": "3", "b": "9M"}),
}  # fmt: skip
WHOLE = list(range(len(LENGTHS)))
PLANS: dict[str, list[int]] = {
    "all": WHOLE,
    "backwards": WHOLE[::-1],
    "first": [0],
    "last": [5],
    "on_a_key": [2],
    # Runs that start late, end early, have nothing to lean on; and one episode several times.
    "mixed": [0, 2, 5, 1, 2, 3, 0, 4, 3, 4, 2, 1, 2, 2, 4, 5],
}


# Sources --------------------------------------------------------------------------------------------


def pictures(count: int) -> Iterator[np.ndarray]:
    """Shape: (height * 3 / 2, width), yuv420p: waves that move, a sharp edge, a little noise."""
    width, height = SIZE
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(1).normal(0, 3, (count, height, width))
    for number in range(count):
        luma = 120 + 60 * np.sin(x / 9 + number / 3) * np.cos(y / 7 - number / 5) + noise[number]
        luma[10:20, (3 * number) % width :] = 200
        chroma = 128 + 30 * np.sin(x[: height // 2] / 20 + number / 4)
        yield np.clip(np.concatenate((luma, chroma)), 0, 255).astype(np.uint8)


def encoded(path: Path, recipe: str, count: int) -> Path:
    _, encoder, options = RECIPES[recipe]
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream(encoder, rate=30, options=options)
        (stream.width, stream.height), stream.pix_fmt = SIZE, "yuv420p"
        for number, picture in enumerate(pictures(count)):
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def long_gops(recorded: Record, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function: a v3.0 dataset whose episodes share one video of a recipe, with `extra` frames behind."""
    made: dict[tuple[str, int], Path] = {}

    def give(recipe: str, extra: int = 0) -> Path:
        if (recipe, extra) not in made:
            root = tmp_path_factory.mktemp("cut") / "long"
            codec = RECIPES[recipe][0]
            shutil.copytree(recorded(codec=codec, frames=LENGTHS, cameras=("front",), size=SIZE), root)
            encoded(next(root.rglob("*.mp4")), recipe, sum(LENGTHS) + extra)
            say(root, **{"video.g": GOP, "video.crf": None, "video.codec": recipe.partition("-")[0]})
            made[recipe, extra] = root
        return made[recipe, extra]

    return give


def say(root: Path, **said: Any) -> None:
    """Change what info.json tells of the camera."""
    path = root / "meta/info.json"
    info = json.loads(path.read_text())
    info["features"][CAMERA]["info"] |= said
    path.write_text(json.dumps(info))


# What has to be encoded, by a plain search --------------------------------------------------------------


@lru_cache
def ranks_and_keys(path: Path) -> tuple[list[int], list[int]]:
    """Of every packet in decode order its place in display order; and the places of the keyframes."""
    with av.open(str(path)) as file:
        packets = [(p.pts, p.is_keyframe) for p in file.demux(video=0) if p.size]
    order = sorted(pts for pts, _ in packets)
    ranks = [order.index(pts) for pts, _ in packets]
    return ranks, [rank for rank, (_, is_key) in zip(ranks, packets, strict=True) if is_key]


def leans(path: Path, low: int, high: int) -> tuple[int, int]:
    """How many frames before and behind [low, high) its packets depend on."""
    ranks, keys = ranks_and_keys(path)
    key = max(k for k in keys if k <= low)
    taken: set[int] = set()
    for rank in ranks[ranks.index(key) :]:
        taken |= {rank} if rank >= key else set()
        if taken == set(range(key, key + len(taken))) and key + len(taken) >= high:
            break
    return low - key, key + len(taken) - high


def reasons(path: Path, plan: Sequence[int]) -> dict[int, str]:
    """The positions of `plan` that cannot be copied, and why."""
    found: dict[int, list[str]] = {}
    breaks = [0, *(n for n in range(1, len(plan)) if plan[n] != plan[n - 1] + 1), len(plan)]
    for start, end in pairwise(breaks):
        spans = [leans(path, STARTS[e], STARTS[e + 1]) for e in plan[start:end]]
        early = end
        while early > start and spans[early - 1 - start][1]:
            early -= 1
        for at in range(start, end):
            if spans[at - start][0] == 0:
                break
            found.setdefault(at, []).append(f"starts {frames(spans[at - start][0])} behind a keyframe")
            if splice(path, plan[at]) and at < early:
                break  # its last frames are copied, and those of the next ones with them
        for at in range(early, end):
            found.setdefault(at, []).append(f"its last frames need {frames(spans[at - start][1])} behind it")
    return {at: ", and ".join(found[at]) for at in sorted(found)}


@lru_cache
def has_closed_groups(path: Path) -> bool:
    """Whether each group of frames is one by itself, of a codec whose packets may follow encoded frames."""
    data = path.read_bytes()
    return b"av01" in data or b"open_gop=0" in data


def splice(path: Path, episode: int) -> int:
    """From which of its frames on an episode is copied behind frames that are encoded; 0 if nowhere."""
    if not has_closed_groups(path):
        return 0
    keys = [k for k in ranks_and_keys(path)[1] if STARTS[episode] < k < STARTS[episode + 1]]
    return keys[0] - STARTS[episode] if keys else 0


def frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"


# What came out ------------------------------------------------------------------------------------------


def composed(root: Path, out: Path, plans: Mapping[str, Sequence[int]], **options: Any) -> lecompose.Report:
    """Each plan as an output of its own, all in one pass."""
    rows = [f"('{name}', {n}, {episode})" for name, plan in plans.items() for n, episode in enumerate(plan)]
    sql = f"""
        select '{root.name}' as src_dataset, e as src_episode, o as out_dataset
        from (values {", ".join(rows)}) as picked(o, n, e)
        order by o, n"""
    return lecompose.compose(sql, root, out=out, **options)


def stored(path: Path) -> list[np.ndarray]:
    """The planes of every frame of a video, decoded from its start to its end."""
    return _stored(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _stored(path: Path, _changed: int) -> list[np.ndarray]:
    with av.open(str(path)) as file:
        return [frame.to_ndarray() for frame in file.decode(video=0)]


def clip_of(dataset: Dataset, episode: int, camera: str = CAMERA) -> list[np.ndarray]:
    path, first = dataset.episodes[episode].clips[camera]
    return stored(path)[first : first + len(dataset.episodes[episode])]


def psnr(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> float:
    """Of the luma of all frames together. Units: dB."""
    height = SIZE[1]
    errors = [np.mean((a[:height].astype(float) - b[:height]) ** 2) for a, b in zip(one, other, strict=True)]
    return float(10 * np.log10(255**2 / np.mean(errors)))


def assert_cut(source: Dataset, out: Path, plan: Sequence[int]) -> None:
    """Every episode of `out` is the planned one: bit for bit, or well encoded where it has to be."""
    made = read(out)
    video = source.episodes[0].clips[CAMERA][0]
    again = reasons(video, plan)
    assert len(made.episodes) == len(plan)
    for at, episode in enumerate(plan):
        ours, theirs = clip_of(made, at), clip_of(source, episode)
        assert len(ours) == len(theirs) == LENGTHS[episode]
        assert_same_values(
            made.episodes[at].rows["action"], source.episodes[episode].rows["action"], "action"
        )
        key = splice(video, episode) if again.get(at, "").endswith("behind a keyframe") else 0
        end = 0 if at not in again else key or len(ours)
        same = all(np.array_equal(a, b) for a, b in zip(ours[end:], theirs[end:], strict=True))
        assert same, f"episode {at} was not copied as it was from frame {end} on"
        assert not end or psnr(ours[:end], theirs[:end]) > 40, f"episode {at}: {psnr(ours, theirs):.1f} dB"
    assert_nothing_else(made)
    assert_reachable(made)


def assert_nothing_else(made: Dataset) -> None:
    """Every frame of every video file is of one episode."""
    for path in made.root.rglob("*.mp4"):
        held = [(first, len(e)) for e in made.episodes for p, first in [e.clips[CAMERA]] if p == path]
        assert [first for first, _ in held] == [0, *accumulate(length for _, length in held)][:-1]
        assert len(stored(path)) == sum(length for _, length in held), f"{path} holds frames of nobody"


def assert_reachable(made: Dataset) -> None:
    """Each episode can be jumped to, and shows what it shows when the file is played from its start."""
    for episode in made.episodes:
        path, first = episode.clips[CAMERA]
        with av.open(str(path)) as file:
            stream = file.streams.video[0]
            file.seek(round(first / 30 / stream.time_base), stream=stream)
            found = {
                round(f.pts * f.time_base * 30): f.to_ndarray()
                for f in take_until(file, first + len(episode))
            }
        for number in range(first, first + len(episode)):
            assert np.array_equal(found[number], stored(path)[number]), f"{path}: frame {number}"


def take_until(file: Any, end: int) -> Iterator[Any]:
    for frame in file.decode(video=0):
        yield frame
        if round(frame.pts * frame.time_base * 30) >= end - 1:
            return


def told(report: lecompose.Report) -> list[tuple[str, int, int, str]]:
    return [(clip.output, clip.episode, clip.src_episode, clip.reason) for clip in report.reencoded]


def expected(video: Path, plans: Mapping[str, Sequence[int]]) -> list[tuple[str, int, int, str]]:
    return [
        (name, at, plan[at], reason)
        for name, plan in sorted(plans.items())
        for at, reason in reasons(video, plan).items()
    ]


# Tests --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "recipe", few(RECIPES, kept=lambda n: [*RECIPES][n] not in ("h264", "h264-open", "hevc"))
)
def test_every_way_to_cut(recipe: str, long_gops: Callable[..., Path], tmp_path: Path) -> None:
    root = long_gops(recipe)
    source = read(root)
    video = source.episodes[0].clips[CAMERA][0]
    report = composed(root, tmp_path / "out", PLANS)
    again = expected(video, PLANS)
    assert sorted(told(report)) == sorted(again)
    assert report.frames_unreferenced == 0
    for name, plan in PLANS.items():
        assert_cut(source, tmp_path / "out" / name, plan)
    # Where the next group is open, even the frames of whole groups need its keyframe.
    copied = {"all"} if "open" in recipe else {"all", "on_a_key"}
    assert {name for name, *_ in again}.isdisjoint(copied), "whole groups need no encoder"
    assert ("last", 0, 5, "starts 5 frames behind a keyframe") in again
    assert [clip for clip in report.reencoded if not clip.psnr_db > 40] == []


def test_frames_that_others_need_are_told(long_gops: Callable[..., Path], tmp_path: Path) -> None:
    """The B-frames at an episode's end may lean on its neighbour's first frames."""
    root = long_gops("h264-b")
    report = composed(root, tmp_path / "out", {"one": [0], "two": [2, 3]})
    reason = expected(read(root).episodes[0].clips[CAMERA][0], {"one": [0]})[0][3]
    assert reason.startswith("its last frames need ")
    told = replace(report.reencoded[0], psnr_db=None)
    assert told == Reencoded("one", 0, CAMERA, "long", 0, LENGTHS[0], reason)


def test_pieces_that_can_be_copied_are_never_decoded(
    long_gops: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_args: object, **_settings: object) -> None:
        raise AssertionError("copying packets has no use for FFmpeg")

    root = long_gops("h264-b")
    with monkeypatch.context() as patch:
        patch.setattr("av.open", forbidden)
        report = composed(root, tmp_path / "out", {"run": [2, 3, 4, 5], "one": [2]}, reencode=False)
    assert (report.frames_decoded, report.reencoded) == (0, ())
    assert_cut(read(root), tmp_path / "out" / "run", [2, 3, 4, 5])


def test_without_permission_nothing_is_encoded(long_gops: Callable[..., Path], tmp_path: Path) -> None:
    root = long_gops("h264")
    with pytest.raises(MediaError, match="without --no-reencode") as raised:
        composed(root, tmp_path / "out", {"a": [1, 5], "b": [4, 5, 0]}, reencode=False)
    said = [line.strip(" -") for line in str(raised.value).splitlines()[1:]]
    where = f'camera "{CAMERA}", source "long", episode'
    assert said == [
        f"{where} 1: starts 7 frames behind a keyframe",
        f"{where} 5: starts 5 frames behind a keyframe",
        f"{where} 4: starts 8 frames behind a keyframe",
    ]
    assert not (tmp_path / "out").exists()


def test_a_dry_run_shows_the_same_files(long_gops: Callable[..., Path], tmp_path: Path) -> None:
    root = long_gops("hevc-open")
    plans = {"a": [0, 2, 5, 4], "b": [1, 2, 3, 2]}
    dry = composed(root, tmp_path / "out", plans, dry_run=True, video_mb=0.01)
    report = composed(root, tmp_path / "out", plans, video_mb=0.01)
    places = [[(f.output, f.path, f.episodes) for f in each.files] for each in (dry, report)]
    assert places[0] == places[1]
    assert told(dry) == told(report)


def test_frames_of_nobody_stay_behind_and_are_counted(long_gops: Callable[..., Path], tmp_path: Path) -> None:
    root = long_gops("h264", extra=10)
    report = composed(root, tmp_path / "out", {"some": [2, 3], "whole": WHOLE})
    assert report.frames_unreferenced == 10
    assert report.reencoded == ()
    assert_cut(read(root), tmp_path / "out" / "whole", WHOLE)


@pytest.mark.parametrize("video_mb", [0.002, 0.008])
def test_leaning_clips_stay_in_one_file(
    video_mb: float, long_gops: Callable[..., Path], tmp_path: Path
) -> None:
    """However small the files should be, none starts where a decoder cannot."""
    root = long_gops("h264")
    report = composed(root, tmp_path / "out", {"run": WHOLE}, video_mb=video_mb)
    made = read(tmp_path / "out" / "run")
    groups = [[at for at, e in enumerate(made.episodes) if e.clips[CAMERA][0] == path]
              for path in sorted(made.root.rglob("*.mp4"))]  # fmt: skip
    assert report.reencoded == ()
    assert {0, 2, 3} >= {group[0] for group in groups} > {0}, "files start on keyframes only"
    assert_cut(read(root), tmp_path / "out" / "run", WHOLE)


@thorough
def test_encoded_clips_share_files(long_gops: Callable[..., Path], tmp_path: Path) -> None:
    """Whatever quality each of them needed."""
    root = shutil.copytree(long_gops("h264"), tmp_path / "long")
    say(root, **{"video.crf": 45})
    plan = [5, 1, 4, 1]
    composed(root, tmp_path / "out", {"out": plan})
    assert_cut(read(root), tmp_path / "out" / "out", plan)
    assert len(list((tmp_path / "out").rglob("*.mp4"))) == 1


def test_a_clip_in_several_outputs_is_encoded_once(long_gops: Callable[..., Path], tmp_path: Path) -> None:
    root = shutil.copytree(long_gops("h264"), tmp_path / "long")
    say(root, **{"video.crf": 4})
    report = composed(root, tmp_path / "out", {"a": [5], "b": [4, 1, 5], "c": [5, 5]})
    assert len(report.reencoded) == 6
    # Of 5, 1, 4 up to its keyframe, and of what each leans on: once to encode them, once to hold the
    # result against them.
    lead, count = {5: 5, 4: 8, 1: 7}, {5: LENGTHS[5], 4: 4, 1: LENGTHS[1]}
    assert report.frames_decoded == sum(2 * (lead[e] + count[e]) + count[e] for e in lead)


def test_only_the_camera_that_needs_it_is_encoded(recorded: Record, tmp_path: Path) -> None:
    """Several sources, one of them with a camera of long groups."""
    other = "observation.images.wrist"
    fine = recorded(codec="h264", frames=(6, 5), size=SIZE, seed=3)
    root = shutil.copytree(recorded(codec="h264", frames=LENGTHS, size=SIZE), tmp_path / "long")
    encoded(next(root.glob("videos/*front/*/*.mp4")), "h264", sum(LENGTHS))
    sql = f"""select s as src_dataset, e as src_episode
        from (values (0, '{fine.name}', 1), (1, 'long', 1), (2, '{fine.name}', 0), (3, 'long', 4)) t(n, s, e)
        order by n"""
    report = lecompose.compose(sql, [fine, root], out=tmp_path / "out")
    assert {(clip.camera, clip.episode) for clip in report.reencoded} == {(CAMERA, 1), (CAMERA, 3)}
    made = read(tmp_path / "out")
    for at, (source, episode) in enumerate([(fine, 1), (root, 1), (fine, 0), (root, 4)]):
        for camera in (CAMERA, other):
            ours, theirs = clip_of(made, at, camera), clip_of(read(source), episode, camera)
            if (camera, at) in {(CAMERA, 1), (CAMERA, 3)}:
                assert psnr(ours, theirs) > 40
            else:
                assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_a_codec_without_an_encoder(long_gops: Callable[..., Path], tmp_path: Path) -> None:
    root = shutil.copytree(long_gops("mpeg4"), tmp_path / "long")
    path = next(root.rglob("*.mp4"))
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg2video", rate=30, options={"g": "12", "b": "9M"})
        (stream.width, stream.height), stream.pix_fmt = SIZE, "yuv420p"
        for number, picture in enumerate(pictures(sum(LENGTHS))):
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with pytest.raises(MediaError, match="no encoder for mpeg2video") as raised:
        composed(root, tmp_path / "out", {"out": [1]}, dry_run=True)
    assert f'camera "{CAMERA}", source "long", episode 1: ' in str(raised.value)
    assert str(raised.value).endswith(f"({path})")


def test_damaged_pictures_name_the_episode(long_gops: Callable[..., Path], tmp_path: Path) -> None:
    root = shutil.copytree(long_gops("av1"), tmp_path / "long")
    path = next(root.rglob("*.mp4"))
    with av.open(str(path)) as file:
        packets = [(p.pos, p.size) for p in file.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for at, size in packets[36:42]:
        data[at : at + size] = b"\xff" * size
    path.write_bytes(data)
    with pytest.raises(MediaError, match='front", source "long", episode 5: ') as raised:
        composed(root, tmp_path / "out", {"out": [5]})
    assert str(path) in str(raised.value)
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plans")


@settings(max_examples=examples(1, whole=20), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    recipe=st.sampled_from(["h264-b", "h264-open", "hevc-open", "mpeg4"]),
    plans=st.lists(st.lists(st.sampled_from(WHOLE), min_size=1, max_size=7), min_size=1, max_size=4),
    video_mb=st.sampled_from([200, 0.004]),
)
def test_any_plan(
    recipe: str,
    plans: list[list[int]],
    video_mb: float,
    long_gops: Callable[..., Path],
    scratch: Path,
) -> None:
    shutil.rmtree(scratch)
    root = long_gops(recipe)
    source = read(root)
    named = {f"part{n}": plan for n, plan in enumerate(plans)}
    report = composed(root, scratch / "out", named, video_mb=video_mb)
    assert told(report) == expected(source.episodes[0].clips[CAMERA][0], named)
    for name, plan in named.items():
        assert_cut(source, scratch / "out" / name, plan)

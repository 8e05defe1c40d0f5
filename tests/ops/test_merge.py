"""Merging keeps everything: each case is one merge, read back with pyarrow, PyAV and numpy alone."""

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.effort import every_nth, few
from support.independent import assert_merged, assert_same_values, decoded, packet_bytes, read, table

import lecompose
from lecompose.composition.context import Run

Record = Callable[..., Path]
TASKS = ("pick the cup", "place the cup", "wave")

# Every column type that a recorder may write, hostile names included.
EXTRA: dict[str, tuple[str, tuple[int, ...], Callable[[int, int], Any]]] = {
    "next.done": ("bool", (1,), lambda e, f: f % 7 == 6),
    "gripper": ("int8", (1,), lambda e, f: f - 5),
    "counter": ("uint64", (1,), lambda e, f: 2**63 + e),
    "ticks": ("int32", (3,), lambda e, f: (e, f, -f)),
    "pressure": ("float64", (4,), lambda e, f: (e / 3, f / 7, -0.0, 1e-300)),
    "note": ("string", (1,), lambda e, f: f'é "{e}"\n{f}'),
    "grid": ("float32", (2, 3), lambda e, f: np.arange(6).reshape(2, 3) * f + e),
    "volume": ("int64", (2, 1, 2), lambda e, f: np.arange(4).reshape(2, 1, 2) - f),
    "wide": ("float32", (1, 7), lambda e, f: np.arange(7)[None] / (f + 1)),
    'a "b".c *?[x] ü': ("float32", (2,), lambda e, f: (f, e)),
}


def merged(sources: list[Path], out: Path, **options: Any) -> lecompose.Report:
    before = {root: tree(root) for root in sources}
    report = lecompose.merge(sources, out=out, **options)
    assert before == {root: tree(root) for root in sources}, "a source was written to"
    assert [p.name for p in out.parent.iterdir() if ".lecompose-" in p.name] == []
    return report


def tree(root: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file: cheap, and any write shows."""
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in root.rglob("*") if p.is_file()}


# What goes in -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "versions",
    few(("v3.0 v2.0 v2.1", "v2.0 v3.0", "v2.0 v2.0", "v2.1 v2.1", "v3.0 v3.0"), kept=lambda n: n < 2),
)
def test_any_format_versions(versions: str, recorded: Record, tmp_path: Path) -> None:
    sources = [
        recorded(version=version, seed=seed, frames=(5 + seed, 3, 9), tasks=TASKS[seed % 2 :], codec="h264")
        for seed, version in enumerate(versions.split())
    ]
    merged(sources, tmp_path / "out")
    assert_merged(tmp_path / "out", sources)


@every_nth(3)
@pytest.mark.parametrize("codec", ["libsvtav1", "hevc"])
@pytest.mark.parametrize("gop", [2, 30])
def test_codecs(codec: str, gop: int, recorded: Record, tmp_path: Path) -> None:
    sources = [
        recorded(version="v2.1", codec=codec, gop=gop, frames=(7, 4), seed=1, cameras=("front",)),
        recorded(version="v3.0", codec=codec, gop=gop, frames=(3, 12, 5), seed=2, cameras=("front",)),
    ]
    merged(sources, tmp_path / "out")
    made = assert_merged(tmp_path / "out", sources)
    stream = {"libsvtav1": "av1"}.get(codec, codec)
    assert made.features["observation.images.front"]["info"]["video.codec"] == stream


def test_other_codecs_cost_a_new_file_and_nothing_else(recorded: Record, tmp_path: Path) -> None:
    sources = [
        recorded(codec=codec, frames=(4, 6), cameras=("front",), seed=n)
        for n, codec in enumerate(["h264", "hevc", "libsvtav1", "h264"])
    ]
    merged(sources, tmp_path / "out")
    made = assert_merged(tmp_path / "out", sources)
    assert len(list(made.root.glob("videos/*/*/*.mp4"))) == 4
    assert made.features["observation.images.front"]["info"]["video.codec"] is None


@pytest.mark.parametrize(
    ("row_groups", "version"),
    few(product(("episode", "packed"), ("v2.1", "v3.0")), kept=lambda n: n in (1, 2)),
)
def test_every_column_type(version: str, row_groups: str, recorded: Record, tmp_path: Path) -> None:
    sources = [
        recorded(version=version, cameras=(), extra_features=EXTRA, frames=(4, 1, 8), seed=seed)
        for seed in (0, 1)
    ]
    merged(sources, tmp_path / "out", row_groups=row_groups)
    assert_merged(tmp_path / "out", sources, row_groups=row_groups)


@every_nth(2)
@pytest.mark.parametrize("row_groups", ["episode", "packed"])
def test_pictures_in_parquet(row_groups: str, recorded: Record, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"cameras": ("front",), "image_features": ("top", "side"), "codec": "h264"}
    sources = [
        recorded(version="v3.0", frames=(3, 5), **settings),
        recorded(version="v2.1", frames=(4,), seed=1, **settings),
    ]
    merged(sources, tmp_path / "out", row_groups=row_groups)
    made = assert_merged(tmp_path / "out", sources, row_groups=row_groups)
    first = made.episodes[0].rows["observation.images.top"][0].as_py()
    assert first["bytes"].startswith(b"\x89PNG")
    assert first["path"] == "frame-000000.png"


def test_several_tasks_in_an_episode(recorded: Record, tmp_path: Path) -> None:
    def early(episode: int, frame: int) -> str:
        return TASKS[(episode + frame // 4) % 3]

    def late(episode: int, frame: int) -> str:
        return ("wave", "tidy up", "pick the cup", "rest")[(episode + frame // 3) % 4]

    sources = [
        recorded(version=version, task_of=task_of, frames=(9, 5, 12), cameras=(), seed=n)
        for n, (version, task_of) in enumerate([("v2.1", early), ("v3.0", late), ("v2.0", early)])
    ]
    merged(sources, tmp_path / "out")
    made = assert_merged(tmp_path / "out", sources)
    assert made.tasks == ("pick the cup", "place the cup", "wave", "tidy up", "rest")
    assert {len(episode.listed) for episode in made.episodes} >= {2, 3}


def test_hostile_task_strings(recorded: Record, tmp_path: Path) -> None:
    tasks = ("", 'say "hi"; drop table plan; --', "two\nlines\tand a tab", "größer 抓取 🤖", "it's {a} $x %s")
    sources = [
        recorded(version=version, tasks=tasks, episodes=5, frames=3, cameras=(), seed=n)
        for n, version in enumerate(["v2.1", "v3.0"])
    ]
    merged(sources, tmp_path / "out")
    assert assert_merged(tmp_path / "out", sources).tasks == tasks


def test_not_a_number_stays_and_is_told(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset(version="v2.0", cameras=(), frames=(4, 6), state_dim=3)
    payload = np.array([0x7FC01234, 0xFFC00000], np.uint32).view(np.float32)  # two of the many NaNs
    for path in root.glob("data/*/*.parquet"):
        held = table(path)
        state = np.stack(held["observation.state"].to_pylist()).astype(np.float32)
        state[1] = (payload[0], -0.0, np.inf)
        state[2] = (payload[1], 0.0, 1e-45)
        kind = held.schema.field("observation.state").type
        column = pa.FixedSizeListArray.from_arrays(pa.array(state.ravel()), type=kind)
        pq.write_table(held.set_column(0, held.schema.field(0), column), path)
    merged([root, root], tmp_path / "out")
    made = read(tmp_path / "out")
    for ours, theirs in zip(made.episodes, read(root).episodes * 2, strict=True):
        assert_same_values(ours.rows["observation.state"], theirs.rows["observation.state"], "state")
    stats = made.stats["observation.state"]
    for stat in ("min", "max", "mean", "std", "q50"):
        assert np.isnan(stats[stat][0]), stat
        assert np.isfinite(stats[stat][1]), stat
    assert stats["max"][2] == np.inf


# Where it lands -----------------------------------------------------------------------------------


@pytest.mark.parametrize("row_groups", few(("episode", "packed"), kept=lambda n: n == 0))
def test_many_files_and_chunks(
    row_groups: str, dataset_v30_many_files: Path, recorded: Record, tmp_path: Path
) -> None:
    other = recorded(version="v2.1", frames=(6, 2, 11, 1, 8), codec="h264", tasks=("wave",), seed=5)
    sources = [dataset_v30_many_files, other, dataset_v30_many_files]
    report = merged(
        sources, tmp_path / "out", data_mb=0.004, video_mb=0.004, chunk_files=2, row_groups=row_groups
    )
    made = assert_merged(tmp_path / "out", sources, row_groups=row_groups)
    assert made.info["chunks_size"] == 2
    for family in ("data", "meta/episodes", *(f"videos/{camera}" for camera in made.cameras)):
        assert len(list((made.root / family).iterdir())) > 1, f"{family}: chunks"
    on_disk = {p.relative_to(made.root).as_posix() for p in made.root.glob("[dv]*/**/*") if p.is_file()}
    assert {file.path for file in report.files} == on_disk
    assert sum(f.episodes for f in report.files if f.path.endswith(".parquet")) == len(made.episodes)
    for path in made.root.glob("videos/*/*/*.mp4"):
        camera, chunk = path.parts[-3], int(path.parent.name[-3:])
        members = [e for e in made.episodes if e.clips[camera][0] == path]
        assert len(members) == 1 or packet_bytes(path) < 0.004 * 2**20, f"{path} is too large ({chunk})"


def test_defaults_put_like_videos_into_one_file(recorded: Record, tmp_path: Path) -> None:
    sources = [recorded(version="v2.1", codec="h264", frames=(5, 4, 6), seed=seed) for seed in range(3)]
    merged(sources, tmp_path / "out")
    made = assert_merged(tmp_path / "out", sources)
    assert [p.name for p in sorted(made.root.glob("videos/*/*/*.mp4"))] == ["file-000.mp4"] * 2
    assert [p.name for p in made.root.glob("data/*/*")] == ["file-000.parquet"]


@pytest.mark.parametrize(
    ("data", "videos"), few(product((True, False), (True, False)), kept=lambda n: n in (1, 2))
)
def test_a_file_for_each_of_the_sources(
    data: bool, videos: bool, dataset_v30_many_files: Path, recorded: Record, tmp_path: Path
) -> None:
    """Whatever its size: a file over the limit stays one."""
    sources = [dataset_v30_many_files, recorded(version="v2.1", seed=5)]
    found = {
        kind: sum(len(list(root.glob(f"{kind}/**/*.{suffix}"))) for root in sources)
        for kind, suffix in (("data", "parquet"), ("videos", "mp4"))
    }
    wanted = {"concatenate_data": data, "concatenate_videos": videos}
    lecompose.merge(sources, out=tmp_path / "out", data_mb=100 if data else 0.001, **wanted)
    assert_merged(tmp_path / "out", sources)
    assert len(list(tmp_path.glob("out/data/*/*.parquet"))) == (1 if data else found["data"])
    assert (len(list(tmp_path.glob("out/videos/*/*/*.mp4"))) == found["videos"]) is not videos


def test_one_frame_episodes(recorded: Record, tmp_path: Path) -> None:
    sources = [
        recorded(version=version, codec="h264", frames=(1, 1, 4, 1), seed=n, tasks=TASKS)
        for n, version in enumerate(["v2.1", "v3.0"])
    ]
    merged(sources, tmp_path / "out")
    assert_merged(tmp_path / "out", sources)


@pytest.mark.parametrize("fps", few((10, 24, 50), kept=lambda n: n == 1))
def test_other_rates_stay_on_the_grid(fps: int, recorded: Record, tmp_path: Path) -> None:
    sources = [
        recorded(version=version, codec="h264", fps=fps, frames=(7, 11, 13), seed=n, cameras=("front",))
        for n, version in enumerate(["v3.0", "v2.1"])
    ]
    merged(sources, tmp_path / "out")
    assert_merged(tmp_path / "out", sources)


# Sources as they are found ------------------------------------------------------------------------


def test_wrong_file_pointers_of_a_source_do_not_matter(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset(frames=(4, 7, 3, 6, 5), frames_per_data_file=9, cameras=(), tasks=TASKS)
    for path in root.glob("meta/episodes/*/*.parquet"):
        held = table(path)
        for name in ("data/file_index", "data/chunk_index"):
            wrong = pa.array([0] * len(held), pa.int64())
            held = held.set_column(held.schema.get_field_index(name), name, wrong)
        pq.write_table(held, path)
    merged([root, root], tmp_path / "out", data_mb=0.003)
    assert_merged(tmp_path / "out", [root, root])


def test_episodes_stand_in_any_order_in_a_source_file(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset(frames=(4, 7, 3), cameras=(), tasks=TASKS)
    path = next(root.glob("data/*/*.parquet"))
    held = table(path)
    numbers = held["episode_index"].to_numpy()
    pq.write_table(pa.concat_tables([held.filter(pa.array(numbers == n)) for n in (2, 0, 1)]), path)
    merged([root], tmp_path / "out")
    assert_merged(tmp_path / "out", [root])


def test_a_source_with_gaps_in_its_episode_numbers(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset(version="v2.1", frames=(4, 7, 3), codec="h264", tasks=TASKS)
    for path in root.rglob("episode_000001.*"):
        path.unlink()
    for name in ("episodes.jsonl", "episodes_stats.jsonl"):
        lines = (root / "meta" / name).read_text().splitlines()
        (root / "meta" / name).write_text("\n".join([lines[0], lines[2]]) + "\n")
    merged([root, root], tmp_path / "out")
    made = assert_merged(tmp_path / "out", [root, root])
    assert [len(e) for e in made.episodes] == [4, 3, 4, 3]


def test_columns_in_another_order(make_dataset: Record, recorded: Record, tmp_path: Path) -> None:
    first, other = recorded(cameras=()), make_dataset(cameras=(), seed=1)
    info = json.loads((other / "meta/info.json").read_text())
    info["features"] = dict(reversed(info["features"].items()))
    (other / "meta/info.json").write_text(json.dumps(info))
    path = next(other.glob("data/*/*.parquet"))
    held = table(path)
    pq.write_table(held.select(list(reversed(held.column_names))), path)
    merged([first, other], tmp_path / "out")
    assert_merged(tmp_path / "out", [first, other])


def test_spellings_without_a_meaning_are_no_difference(
    make_dataset: Record, recorded: Record, tmp_path: Path
) -> None:
    first, other = recorded(codec="h264"), make_dataset(codec="h264", seed=1)
    info = json.loads((other / "meta/info.json").read_text())
    features = info["features"]
    for name, feature in features.items():
        if feature["dtype"] == "video":
            feature["names"] = ["height", "width", "channel"]
            feature["video_info"] = {"video.fps": 30.0, "video.codec": "h264", "video.is_depth_map": False}
            del feature["info"]
        else:
            feature["fps"] = 30
            if feature["names"]:
                feature["names"] = {"motors": feature["names"]} if name == "action" else [feature["names"]]
    (other / "meta/info.json").write_text(json.dumps(info))
    merged([first, other], tmp_path / "out")
    assert_merged(tmp_path / "out", [first, other])


def test_videos_longer_than_their_episodes(make_dataset: Record, recorded: Record, tmp_path: Path) -> None:
    long, short = (
        recorded(version="v2.1", codec="h264", frames=12),
        make_dataset(version="v2.1", codec="h264"),
    )
    for path in short.rglob("*.mp4"):
        path.write_bytes((long / path.relative_to(short)).read_bytes())
    merged([short, short], tmp_path / "out")
    assert_merged(tmp_path / "out", [short, short])


# What it costs ------------------------------------------------------------------------------------


def test_nothing_is_decoded_and_every_file_is_written_once(
    recorded: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: dict[str, int] = {}
    count = Run.count

    def spy(run: Run, what: str, n: int) -> None:
        counted[what] = counted.get(what, 0) + n
        count(run, what, n)

    monkeypatch.setattr(Run, "count", spy)
    sources = [
        recorded(version="v2.1", codec="h264", frames=(5, 7, 4), seed=1),
        recorded(version="v3.0", codec="libsvtav1", frames=(6, 3), seed=2),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("av.open", forbidden)
        patch.setattr("av.CodecContext.create", forbidden)
        report = merged(sources, tmp_path / "out")
    out = tmp_path / "out"
    assert report.frames_decoded == 0
    written = [p for p in out.rglob("*/*/*") if p.is_file() and p.suffix in (".mp4", ".parquet")]
    assert counted["files_written"] == len(written) == len(set(written))
    videos = list(out.glob("videos/*/*/*.mp4"))
    originals = {p.read_bytes() for root in sources for p in root.rglob("*.mp4")}
    copied = [p for p in videos if p.read_bytes() in originals]
    remuxed = [p for p in videos if p not in copied]
    assert copied
    assert remuxed
    assert report.bytes_copied == sum(p.stat().st_size for p in copied)
    assert report.bytes_remuxed == sum(map(packet_bytes, remuxed))
    data = sum(p.stat().st_size for p in out.glob("data/*/*.parquet"))
    assert report.bytes_spliced + report.bytes_encoded == data
    assert report.bytes_spliced > data / 4


def forbidden(*_args: object, **_settings: object) -> None:
    raise AssertionError("a merge of plain mp4 files has no use for FFmpeg")


def test_report(recorded: Record, tmp_path: Path) -> None:
    sources = [recorded(version="v2.1", codec="h264", frames=(5, 7)), recorded(codec="h264", frames=(3,))]
    report = merged(sources, tmp_path / "out")
    assert [output.path for output in report.outputs] == [tmp_path / "out"]
    assert (report.episodes, report.frames) == (3, 15)
    assert list(report.seconds) == [
        "open",
        "plan",
        "data",
        "video",
        "stats",
        "metadata",
        "verify",
        "sync",
        "publish",
    ]
    assert not report.dry_run
    assert report.plan is None


def test_any_number_of_threads_writes_the_same_bytes(
    dataset_v30_many_files: Path, recorded: Record, tmp_path: Path
) -> None:
    sources = [
        dataset_v30_many_files,
        recorded(version="v2.1", codec="h264", frames=(6, 2, 11, 1, 8), seed=5),
    ]
    limits: dict[str, Any] = {"data_mb": 0.006, "video_mb": 0.01}
    for threads in (1, 2):
        lecompose.merge(sources, out=tmp_path / f"{threads}" / "out", threads=threads, **limits)
    one, two = (
        {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        for root in (tmp_path / "1" / "out", tmp_path / "2" / "out")
    )
    assert one.keys() == two.keys()
    assert len(one) > 10, sorted(one)
    assert [name for name in one if one[name] != two[name]] == []


def test_decoders_see_a_plain_stream(recorded: Record, tmp_path: Path) -> None:
    """The whole output file decodes from its first frame on, with nothing before it."""
    sources = [recorded(version="v2.1", codec="h264", gop=30, frames=(7, 9), seed=n) for n in (0, 1)]
    merged(sources, tmp_path / "out")
    for path in (tmp_path / "out").glob("videos/*/*/*.mp4"):
        assert len(decoded(path)[0]) == 32

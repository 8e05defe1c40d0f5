"""Input that cannot be merged: one message of the right family, and nothing on disk has changed.

Each case damages one dataset in one way; `words` are what the message must say.
"""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from conftest import digest
from support.effort import every_nth
from support.independent import table

from lecompose import errors
from lecompose.api import operations
from lecompose.cli import main

Record = Callable[..., Path]
Damage = Callable[[Path], object]

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
SETTINGS: dict[str, Any] = {"codec": "h264", "cameras": ("front",), "tasks": ("pick", "place")}
CAMERA = "observation.images.front"
EXIT = {errors.RequestError: 2, errors.SourceError: 3, errors.MediaError: 4, errors.OutputError: 5}


@dataclass(frozen=True)
class Case:
    """One way in which a dataset is spoilt."""

    name: str
    damage: Damage
    error: type[errors.ComposeError]
    words: tuple[str, ...]
    version: str = "v2.1"


# Ways to spoil a dataset --------------------------------------------------------------------------


def put(pattern: str, content: bytes | None) -> Damage:
    """The last file that matches gets other content; None: is removed."""

    def damage(root: Path) -> None:
        path = sorted(root.glob(pattern))[-1]
        path.unlink() if content is None else path.write_bytes(content)

    return damage


def cut(pattern: str, share: float = 0.6) -> Damage:
    def damage(root: Path) -> None:
        path = sorted(root.glob(pattern))[-1]
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    return damage


def info(change: Callable[[dict[str, Any]], object]) -> Damage:
    def damage(root: Path) -> None:
        path = root / "meta/info.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return damage


def feature(name: str, **spec: Any) -> Damage:
    return info(lambda content: content["features"][name].update(spec))


def column(name: str, change: Callable[[pa.ChunkedArray], pa.ChunkedArray | pa.Array]) -> Damage:
    """A column of the last data file is rewritten."""

    def damage(root: Path) -> None:
        path = sorted(root.glob("data/*/*.parquet"))[-1]
        held = table(path)
        place = held.schema.get_field_index(name)
        pq.write_table(held.set_column(place, name, change(held[name])), path)

    return damage


def rows(change: Callable[[pa.Table], pa.Table]) -> Damage:
    def damage(root: Path) -> None:
        path = sorted(root.glob("data/*/*.parquet"))[-1]
        pq.write_table(change(table(path)), path)

    return damage


def listed(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Damage:
    def damage(root: Path) -> None:
        path = root / "meta/episodes.jsonl"
        held = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(row) + "\n" for row in change(held)))

    return damage


def flipped(root: Path) -> None:
    """Bytes inside the pages are other ones; footer and size are as they were."""
    path = sorted(root.glob("data/*/*.parquet"))[-1]
    content = bytearray(path.read_bytes())
    for at in range(40, 400):
        content[at] ^= 0x5A
    path.write_bytes(bytes(content))


def set_value(row: int, value: Any) -> Callable[[pa.ChunkedArray], pa.Array]:
    def change(held: pa.ChunkedArray) -> pa.Array:
        values = held.to_pylist()
        values[row] = value
        return pa.array(values, held.type)

    return change


B, F, N = errors.SourceBroken, errors.FeatureMismatch, errors.SourceNotFound
M = errors.MediaError
PARQUET, MP4 = "data/*/*.parquet", "videos/*/*/*.mp4"

CASES = [
    # Data files
    Case("missing parquet", put(PARQUET, None), B, ("episode 2", "row")),
    Case("missing parquet of v3.0", put(PARQUET, None), B, ("no data file",), "v3.0"),
    Case("truncated parquet", cut(PARQUET), B, ("truncated parquet", "Try:", "episode_000002.parquet")),
    Case("truncated parquet of v3.0", cut(PARQUET), B, ("truncated parquet", "Try:"), "v3.0"),
    Case("empty parquet", put(PARQUET, b""), B, ("not a parquet file", "0 bytes", "Try:")),
    Case("no parquet", put(PARQUET, b"<html>404 not found</html>"), B, ("not a parquet file", "Try:")),
    Case("pointer for parquet", put(PARQUET, LFS), B, ("Git LFS pointer", "git lfs pull")),
    Case("damaged pages", flipped, B, ("data",)),
    Case("rows missing", rows(lambda t: t.slice(0, 7)), B, ("episode 2", "7", "10")),
    Case("rows doubled", rows(lambda t: pa.concat_tables([t, t])), B, ("episode 2", "20", "10")),
    Case("rows shuffled", rows(lambda t: t.take([1, 0, *range(2, 10)])), B, ("episode 2", "order")),
    Case("times off the grid", column("timestamp", set_value(4, 0.25)), B, ("episode 2", "time")),
    Case("unknown task", column("task_index", set_value(3, 77)), B, ("episode 2", "77", "task")),
    Case(
        "other column type",
        column("action", lambda held: pa.array([[1.5] * 5] * len(held), pa.list_(pa.float64()))),
        B,
        ("episode_000002.parquet", "differ from the first data file"),
    ),
    Case(
        "column more",
        rows(lambda t: t.append_column("mood", pa.array([1] * len(t)))),
        B,
        ("episode_000002.parquet",),
    ),
    Case("column less", rows(lambda t: t.drop_columns(["action"])), B, ("episode_000002.parquet",)),
    # Videos
    Case("missing mp4", put(MP4, None), B, ("missing", "episode 2", CAMERA, "episode_000002.mp4")),
    Case("pointer for mp4", put(MP4, LFS), M, ("Git LFS pointer", "git lfs pull", "episode 2", CAMERA)),
    Case("truncated mp4", cut(MP4), M, ("episode 2", CAMERA, "episode_000002.mp4")),
    Case("empty mp4", put(MP4, b""), M, ("episode 2", CAMERA, "episode_000002.mp4")),
    Case("no mp4", put(MP4, b"RIFF....AVI " * 99), M, ("episode 2", CAMERA, "episode_000002.mp4")),
    # Metadata
    Case("no info.json", put("meta/info.json", None), N, ("no LeRobot dataset", "meta/info.json", "Try:")),
    Case("no episodes.jsonl", put("meta/episodes.jsonl", None), B, ("episodes.jsonl is missing",)),
    Case("no tasks.jsonl", put("meta/tasks.jsonl", None), B, ("tasks.jsonl is missing",)),
    Case("no tasks.parquet", put("meta/tasks.parquet", None), B, ("tasks.parquet is missing",), "v3.0"),
    Case("no meta/episodes", put("meta/episodes/*/*", None), B, ("no file under meta/episodes",), "v3.0"),
    Case("cut info.json", cut("meta/info.json"), B, ("info.json", "line")),
    Case("info.json is a list", put("meta/info.json", b"[1]"), B, ("info.json", "object")),
    Case("info.json is binary", put("meta/info.json", b"\xff\xfe\0"), B, ("info.json",)),
    Case("no fps", info(lambda i: i.pop("fps")), B, ("info.json", "fps")),
    Case("fps of nothing", info(lambda i: i.update(fps=0)), B, ("info.json", "fps", "0")),
    Case("fps in words", info(lambda i: i.update(fps="thirty")), B, ("info.json", "fps", "thirty")),
    Case("fps is null", info(lambda i: i.update(fps=None)), B, ("info.json", "fps")),
    Case("features is a list", info(lambda i: i.update(features=[1])), B, ("info.json", "features")),
    Case("feature is a text", info(lambda i: i["features"].update(ghost="x")), B, ("ghost", "Try:")),
    Case(
        "feature without a dtype",
        info(lambda i: i["features"].update(ghost={"shape": [6]})),
        B,
        ("ghost", "dtype"),
    ),
    Case(
        "shape in words",
        info(lambda i: i["features"].update(ghost={"dtype": "int8", "shape": ["six"]})),
        B,
        ("ghost", "shape", "six"),
    ),
    Case(
        "unknown dtypes",
        info(lambda i: i["features"].update(ghost={"dtype": "spook"}, spirit={"dtype": "wine"})),
        B,
        ("ghost", "spook", "spirit", "wine"),
    ),
    Case("broken episodes.jsonl", cut("meta/episodes.jsonl", 0.9), B, ("episodes.jsonl",)),
    Case("broken tasks.jsonl", put("meta/tasks.jsonl", b'{"task_index": "x"}\n'), B, ("tasks.jsonl",)),
    Case("broken statistics", cut("meta/episodes_stats.jsonl", 0.9), B, ("line 3", "episodes_stats.jsonl")),
    Case("cut tasks.parquet", cut("meta/tasks.parquet"), B, ("tasks.parquet",), "v3.0"),
    Case("cut meta/episodes", cut("meta/episodes/*/*"), B, ("truncated parquet", "file-000.parquet"), "v3.0"),
    Case("pointer for meta/episodes", put("meta/episodes/*/*", LFS), B, ("Git LFS pointer",), "v3.0"),
    Case(
        "older version",
        info(lambda i: i.update(codebase_version="v1.6")),
        errors.UnsupportedVersion,
        ("v1.6", "v2.0, v2.1 and v3.0"),
    ),
    Case("wrong length", listed(lambda r: [*r[:2], r[2] | {"length": 9}]), B, ("episode 2", "9", "10")),
    Case("episode listed twice", listed(lambda r: [*r, r[2]]), B, ("episode 2",)),
    Case(
        "no length in meta/episodes",
        lambda root: [
            pq.write_table(table(p).drop_columns(["length"]), p) for p in root.glob("meta/episodes/*/*")
        ],
        B,
        ("meta/episodes", "length"),
        "v3.0",
    ),
    Case(
        "no video pointers",
        lambda root: [
            pq.write_table(table(p).drop_columns([f"videos/{CAMERA}/file_index"]), p)
            for p in root.glob("meta/episodes/*/*")
        ],
        B,
        ("meta/episodes", f"videos/{CAMERA}/file_index"),
        "v3.0",
    ),
    # Paths that lead elsewhere
    *(
        Case(
            f"{key} {template}", info(lambda i, k=key, t=template: i.update({k: t})), B, ("template", *words)
        )
        for key in ("data_path", "video_path")
        for template, words in (
            ("../b/{episode_chunk}/{episode_index}.parquet", ("leaves the dataset folder",)),
            ("/etc/{episode_index}", ("leaves the dataset folder",)),
            ("data/{episode_index", ("info.json",)),
            ("data/{secret}", ("unknown field", "secret")),
            ("data/{episode_index.__class__}", ("unknown field",)),
        )
    ),
]


# What happens -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """A run of the command: its exit code, what it printed, the exception it turned into that."""

    code: int
    stdout: str
    stderr: str
    error: BaseException | None


@pytest.fixture
def lecompose_merge(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    raised: list[BaseException] = []
    merge = operations.merge

    def spy(*args: Any, **settings: Any) -> Any:
        try:
            return merge(*args, **settings)
        except BaseException as error:
            raised.append(error)
            raise

    monkeypatch.setattr(operations, "merge", spy)

    def call(*arguments: object) -> Outcome:
        raised.clear()
        result = CliRunner().invoke(main, ["merge", *map(str, arguments)])
        return Outcome(
            result.exit_code, result.stdout, result.stderr, raised[0] if raised else result.exception
        )

    return call


def assert_refused(outcome: Outcome, error: type[errors.ComposeError], words: tuple[str, ...]) -> str:
    """The message, after everything about it was found right."""
    assert type(outcome.error) is error, repr(outcome.error)
    assert outcome.code == error.exit_code == next(c for kind, c in EXIT.items() if issubclass(error, kind))
    assert outcome.stdout == ""
    text = str(outcome.error)
    shown = "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
    assert outcome.stderr == f"error: {shown}\n"
    missing = [word for word in words if word not in text]
    assert not missing, f"{missing} not in: {text}"
    if "\n" not in text:
        assert re.search(r"\([^()]*/[^()]*\)$", text), f"the path comes last: {text}"
    assert not re.search(r"read_parquet|catalog/|Invalid Input", text), f"an engine's words: {text}"
    return text


def left_behind(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if ".lecompose-" in path.name]


@every_nth(2)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_source(
    case: Case,
    make_dataset: Record,
    recorded: Record,
    lecompose_merge: Callable[..., Outcome],
    tmp_path: Path,
) -> None:
    good, bad = recorded(version=case.version, **SETTINGS), make_dataset(version=case.version, **SETTINGS)
    case.damage(bad)
    before = digest(bad)
    out = tmp_path / "deep" / "out"
    outcome = lecompose_merge(good, bad, "-o", out)
    assert not out.parent.exists()
    assert left_behind(tmp_path) == []
    assert digest(bad) == before
    text = assert_refused(outcome, case.error, case.words)
    assert str(bad) in text or bad.name in text


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in CASES
        if case.name in ("no parquet", "damaged pages", "truncated mp4", "broken statistics")
    ],
    ids=lambda case: case.name,
)
def test_an_old_output_survives(
    case: Case,
    make_dataset: Record,
    recorded: Record,
    lecompose_merge: Callable[..., Outcome],
    tmp_path: Path,
) -> None:
    bad, out = make_dataset(version=case.version, **SETTINGS), make_dataset(name="out", seed=8, cameras=())
    case.damage(bad)
    before = digest(out)
    outcome = lecompose_merge(recorded(version=case.version, **SETTINGS), bad, "-o", out, "--overwrite")
    assert digest(out) == before
    assert left_behind(tmp_path) == []
    assert_refused(outcome, case.error, case.words)


def test_video_shorter_than_its_episode(
    make_dataset: Record, recorded: Record, lecompose_merge: Callable[..., Outcome], tmp_path: Path
) -> None:
    bad, short = make_dataset(version="v2.1", **SETTINGS), recorded(version="v2.1", frames=7, **SETTINGS)
    for path in bad.glob("videos/*/*/episode_00000[12].mp4"):
        path.write_bytes((short / path.relative_to(bad)).read_bytes())
    outcome = lecompose_merge(bad, "-o", tmp_path / "out")
    text = assert_refused(outcome, M, ("episode 1", "episode 2", CAMERA, "7", "10"))
    assert "episode 0" not in text
    assert not (tmp_path / "out").exists()


def test_video_of_another_rate(
    make_dataset: Record, recorded: Record, lecompose_merge: Callable[..., Outcome], tmp_path: Path
) -> None:
    bad, slow = make_dataset(version="v2.1", **SETTINGS), recorded(version="v2.1", fps=15, **SETTINGS)
    for path in bad.glob("videos/*/*/episode_000001.mp4"):
        path.write_bytes((slow / path.relative_to(bad)).read_bytes())
    outcome = lecompose_merge(bad, "-o", tmp_path / "out")
    assert_refused(outcome, M, ("episode 1", CAMERA, "15", "30", "Try:"))


def test_all_broken_files_are_listed(
    make_dataset: Record, lecompose_merge: Callable[..., Outcome], tmp_path: Path
) -> None:
    one, two = make_dataset(version="v2.1", **SETTINGS), make_dataset(version="v2.1", **SETTINGS)
    (one / "data/chunk-000/episode_000000.parquet").write_bytes(b"")
    (one / "data/chunk-000/episode_000002.parquet").write_bytes(LFS)
    cut("data/*/episode_000001.parquet")(two)
    outcome = lecompose_merge(one, two, "-o", tmp_path / "out")
    text = assert_refused(outcome, B, ("not a parquet file", "Git LFS", "truncated"))
    for root, name in ((one, "episode_000000"), (one, "episode_000002"), (two, "episode_000001")):
        assert str(root / "data/chunk-000" / f"{name}.parquet") in text


def test_all_broken_videos_are_listed(
    make_dataset: Record, lecompose_merge: Callable[..., Outcome], tmp_path: Path
) -> None:
    one, two = make_dataset(version="v2.1", **SETTINGS), make_dataset(version="v2.1", **SETTINGS)
    put("videos/*/*/episode_000000.mp4", LFS)(one)
    put("videos/*/*/episode_000001.mp4", None)(two)
    put("videos/*/*/episode_000002.mp4", b"")(two)
    outcome = lecompose_merge(one, two, "-o", tmp_path / "out")
    text = assert_refused(outcome, M, ("3 video file", "Git LFS", "missing"))
    assert text.count(".mp4") == 3


# Sources that do not fit together -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fps": 15}, ("fps", "30", "15", "Try:")),
        ({"state_dim": 7}, ("observation.state", "shape", "[6]", "[7]")),
        ({"cameras": ("front", "wrist")}, ("observation.images.wrist", "in", "not in")),
        ({"cameras": ("top",)}, (CAMERA, "observation.images.top")),
        ({"cameras": (), "image_features": ("front",)}, (CAMERA, "dtype", "video", "image")),
        ({"size": (80, 48)}, (CAMERA, "shape", "[48, 64, 3]", "[48, 80, 3]")),
        ({"robot_type": "big_arm"}, ("robot_type", "toy_arm", "big_arm", "--robot-type")),
        (
            {"fps": 15, "robot_type": None, "action_dim": 2},
            ("fps", "robot_type", "action", "--robot-type", "[2]", "[6]"),
        ),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_differing_sources(
    change: dict[str, Any],
    words: tuple[str, ...],
    recorded: Record,
    lecompose_merge: Callable[..., Outcome],
    tmp_path: Path,
) -> None:
    one, two = recorded(**SETTINGS), recorded(**SETTINGS | change)
    outcome = lecompose_merge(one, two, "-o", tmp_path / "out")
    text = assert_refused(outcome, F, words)
    assert one.name in text
    assert two.name in text
    assert list(tmp_path.iterdir()) == []


def test_differing_names(
    make_dataset: Record, recorded: Record, lecompose_merge: Callable[..., Outcome], tmp_path: Path
) -> None:
    other = make_dataset(**SETTINGS)
    feature("action", names=["x", "y", "z", "rx", "ry", "rz"])(other)
    outcome = lecompose_merge(recorded(**SETTINGS), other, "-o", tmp_path / "out")
    assert_refused(outcome, F, ("action", "names", "joint_0", "rx"))


def test_differing_dtype(
    make_dataset: Record, recorded: Record, lecompose_merge: Callable[..., Outcome], tmp_path: Path
) -> None:
    other = make_dataset(**SETTINGS)
    feature("action", dtype="int64")(other)
    outcome = lecompose_merge(recorded(**SETTINGS), other, "-o", tmp_path / "out")
    assert_refused(outcome, F, ("action", "dtype", "float32", "int64", "--cast action=DTYPE"))


@pytest.mark.parametrize("other", ["big_arm", None])
def test_robot_type_is_the_way_out(
    other: str | None, recorded: Record, lecompose_merge: Callable[..., Outcome], tmp_path: Path
) -> None:
    sources = [recorded(cameras=()), recorded(cameras=(), robot_type=other)]
    outcome = lecompose_merge(*sources, "-o", tmp_path / "out", "--robot-type", "two arms")
    assert (outcome.code, outcome.error) == (0, None)
    assert json.loads((tmp_path / "out/meta/info.json").read_text())["robot_type"] == "two arms"


# The output -----------------------------------------------------------------------------------------


def test_output_is_there(
    dataset_v30: Path, make_dataset: Record, lecompose_merge: Callable[..., Outcome], tmp_path: Path
) -> None:
    old = make_dataset(name="old", cameras=())
    before = digest(old)
    outcome = lecompose_merge(dataset_v30, "-o", old)
    assert_refused(outcome, errors.OutputExists, ("already exists", "--overwrite"))
    assert isinstance(outcome.error, FileExistsError)
    assert digest(old) == before
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
@pytest.mark.parametrize("kind", ["folder", "empty folder", "file", "dangling link"])
def test_output_is_something_else(
    kind: str,
    overwrite: list[str],
    dataset_v30: Path,
    lecompose_merge: Callable[..., Outcome],
    tmp_path: Path,
) -> None:
    out = tmp_path / "photos"
    if kind == "dangling link":
        out.symlink_to(tmp_path / "nowhere")
    elif kind == "file":
        out.write_text("precious")
    else:
        out.mkdir()
        if kind == "folder":
            (out / "photo.png").write_bytes(b"precious")
    before = sorted((p.name, p.is_symlink()) for p in tmp_path.rglob("*"))
    outcome = lecompose_merge(dataset_v30, "-o", out, *overwrite)
    assert_refused(outcome, errors.OutputExists, ("this is not one",) if overwrite else ("already exists",))
    assert sorted((p.name, p.is_symlink()) for p in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("place", ["inside", "deep inside", "around"])
def test_output_and_source_lie_inside_each_other(
    place: str, make_dataset: Record, lecompose_merge: Callable[..., Outcome], tmp_path: Path
) -> None:
    source = make_dataset(name="around/source", **SETTINGS)
    before = digest(tmp_path)
    out = {
        "inside": source / "out",
        "deep inside": source / "data" / "x" / "out",
        "around": tmp_path / "around",
    }
    outcome = lecompose_merge(source, "-o", out[place])
    assert outcome.code == 5
    assert digest(tmp_path) == before
    if place != "around":
        assert_refused(outcome, errors.OutputUnwritable, ("inside", "Try:"))
    assert not any(path.is_dir() and "lecompose" in path.name for path in tmp_path.rglob("*"))


@pytest.mark.parametrize("options", [[], ["--overwrite"], ["--overwrite", "--dry-run"]])
def test_no_source_is_ever_replaced(
    options: list[str], make_dataset: Record, lecompose_merge: Callable[..., Outcome], tmp_path: Path
) -> None:
    """--overwrite is for results: whoever names a source by mistake keeps the recording."""
    source = make_dataset(name="data", **SETTINGS)
    (tmp_path / "link").symlink_to(source)
    before = digest(source)
    for out in (source, tmp_path / "link", source / ".." / "data"):
        outcome = lecompose_merge(source, source, "-o", out, *options)
        assert_refused(outcome, errors.OutputExists, ("Try: ",))
    assert digest(source) == before
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("below", ["out", "new/out", "new/and/deeper/out"])
def test_unwritable_output(
    below: str, dataset_v30: Path, lecompose_merge: Callable[..., Outcome], tmp_path: Path
) -> None:
    """Root may write anywhere, but below a file there is no folder for anyone."""
    (tmp_path / "file").write_text("precious")
    outcome = lecompose_merge(dataset_v30, "-o", tmp_path / "file" / below)
    assert_refused(outcome, errors.OutputUnwritable, ("cannot write", "Try:"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "precious"


# Requests -------------------------------------------------------------------------------------------


def test_path_that_is_not_there(
    dataset_v30: Path, lecompose_merge: Callable[..., Outcome], tmp_path: Path
) -> None:
    outcome = lecompose_merge(dataset_v30, tmp_path / "missing", "-o", tmp_path / "out")
    assert_refused(outcome, N, ("not found", "Try:", "missing"))
    assert isinstance(outcome.error, FileNotFoundError)


def test_path_that_is_a_file(
    dataset_v30: Path, lecompose_merge: Callable[..., Outcome], tmp_path: Path
) -> None:
    outcome = lecompose_merge(dataset_v30 / "meta/info.json", "-o", tmp_path / "out")
    assert_refused(outcome, N, ("is a file", "Try:"))


def test_path_that_is_no_dataset(
    dataset_v30: Path, lecompose_merge: Callable[..., Outcome], tmp_path: Path
) -> None:
    outcome = lecompose_merge(dataset_v30 / "meta", "-o", tmp_path / "out")
    assert_refused(outcome, N, ("no LeRobot dataset", "meta/info.json", "Try:"))


def test_all_missing_paths_are_listed(lecompose_merge: Callable[..., Outcome], tmp_path: Path) -> None:
    outcome = lecompose_merge(tmp_path / "one", tmp_path / "two", "-o", tmp_path / "out")
    assert_refused(outcome, N, ("one", "two", "2 sources"))


@pytest.mark.parametrize(
    "options",
    [
        ["--data-mb", "0"],
        ["--video-mb", "-1"],
        ["--video-mb", "nan"],
        ["--data-mb", "inf"],
        ["--chunk-files", "0"],
        ["--chunk-files", "1001"],
        ["--threads", "0"],
        ["--memory", "lots"],
        ["--row-groups", "huge"],
        ["--no-such-option"],
    ],
    ids=" ".join,
)
def test_impossible_options(
    options: list[str], dataset_v30: Path, lecompose_merge: Callable[..., Outcome], tmp_path: Path
) -> None:
    outcome = lecompose_merge(dataset_v30, "-o", tmp_path / "out", *options)
    assert outcome.code == 2, outcome
    assert outcome.stdout == ""
    assert "Traceback" not in outcome.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_limit_that_needs_too_many_folders(
    recorded: Record, lecompose_merge: Callable[..., Outcome], tmp_path: Path
) -> None:
    """Readers sort names as strings: chunk-1000 would come before chunk-101."""
    source = recorded(version="v3.0", cameras=(), frames=(1,) * 1001)
    outcome = lecompose_merge(source, "-o", tmp_path / "out", "--data-mb", "0.000001", "--chunk-files", "1")
    assert outcome.code == 2, outcome
    assert "1001 chunk folders" in outcome.stderr
    assert "--chunk-files" in outcome.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_write(
    make_dataset: Record, lecompose_merge: Callable[..., Outcome], tmp_path: Path
) -> None:
    empty = make_dataset(version="v2.1", **SETTINGS)
    listed(lambda rows: [])(empty)
    outcome = lecompose_merge(empty, "-o", tmp_path / "deep" / "out")
    assert (type(outcome.error), outcome.code) == (errors.EmptyOutput, 2)
    assert "no episode" in outcome.stderr
    assert not (tmp_path / "deep").exists()


def test_statistics_are_no_must(
    make_dataset: Record, lecompose_merge: Callable[..., Outcome], tmp_path: Path
) -> None:
    one, two = make_dataset(version="v2.1", **SETTINGS), make_dataset(version="v3.0", **SETTINGS)
    (one / "meta/episodes_stats.jsonl").unlink()
    (two / "meta/stats.json").unlink()
    shutil.copyfile(two / "meta/tasks.parquet", two / "meta/tasks.bak")  # strange files are left alone
    outcome = lecompose_merge(one, two, "-o", tmp_path / "out")
    assert outcome.code == 0, outcome.stderr
    assert "action" in json.loads((tmp_path / "out/meta/stats.json").read_text())

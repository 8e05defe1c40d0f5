"""Each promise is named when exactly that promise is broken, and sound datasets break none."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from broken import TABLE
from hypothesis import given
from hypothesis import strategies as st
from support.effort import few

from lecompose.checks import (
    CODES,
    PASSED_ON,
    PROMISES,
    REQUIREMENTS,
    Finding,
    episode_stats,
    examine,
    facts,
    findings,
    requirements,
)
from lecompose.composition.stages.verify import verify
from lecompose.dataset.catalog import Catalog, open_catalog
from lecompose.engine import Engine, open_engine, templates
from lecompose.errors import MediaError, VerifyError

Record = Callable[..., Path]
Table = Callable[[pa.Table], pa.Table]

# Episodes 0-2, 3-4 and 5-7 share a data file, 0-2, 3-5 and 6-7 a meta file and the wrist's video files.
MANY_FILES: dict[str, Any] = {
    "version": "v3.0",
    "frames": (7, 10, 3, 12, 1, 9, 4, 6),
    "tasks": ("pick the cup", "place the cup", "wave"),
    "codec": "h264",
    "frames_per_data_file": 20,
    "frames_per_video_file": {"front": 15, "wrist": 25},
    "episodes_per_meta_file": 3,
}
V21: dict[str, Any] = {"version": "v2.1", "frames": (4, 5, 3), "codec": "h264"}
V20: dict[str, Any] = {**V21, "version": "v2.0"}

INFO, STATS, TASKS = "meta/info.json", "meta/stats.json", "meta/tasks.parquet"
DATA = [f"data/chunk-000/file-{n:03d}.parquet" for n in range(3)]
META = [f"meta/episodes/chunk-000/file-{n:03d}.parquet" for n in range(3)]
WRIST = "observation.images.wrist"
VIDEO = f"videos/{WRIST}/chunk-000/file-000.mp4"


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Catalog]:
    def open_all(*roots: Path) -> Catalog:
        return open_catalog(open_engine(scratch=tmp_path, threads=2), roots)

    return open_all


# Ways to break a dataset --------------------------------------------------------------------------


def edit_json(path: Path, change: Callable[[Any], None]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def edit_parquet(path: Path, change: Table) -> None:
    """Rewrites a file row group by row group: a promise about those is not to break on the way."""
    with pq.ParquetFile(path) as file:
        groups = [change(file.read_row_group(n)) for n in range(file.num_row_groups)]
    with pq.ParquetWriter(path, groups[0].schema) as writer:
        for group in groups:
            writer.write_table(group)


def with_column(table: pa.Table, name: str, values: Any) -> pa.Table:
    at = table.schema.get_field_index(name)
    return table.set_column(at, table.schema.field(at), pa.array(values, table.schema.field(at).type))


def mapped(name: str, change: Callable[[Any], Any], *, episode: int | None = None) -> Table:
    """A change of one column, in the rows of one episode or of all."""

    def edit(table: pa.Table) -> pa.Table:
        rows = zip(table["episode_index"].to_pylist(), table[name].to_pylist(), strict=True)
        return with_column(table, name, [change(v) if episode in (None, e) else v for e, v in rows])

    return edit


def moved_on(column: str, by: float, *, episode: int | None = None) -> Table:
    return mapped(column, lambda value: value + by, episode=episode)


def first_two_swapped(episode: int) -> Table:
    """The first two rows of one episode in the other order."""

    def edit(table: pa.Table) -> pa.Table:
        episodes = table["episode_index"].to_pylist()
        if episode not in episodes:
            return table
        at, order = episodes.index(episode), list(range(len(table)))
        order[at], order[at + 1] = order[at + 1], order[at]
        return table.take(order)

    return edit


def without_episode(episode: int) -> Table:
    return lambda table: table.filter(pc.not_equal(table["episode_index"], episode))


def without_metadata(table: pa.Table) -> pa.Table:
    return table.replace_schema_metadata(None)


def as_doubles(table: pa.Table) -> pa.Table:
    wide = pa.list_(pa.field("element", pa.float64()), 6)
    at = table.schema.get_field_index("action")
    return table.set_column(at, pa.field("action", wide), table["action"].cast(wide))


def in_one_row_group(path: Path) -> None:
    pq.write_table(pq.read_table(path, partitioning=None), path)


def with_stale_stats(root: Path) -> None:
    for name in META:
        edit_parquet(root / name, lambda t: t.append_column("stats/ghost/mean", pa.array([[0.0]] * len(t))))


def set_info(field: str, value: Any) -> Callable[[Path], None]:
    return lambda root: edit_json(root / INFO, lambda info: info.update({field: value}))


def set_stat(feature: str, stat: str, value: Any) -> Callable[[Path], None]:
    return lambda root: edit_json(root / STATS, lambda stats: stats[feature].update({stat: value}))


def on(name: str, change: Table) -> Callable[[Path], None]:
    return lambda root: edit_parquet(root / name, change)


def cut_short(root: Path) -> None:
    whole = (root / VIDEO).read_bytes()
    (root / VIDEO).write_bytes(whole[: len(whole) // 2])


def swapped_files(one: str, other: str) -> Callable[[Path], None]:
    def swap(root: Path) -> None:
        held = (root / one).read_bytes()
        (root / one).write_bytes((root / other).read_bytes())
        (root / other).write_bytes(held)

    return swap


def without_last_line(name: str) -> Callable[[Path], None]:
    def cut(root: Path) -> None:
        lines = (root / name).read_text(encoding="utf-8").splitlines(keepends=True)
        (root / name).write_text("".join(lines[:-1]), encoding="utf-8")

    return cut


def overlapping(root: Path) -> None:
    for end in ("from_timestamp", "to_timestamp"):
        edit_parquet(root / META[0], moved_on(f"videos/{WRIST}/{end}", -3 / 30, episode=1))


def drop_stat(root: Path) -> None:
    edit_json(root / STATS, lambda stats: stats["action"].pop("std"))


def declare_int32(root: Path) -> None:
    edit_json(root / INFO, lambda info: info["features"]["frame_index"].update(dtype="int32"))


# What is done to a sound dataset → what it then breaks; the first is the promise under test.
BREAKS: list[tuple[Callable[[Path], None], tuple[str, ...]]] = [
    (set_info("total_frames", 51), ("info_totals",)),
    (set_info("splits", {"train": "0:7"}), ("info_splits",)),
    (
        set_info("data_path", "data/chunk-{chunk_index:03}/file-{file_index:03}.parquet"),
        ("path_templates",),
    ),
    (declare_int32, ("default_features",)),
    (on(TASKS, lambda table: table.take([1, 0, 2])), ("tasks_dense",)),
    (on(TASKS, without_metadata), ("tasks_indexed",)),
    (
        on(META[2], lambda table: table.take([0, 1, 1])),
        (
            "episodes_unique",
            "info_totals",
            "info_splits",
            "episodes_dense",
            "episode_spans",
            "video_order",
        ),
    ),
    (on(META[0], lambda table: table.take([1, 0, 2])), ("episodes_dense", "episode_spans")),
    (on(META[2], moved_on("dataset_to_index", 1, episode=7)), ("episode_spans",)),
    (on(DATA[0], first_two_swapped(1)), ("episode_rows",)),
    (
        on(META[2], without_episode(7)),
        ("episodes_listed", "info_totals", "info_splits", "files_listed", "video_surplus"),
    ),
    (on(DATA[2], moved_on("index", 1)), ("index_dense", "episode_stats")),
    (on(META[0], moved_on("data/file_index", 1, episode=2)), ("data_pointers",)),
    (on(META[1], moved_on("meta/episodes/file_index", -1, episode=3)), ("episode_pointers",)),
    (on(DATA[0], moved_on("timestamp", 0.001)), ("frame_times",)),
    (
        on(DATA[0], mapped("task_index", lambda _: 9, episode=1)),
        ("task_indices", "stats_bookkeeping", "episode_stats"),
    ),
    (on(META[0], mapped("tasks", lambda _: ["wave"], episode=0)), ("episode_tasks",)),
    (on(DATA[1], lambda table: table.drop_columns(["action"])), ("columns",)),
    (on(DATA[1], as_doubles), ("columns",)),
    (on(DATA[1], without_metadata), ("huggingface_metadata",)),
    (
        lambda root: pq.write_table(pa.table({"a": [1]}), root / "data/chunk-000/notes.parquet"),
        ("data_files_named",),
    ),
    (lambda root: in_one_row_group(root / DATA[0]), ("row_groups",)),
    (with_stale_stats, ("episode_columns",)),
    (lambda root: (root / VIDEO).unlink(), ("video_present",)),
    (cut_short, ("video_readable",)),
    (on(META[0], moved_on(f"videos/{WRIST}/to_timestamp", 0.01, episode=1)), ("video_spans",)),
    (
        on(META[1], moved_on(f"videos/{WRIST}/file_index", 1, episode=4)),
        ("video_spans", "video_order", "video_surplus"),
    ),
    (overlapping, ("video_order", "video_overlap", "video_surplus")),
    (drop_stat, ("stats_keys",)),
    (set_stat("action", "mean", [0.0]), ("stats_keys",)),
    (lambda root: (root / STATS).unlink(), ("stats_keys",)),
    (set_stat("index", "max", [49]), ("stats_bookkeeping",)),
    (on(META[1], mapped("stats/index/min", lambda value: [value[0] + 1], episode=4)), ("episode_stats",)),
]


def brings_a_code(number: int) -> bool:
    """Whether no break before this one has all of its codes."""
    before = {code for _, codes in BREAKS[:number] for code in codes}
    return not before.issuperset(BREAKS[number][1])


BREAKS_V2: list[tuple[dict[str, Any], Callable[[Path], None], tuple[str, ...]]] = [
    (V21, without_last_line("meta/episodes_stats.jsonl"), ("episode_stats_listed",)),
    (V21, set_info("total_videos", 5), ("info_splits",)),
    (
        V21,
        swapped_files("data/chunk-000/episode_000000.parquet", "data/chunk-000/episode_000002.parquet"),
        ("data_pointers", "index_dense"),
    ),
    (
        V21,
        swapped_files(
            f"videos/chunk-000/{WRIST}/episode_000000.mp4", f"videos/chunk-000/{WRIST}/episode_000002.mp4"
        ),
        ("video_spans", "video_surplus"),
    ),
    (V20, set_stat("frame_index", "mean", [3.0]), ("stats_bookkeeping",)),
]


@pytest.mark.parametrize(("spoil", "broken"), few(BREAKS, kept=brings_a_code))
def test_a_break_is_named(
    make_dataset: Record,
    opened: Callable[..., Catalog],
    spoil: Callable[[Path], None],
    broken: tuple[str, ...],
) -> None:
    root = make_dataset(**MANY_FILES)
    spoil(root)
    assert named(findings(opened(root), row_groups="episode")) == set(broken)


@pytest.mark.parametrize(
    ("settings", "spoil", "broken"),
    BREAKS_V2,
    ids=[f"{n}-{names[0]}" for n, (_, _, names) in enumerate(BREAKS_V2)],
)
def test_a_break_of_a_v2_dataset_is_named(
    make_dataset: Record,
    opened: Callable[..., Catalog],
    settings: dict[str, Any],
    spoil: Callable[[Path], None],
    broken: tuple[str, ...],
) -> None:
    root = make_dataset(**settings)
    spoil(root)
    assert named(findings(opened(root), row_groups="episode")) == set(broken)


def test_a_video_of_another_rate_is_named(make_dataset: Record, opened: Callable[..., Catalog]) -> None:
    root = make_dataset(**MANY_FILES)
    slower = make_dataset(**MANY_FILES, fps=25)
    (slower / VIDEO).replace(root / VIDEO)
    (found,) = findings(opened(root), row_groups="episode")
    assert (found.code, found.file, found.feature) == ("video_grid", VIDEO, WRIST)
    assert "25 fps, the dataset has 30" in found.problem


NAMES = {code.name for code in PROMISES}
# What the promises are checked with.
ASIDE = {"declared_episodes", "missing_data_files", "decodable_clips"}


def test_every_promise_is_broken_once() -> None:
    tried = {names[0] for _, names in BREAKS} | {names[0] for _, _, names in BREAKS_V2} | {"video_grid"}
    named = {code for broken in TABLE for code in broken.codes}
    assert NAMES - tried - named == set()


def test_every_file_of_sql_verify_is_a_promise() -> None:
    files = {name.removeprefix("verify/") for name in templates.names() if name.startswith("verify/")}
    assert files == {code.template for code in PROMISES} | ASIDE
    assert set(REQUIREMENTS) < NAMES
    assert {*PASSED_ON, *NAMES} < set(CODES)


# Sound datasets -----------------------------------------------------------------------------------

SOUND: dict[str, dict[str, Any]] = {
    "v30": {"version": "v3.0"},
    "v30_many_files": MANY_FILES,
    "v21": {"version": "v2.1"},
    "v20": {"version": "v2.0"},
    "two_chunks_v21": {**V21, "chunks_size": 2},
    "two_chunks_v30": {**MANY_FILES, "chunks_size": 2},
    "no_cameras": {"cameras": (), "version": "v3.0"},
    "images": {"cameras": (), "image_features": ("front",), "version": "v3.0"},
    "several_tasks_in_an_episode": {
        "tasks": ("reach", "grasp"),
        "task_of": lambda _, frame: "reach" if frame < 4 else "grasp",
        "codec": "h264",
    },
    "odd_features": {
        "cameras": (),
        "extra_features": {
            "observation.note": ("string", (1,), lambda e, f: f"{e}.{f}"),
            "observation.force": ("float32", (2, 3), lambda e, f: [[e, f, 0]] * 2),
            "next.done": ("bool", (1,), lambda e, f: f == 9),
        },
    },
}


@pytest.mark.parametrize("settings", SOUND.values(), ids=SOUND)
def test_sound_datasets_break_nothing(
    recorded: Record, opened: Callable[..., Catalog], settings: dict[str, Any]
) -> None:
    catalog = opened(recorded(**settings))
    assert findings(catalog, row_groups="episode") == []
    assert requirements(catalog) == []


def test_real_recordings_break_nothing(real: Path, opened: Callable[..., Catalog]) -> None:
    catalog = opened(*sorted(path.parent.parent for path in real.glob("*/meta/info.json")))
    assert findings(catalog, row_groups="episode") == []


def test_row_groups_are_free_unless_asked_for(make_dataset: Record, opened: Callable[..., Catalog]) -> None:
    root = make_dataset(**MANY_FILES)
    in_one_row_group(root / DATA[0])
    assert findings(opened(root)) == []


def test_each_video_is_probed_once(
    recorded: Record, opened: Callable[..., Catalog], monkeypatch: pytest.MonkeyPatch
) -> None:
    probed: list[Path] = []
    probe = facts.mp4.probe
    monkeypatch.setattr(
        facts.mp4, "probe", lambda path, **more: (probed.append(path), probe(path, **more))[1]
    )
    root = recorded(**MANY_FILES)
    catalog = opened(root)
    probed.clear()  # the first one of each camera, as the features are read
    findings(catalog)
    assert sorted(probed) == sorted(root.rglob("*.mp4"))


# What is told ------------------------------------------------------------------------------------


def test_a_violation_says_where(make_dataset: Record, opened: Callable[..., Catalog]) -> None:
    root = make_dataset("spoilt", **MANY_FILES)
    edit_parquet(root / DATA[0], first_two_swapped(1))
    (found,) = requirements(opened(root))
    assert found == Finding(
        code="episode_rows",
        severity="error",
        file=DATA[0],
        episode=1,
        feature=None,
        problem="frame_index does not run 0 to 9 in row order",
        remedy="lecompose repair DATASET -o OUT, which corrects lengths and leaves out torn episodes",
        src_dataset="spoilt",
    )
    assert str(found) == f"episode_rows: episode 1: {found.problem} ({DATA[0]})"


def test_of_several_sources_the_broken_one_is_told(
    make_dataset: Record, opened: Callable[..., Catalog]
) -> None:
    sound, spoilt = make_dataset("sound", **MANY_FILES), make_dataset("spoilt", **V21)
    mend = mapped("task_index", lambda _: 5)
    edit_parquet(spoilt / "data/chunk-000/episode_000001.parquet", mend)
    found = requirements(opened(sound, spoilt))
    assert [(v.code, v.src_dataset, v.episode) for v in found] == [("task_indices", "spoilt", 1)]


def test_requirements_leave_numbering_alone(make_dataset: Record, opened: Callable[..., Catalog]) -> None:
    root = make_dataset(**MANY_FILES)
    for name in META:
        edit_parquet(root / name, mapped("dataset_from_index", lambda _: 3))
        edit_parquet(root / name, mapped("data/file_index", lambda _: 8))
    edit_parquet(root / META[2], without_episode(7))
    assert requirements(opened(root)) == []


def test_an_unreadable_video_is_told_as_media_tells_it(
    make_dataset: Record, opened: Callable[..., Catalog]
) -> None:
    root = make_dataset(**MANY_FILES)
    cut_short(root)
    with pytest.raises(MediaError) as error:
        facts.mp4.probe(root / VIDEO)
    (found,) = findings(opened(root))
    assert found.problem == f"{error.value.fault}; so for 3 episodes"


def test_an_odd_robot_type_hides_nothing(make_dataset: Record, engine: Engine) -> None:
    root = make_dataset(**MANY_FILES)
    set_info("robot_type", 7)(root)
    set_info("total_episodes", 9)(root)
    assert named(examine(engine, root, scratch=engine.scratch)) == {"robot_type", "info_totals"}


# verify -------------------------------------------------------------------------------------------


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(scratch=tmp_path, threads=1)
    yield engine
    engine.close()


def test_verify_is_silent_about_a_sound_dataset(dataset_v30: Path, engine: Engine) -> None:
    verify([dataset_v30], engine=engine, scratch=engine.scratch)


def test_verify_raises_with_every_violation(make_dataset: Record, engine: Engine) -> None:
    root = make_dataset(**MANY_FILES)
    set_info("total_episodes", 9)(root)
    drop_stat(root)
    with pytest.raises(VerifyError) as error:
        verify([root], engine=engine, scratch=engine.scratch)
    assert str(error.value).splitlines() == [
        "2 promises of the format broken by the dataset that was written:",
        "  - info_totals: total_episodes is 9, the dataset has 8 (meta/info.json)",
        '  - stats_keys: feature "action": no std (meta/stats.json)',
        f"({root})",
    ]


def test_verify_tells_of_each_dataset_what_is_wrong_with_it(make_dataset: Record, engine: Engine) -> None:
    roots = [make_dataset(name=name, **MANY_FILES) for name in ("one", "two", "sound")]
    set_info("total_episodes", 9)(roots[0])
    drop_stat(roots[1])
    with pytest.raises(VerifyError) as error:
        verify(roots, engine=engine, scratch=engine.scratch)
    assert str(error.value).splitlines() == [
        "1 promise of the format broken by the dataset that was written:",
        "  - info_totals: total_episodes is 9, the dataset has 8 (meta/info.json)",
        f"({roots[0]})",
        "1 promise of the format broken by the dataset that was written:",
        '  - stats_keys: feature "action": no std (meta/stats.json)',
        f"({roots[1]})",
    ]


def test_verify_raises_for_what_cannot_be_opened(make_dataset: Record, engine: Engine) -> None:
    root = make_dataset(**MANY_FILES)
    (root / TASKS).unlink()
    with pytest.raises(VerifyError, match="cannot be opened"):
        verify([root], engine=engine, scratch=engine.scratch)


def named(found: list[Finding]) -> set[str]:
    return {finding.code for finding in found}


@given(
    rows=st.lists(st.none() | st.lists(st.none() | st.floats(width=32), max_size=3), max_size=6),
    depth=st.integers(0, 2),
    start=st.integers(0, 3),
)
def test_the_first_number_of_each_row_by_column_and_one_by_one(
    rows: list[Any], depth: int, start: int
) -> None:
    kind: pa.DataType = pa.list_(pa.float64())
    for _ in range(depth):
        rows, kind = [row if row is None else [row] for row in rows], pa.list_(kind)
    column = pa.chunked_array([pa.array(rows, kind)]).slice(start)
    found = episode_stats.firsts(column).to_pylist()
    np.testing.assert_array_equal(found, [episode_stats.first(row) for row in column.to_pylist()])

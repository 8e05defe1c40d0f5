"""Frames come in the order asked for, each with its own episode's rows and exact types."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from conftest import digest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lecompose.dataset.catalog import open_catalog
from lecompose.dataset.frames import Frames, read_in_order
from lecompose.engine import open_engine
from lecompose.errors import FeatureMismatch, RequestError, SourceBroken, UnknownEpisode

Record = Callable[..., Path]
LENGTHS = (7, 10, 3, 12, 1, 9, 4, 6)
SMALL: dict[str, Any] = {"cameras": (), "frames": LENGTHS, "tasks": ("pick the cup", "wave", "place")}
FORMATS: dict[str, dict[str, Any]] = {
    "v2.0": {"version": "v2.0"},
    "v2.1": {"version": "v2.1"},
    "v3.0": {"version": "v3.0"},
    "v3.0 in many files": {"version": "v3.0", "frames_per_data_file": 20},
}
EXTRA = {
    'odd "name".é': ("float64", (2,), lambda e, f: [e, f]),
    "grid": ("float32", (2, 3), lambda e, f: np.full((2, 3), 10 * e + f, np.float32)),
    "word": ("string", (1,), lambda e, f: f"{e}/{f}"),
    "task": ("int64", (1,), lambda e, f: 100 * e + f),
}


@contextmanager
def opened(scratch: Path, *roots: Path, names: list[str] | None = None) -> Iterator[Frames]:
    scratch.mkdir(exist_ok=True)
    engine = open_engine(scratch=scratch, threads=2)
    try:
        yield Frames(open_catalog(engine, roots, names=names))
    finally:
        engine.close()


def truth(root: Path) -> dict[int, pa.Table]:
    """Each episode's rows, read without anything of ours."""
    held = pa.concat_tables([pq.read_table(f) for f in sorted(root.glob("data/*/*.parquet"))])
    episodes = sorted(set(held["episode_index"].to_pylist()))
    return {n: held.filter(pc.equal(held["episode_index"], n)).sort_by("frame_index") for n in episodes}


def assert_asked(found: pa.Table, held: dict[int, pa.Table], asked: list[int]) -> None:
    wanted = pa.concat_tables([held[n] for n in asked]) if asked else held[0].slice(0, 0)
    assert found["src_episode"].to_pylist() == wanted["episode_index"].to_pylist()
    for name in wanted.column_names:
        assert found[name].to_pylist() == wanted[name].to_pylist(), name


def packed(root: Path, rows: int) -> Path:
    """The same dataset, its data files in row groups of `rows` rows."""
    for path in root.glob("data/*/*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table, path, row_group_size=rows)
    return root


# Order --------------------------------------------------------------------------------------------

SELECTIONS = {
    "unsorted": [5, 2, 7],
    "sparse": [0, 3, 6],
    "repeated": [4, 4, 1, 4, 0, 1],
    "backwards": [7, 6, 5, 4, 3, 2, 1, 0],
    "all": list(range(8)),
    "one": [4],
    "none": [],
}


@pytest.mark.parametrize("asked", SELECTIONS.values(), ids=SELECTIONS)
@pytest.mark.parametrize("kind", FORMATS)
def test_selections_in_every_format(kind: str, asked: list[int], recorded: Record, tmp_path: Path) -> None:
    root = recorded(**SMALL | FORMATS[kind])
    with opened(tmp_path / "scratch", root) as frames:
        reader = frames.read(asked)
        assert isinstance(reader, pa.RecordBatchReader)
        found = reader.read_all()
    assert_asked(found, truth(root), asked)
    texts = {n: SMALL["tasks"][n % 3] for n in range(8)}
    assert found["task"].to_pylist() == [texts[n] for n in asked for _ in range(LENGTHS[n])]
    assert set(found["src_dataset"].to_pylist()) <= {root.name}


@pytest.mark.parametrize("rows", [1, 5, 1000])
def test_row_groups_that_know_nothing_of_episodes(rows: int, make_dataset: Record, tmp_path: Path) -> None:
    root = packed(make_dataset(**SMALL, version="v3.0"), rows)
    asked = [5, 0, 5, 7, 2, 3]
    with opened(tmp_path / "scratch", root) as frames:
        assert_asked(frames.read(asked).read_all(), truth(root), asked)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    asked=st.lists(st.integers(0, 7), max_size=20),
    window=st.integers(1, 40),
    read=st.integers(1, 16),
    batch=st.integers(1, 30),
)
def test_any_selection_through_windows_of_any_size(
    asked: list[int], window: int, read: int, batch: int, many: Frames, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows, reads and batches far smaller than episodes, and larger ones."""
    root = many.catalog.sources[0].root
    with monkeypatch.context() as patch:
        patch.setattr(read_in_order, "WINDOW_ROWS", window)
        patch.setattr(read_in_order, "_READ_ROWS", read)
        batches = list(many.read(asked, batch_rows=batch))
    assert all(0 < b.num_rows <= batch for b in batches)
    found = pa.Table.from_batches(batches, schema=many.read([]).schema)
    assert_asked(found, truth(root), asked)


@pytest.fixture(scope="module")
def many(recorded: Record, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Frames]:
    root = recorded(**SMALL | FORMATS["v3.0 in many files"])
    with opened(tmp_path_factory.mktemp("scratch"), root) as frames:
        yield frames


def test_several_sources(recorded: Record, tmp_path: Path) -> None:
    """Of formats that differ, one of them given twice."""
    one = recorded(**SMALL | FORMATS["v2.1"])
    two = recorded(**SMALL | FORMATS["v3.0"], seed=4)
    held = {"x": truth(one), "y": truth(two), "z": truth(two)}
    asked = [("y", 3), ("x", 3), ("z", 3), ("y", 2), ("z", 0), ("y", 0), ("x", 0)]
    with opened(tmp_path / "scratch", one, two, two, names=["x", "y", "z"]) as frames:
        found = frames.read(asked).read_all()
        every = frames.read().read_all()
    wanted = pa.concat_tables([held[name][n] for name, n in asked])
    assert found["src_dataset"].to_pylist() == [name for name, n in asked for _ in range(LENGTHS[n])]
    for name in wanted.column_names:
        assert found[name].to_pylist() == wanted[name].to_pylist(), name
    assert every["src_dataset"].to_pylist() == [name for name in "xyz" for _ in range(sum(LENGTHS))]
    assert every["src_episode"].to_pylist() == 3 * [n for n in range(8) for _ in range(LENGTHS[n])]


# Types and columns --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_exact_types_and_odd_names(version: str, recorded: Record, tmp_path: Path) -> None:
    root = recorded(version=version, extra_features=EXTRA, image_features=("top",), **SMALL)
    with opened(tmp_path / "scratch", root) as frames:
        found = frames.read([3, 1]).read_all()
    types = {field.name: field.type for field in found.schema}
    assert types["observation.state"] == pa.list_(pa.field("element", pa.float32()), 6)
    assert types['odd "name".é'] == pa.list_(pa.field("element", pa.float64()), 2)
    assert types["grid"] == pa.list_(pa.field("element", pa.list_(pa.field("element", pa.float32()))))
    assert types["observation.images.top"] == pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    assert (types["timestamp"], types["src_episode"]) == (pa.float32(), pa.int64())
    numbers = [(e, f) for e in (3, 1) for f in range(LENGTHS[e])]
    assert found['odd "name".é'].to_pylist() == [[e, f] for e, f in numbers]
    assert found["grid"].to_pylist() == [[[10 * e + f] * 3] * 2 for e, f in numbers]
    assert found["word"].to_pylist() == [f"{e}/{f}" for e, f in numbers]
    assert found["data.task"].to_pylist() == [100 * e + f for e, f in numbers]
    assert found["task"].to_pylist() == [SMALL["tasks"][e % 3] for e, _ in numbers]
    pictures = pa.concat_tables([truth(root)[n] for n in (3, 1)])["observation.images.top"].to_pylist()
    assert found["observation.images.top"].to_pylist() == pictures


def test_columns_in_the_order_asked_for(recorded: Record, tmp_path: Path) -> None:
    root = recorded(version="v2.1", extra_features=EXTRA, **SMALL)
    with opened(tmp_path / "scratch", root) as frames:
        found = frames.read([2, 0], ["word", "task", "src_episode"]).read_all()
        assert found.schema.names == ["word", "task", "src_episode"]
        assert found["word"].to_pylist()[:4] == ["2/0", "2/1", "2/2", "0/0"]
        assert frames.read([2], ["src_dataset"]).read_all().to_pylist() == [{"src_dataset": root.name}] * 3


def test_tasks_that_have_no_text(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset(version="v2.1", **SMALL)
    lines = (root / "meta/tasks.jsonl").read_text().splitlines()
    (root / "meta/tasks.jsonl").write_text(lines[0] + "\n")
    with opened(tmp_path / "scratch", root) as frames:
        found = frames.read([1, 0], ["task"]).read_all()["task"].to_pylist()
    assert found == [None] * 10 + ["pick the cup"] * 7


# What cannot be read ------------------------------------------------------------------------------


def test_episodes_that_are_not_there(recorded: Record, tmp_path: Path) -> None:
    root = recorded(**SMALL)
    with opened(tmp_path / "scratch", root, root, names=["left", "right"]) as frames:
        with pytest.raises(UnknownEpisode) as raised:
            frames.read([("left", 3), ("left", 8), ("right", -1), ("left", 8)])
        assert 'source "left" has no episode 8\n  - source "right" has no episode -1' in str(raised.value)
        with pytest.raises(UnknownEpisode, match=r'no source is called "lef".*did you mean "left"'):
            frames.read([("lef", 3)])
        with pytest.raises(RequestError, match="episode 3 of which source"):
            frames.read([3])
    with opened(tmp_path / "scratch", root) as frames:
        for wrong in ("3", 3.0, True, None):
            with pytest.raises(RequestError, match="a whole number is needed"):
                frames.read([wrong])
        with pytest.raises(RequestError, match="at least 1"):
            frames.read([0], batch_rows=0)
        assert frames.read(np.array([2, 0])).read_all().num_rows == 10


def test_columns_that_are_not_there(recorded: Record, tmp_path: Path) -> None:
    root = recorded(version="v3.0", frames=(3, 2), cameras=("front",), codec="h264")
    with opened(tmp_path / "scratch", root) as frames, pytest.raises(RequestError) as raised:
        frames.read([0], ["acton", "observation.images.front", "action", "nothing"])
    assert 'no column "acton" (did you mean "action"?)' in str(raised.value)
    assert '"observation.images.front" is a camera' in str(raised.value)
    assert 'no column "nothing"' in str(raised.value)


def test_sources_that_do_not_share_a_column(recorded: Record, tmp_path: Path) -> None:
    roots = [recorded(**SMALL, action_dim=6), recorded(**SMALL, action_dim=7)]
    with opened(tmp_path / "scratch", *roots, names=["a", "b"]) as frames:
        with pytest.raises(FeatureMismatch, match=r'"action": "a" has float32 \[6\], "b" has float32 \[7\]'):
            frames.read()
        columns = ["src_dataset", "observation.state"]
        assert frames.read([("b", 2), ("a", 1)], columns).read_all().num_rows == 13


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def swapped(table: pa.Table) -> pa.Table:
    return table.take([1, 0, *range(2, table.num_rows)])


def renumbered(table: pa.Table) -> pa.Table:
    at = table.schema.get_field_index("episode_index")
    return table.set_column(at, "episode_index", pa.array([5] * table.num_rows, pa.int64()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (swapped, "episode 3: frames are not in order 0 to 11"),
        (renumbered, "episode 3: frames are not in order"),
        (lambda table: table.slice(0, 4), r"data changed while it was read: \d+ rows of \d+|not in order"),
    ],
    ids=["swapped", "renumbered", "shortened"],
)
@pytest.mark.parametrize("asked", [[3], [1, 3, 0]], ids=["alone", "among others"])
def test_data_that_changed_since_it_was_opened(
    change: Any, message: str, asked: list[int], make_dataset: Record, tmp_path: Path
) -> None:
    root = make_dataset(version="v2.1", **SMALL)
    with opened(tmp_path / "scratch", root) as frames:
        frames.read([3]).read_all()
        rewrite(root / "data/chunk-000/episode_000003.parquet", change)
        with pytest.raises(SourceBroken, match=message):
            frames.read(asked).read_all()
        assert frames.read([4, 2]).read_all().num_rows == 4, "other episodes are as they were"


def test_damaged_and_vanished_files(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset(version="v2.1", **SMALL)
    with opened(tmp_path / "scratch", root) as frames:
        frames.read([0]).read_all()
        path = root / "data/chunk-000/episode_000003.parquet"
        held = path.read_bytes()
        path.write_bytes(held[:10] + b"\xff" * 200 + held[210:])
        with pytest.raises(SourceBroken, match=r"cannot be read.*episode_000003"):
            frames.read([2, 3]).read_all()
        path.unlink()
        with pytest.raises(SourceBroken, match=r"cannot be read.*episode_000003"):
            frames.read([3]).read_all()


# What it costs ------------------------------------------------------------------------------------


def test_it_is_lazy_and_bounded(
    make_dataset: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more rows are read than the windows given so far hold."""
    root = make_dataset(version="v2.1", **SMALL)
    opens: list[str] = []
    real = pq.ParquetFile

    def counted(path: Any, *arguments: Any, **options: Any) -> Any:
        opens.append(Path(path).stem)
        return real(path, *arguments, **options)

    with opened(tmp_path / "scratch", root) as frames:
        frames.read([0]).read_all()
        monkeypatch.setattr(read_in_order.pq, "ParquetFile", counted)
        monkeypatch.setattr(read_in_order, "WINDOW_ROWS", 12)
        reader = frames.read([5, 2, 5, 0, 6])  # windows: 9 + 3, 9, 7 + 4
        assert opens == []
        assert reader.read_next_batch().num_rows == 12
        assert sorted(opens) == ["episode_000002", "episode_000005"]
        assert sum(batch.num_rows for batch in reader) == 20
        assert len(opens) == 5, "a file is opened once a window"


def test_ten_thousand_in_any_order_open_a_file_once_a_window(
    recorded: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = recorded(version="v3.0", episodes=40, frames=3, cameras=())
    opens: list[str] = []
    real = pq.ParquetFile
    monkeypatch.setattr(
        read_in_order.pq, "ParquetFile", lambda path, **how: opens.append(str(path)) or real(path, **how)
    )
    asked = [random.Random(1).randrange(40) for _ in range(10_000)]
    with opened(tmp_path / "scratch", root) as frames:
        opens.clear()  # those of the schemas
        found = frames.read(asked, ["src_episode", "episode_index"]).read_all()
    assert found["src_episode"].to_pylist() == [n for n in asked for _ in range(3)]
    assert found["src_episode"].equals(found["episode_index"])
    assert len(opens) == 1


def test_nothing_is_written_anywhere(
    recorded: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = recorded(**SMALL | FORMATS["v3.0 in many files"])
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    for name in ("HOME", "XDG_CACHE_HOME", "HF_HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(home))
    before = digest(root)
    with opened(tmp_path / "scratch", root) as frames:
        frames.read([5, 2, 5]).read_all()
        assert [*home.rglob("*"), *(tmp_path / "scratch").rglob("*")] == []
    assert digest(root) == before
    assert list(home.iterdir()) == []

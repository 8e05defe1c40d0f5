"""What users' SQL sees of datasets of every format, and what it gives to the operations."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import digest

from lecompose.dataset.catalog import open_catalog
from lecompose.dataset.query_views import Views, open_views
from lecompose.engine import open_engine
from lecompose.errors import OutputExists, OutputUnwritable, QueryError, RequestError, SourceBroken

Record = Callable[..., Path]
SMALL: dict[str, Any] = {
    "cameras": ("front",),
    "codec": "h264",
    "frames": (7, 3, 9),
    "tasks": ("pick", "place"),
}
VERSIONS = ("v2.0", "v2.1", "v3.0")


@contextmanager
def opened(scratch: Path, *roots: Path, names: list[str] | None = None) -> Iterator[Views]:
    scratch.mkdir(exist_ok=True)
    engine = open_engine(scratch=scratch, threads=2)
    try:
        with open_views(open_catalog(engine, roots, names=names)) as views:
            yield views
        assert list(scratch.glob("sandbox-*")) == []
    finally:
        engine.close()


def passing(views: Views, predicate: str) -> pa.Table:
    truth = views.episode_condition(predicate)
    return truth.filter(truth["value"])


def passing_frames(views: Views, predicate: str) -> pa.Table:
    truth = views.frame_condition(predicate)
    return truth.filter(truth["value"])


def pairs(table: pa.Table) -> list[tuple[str, int]]:
    return list(zip(table["src_dataset"].to_pylist(), table["src_episode"].to_pylist(), strict=True))


@pytest.fixture
def views(recorded: Record, tmp_path: Path) -> Iterator[Views]:
    """Three sources, one of each format."""
    roots = [recorded(version=version, **SMALL) for version in VERSIONS]
    with opened(tmp_path / "scratch", *roots, names=["b20", "a21", "c30"]) as views:
        yield views


# Relations ----------------------------------------------------------------------------------------


def test_relations(views: Views) -> None:
    names = ["clips", "datasets", "episodes", "features", "frames", "lineage", "tasks"]
    assert views.select("show tables")["name"].to_pylist() == names
    assert views.select("from datasets")["version"].to_pylist() == list(VERSIONS)


def test_episodes_in_every_format(views: Views) -> None:
    """The same recording: only places differ."""
    rows = views.select("from episodes").to_pylist()
    assert [(r["src_dataset"], r["src_episode"]) for r in rows] == [
        (name, n) for name in ("b20", "a21", "c30") for n in range(3)
    ]
    for n, row in enumerate(rows):
        length, start = (7, 3, 9)[n % 3], (0, 7, 10)[n % 3]
        assert (row["length"], row["seconds"]) == (length, length / 30)
        assert (row["from_index"], row["to_index"]) == (start, start + length)
        assert row["tasks"] == [row["task"]] == [("pick", "place", "pick")[n % 3]]
        assert (row["fps"], row["robot_type"]) == (30, "toy_arm")
    assert rows[4]["data_file"] == "data/chunk-000/episode_000001.parquet"
    assert rows[7]["data_file"] == "data/chunk-000/file-000.parquet"
    front = "observation.images.front"
    assert rows[4]["video_files"] == [(front, f"videos/chunk-000/{front}/episode_000001.mp4")]
    assert rows[7]["video_files"] == [(front, f"videos/{front}/chunk-000/file-000.mp4")]
    for row in rows:
        root = next(s.root for s in views.catalog.sources if s.name == row["src_dataset"])
        assert (root / row["data_file"]).is_file()
        assert all((root / file).is_file() for _, file in row["video_files"])


def test_statistics_under_readable_names(views: Views, recorded: Record) -> None:
    sql = """select src_dataset, stats.action.max[1] as top, stats."observation.images.front".mean as mean,
                    stats."observation.state".q50 as median from episodes where src_episode = 1"""
    v20, v21, v30 = views.select(sql).to_pylist()
    lines = (recorded(version="v2.1", **SMALL) / "meta/episodes_stats.jsonl").read_text().splitlines()
    said = json.loads(lines[1])["stats"]
    assert v21["top"] == said["action"]["max"][0]
    assert v21["mean"] == [x[0][0] for x in said["observation.images.front"]["mean"]]
    assert v21["median"] is None, "v2.1 knows no quantiles"
    held = pq.read_table(recorded(version="v3.0", **SMALL) / "meta/episodes").to_pylist()[1]
    assert v30["top"] == held["stats/action/max"][0]
    assert v30["median"] == held["stats/observation.state/q50"]
    assert v30["mean"] == [x[0][0] for x in held["stats/observation.images.front/mean"]]
    assert (v20["top"], len(v20["mean"])) == (None, 3), "v2.0 has those of the whole dataset, of pictures"


def test_statistics_are_read_only_when_they_are_meant(make_dataset: Record, tmp_path: Path) -> None:
    """They can take longer than all the rest; here they cannot be read at all."""
    root = make_dataset(version="v2.1", **SMALL)
    (root / "meta/episodes_stats.jsonl").write_text("{nonsense\n")
    with opened(tmp_path / "scratch", root) as views:
        assert views.select("select sum(length) as n from episodes")["n"][0].as_py() == 19
        assert passing(views, "length > 5").num_rows == 2
        for ask in (
            lambda: views.select("from episodes"),
            lambda: passing(views, "stats.action.max[1] > 0"),
            lambda: views.strata("episodes"),
            lambda: views.episode_order("stats.action.max[1]"),
        ):
            with pytest.raises(SourceBroken, match="line 1 is not an episode's statistics"):
                ask()


def test_frames_in_every_format(views: Views, recorded: Record) -> None:
    rows = views.select("from frames")
    for name, version in zip(("b20", "a21", "c30"), VERSIONS, strict=True):
        mine = rows.filter(pa.compute.equal(rows["src_dataset"], name))
        root = recorded(version=version, **SMALL)
        held = pa.concat_tables([pq.read_table(f) for f in sorted(root.glob("data/*/*.parquet"))])
        assert mine["src_episode"].to_pylist() == held["episode_index"].to_pylist()
        assert mine["task"].to_pylist() == ["pick"] * 7 + ["place"] * 3 + ["pick"] * 9
        for column in held.column_names:
            assert mine[column].to_pylist() == held[column].to_pylist(), column


def test_sources_of_different_features(recorded: Record, tmp_path: Path) -> None:
    """What one lacks is NULL, what does not go together is text, names that are ours are kept apart."""
    extra = {
        'odd "name".é': ("float32", (2,), lambda e, f: [e, f]),
        "mixed": ("string", (1,), lambda e, f: f"{e}/{f}"),
        "task": ("int64", (1,), lambda e, f: 7),
    }
    other = {"mixed": ("float32", (3,), lambda e, f: [e, f, 1]), "odd": ("float64", (1,), lambda e, f: 0.5)}
    one = recorded(version="v3.0", extra_features=extra, **SMALL)
    two = recorded(version="v2.1", extra_features=other, **SMALL)
    with opened(tmp_path / "scratch", one, two, names=["one", "two"]) as views:
        given = 'select "odd ""name"".é"[2] as a, mixed, "data.task" as t, task, odd'
        sql = f"{given} from frames where frame_index = 2"
        rows = views.select(sql).to_pylist()
        assert rows[0] == {"a": 2.0, "mixed": "0/2", "t": 7, "task": "pick", "odd": None}
        assert rows[-1] == {"a": None, "mixed": "[2.0, 2.0, 1.0]", "t": None, "task": "pick", "odd": 0.5}
        stats = views.select('select stats."odd ""name"".é".max as m from episodes')["m"].to_pylist()
        assert stats == [[0, 6], [1, 2], [2, 8], None, None, None]


def test_custom_columns(make_dataset: Record, tmp_path: Path) -> None:
    """Under their own names, but for those of ours."""
    root = make_dataset(version="v2.1", **SMALL)
    lines = [json.loads(line) for line in (root / "meta/episodes.jsonl").read_text().splitlines()]
    added = [{"score": n / 2, "fps": f"x{n}", 'operator "é".x': None} for n in range(3)]
    (root / "meta/episodes.jsonl").write_text(
        "".join(json.dumps(line | more) + "\n" for line, more in zip(lines, added, strict=True))
    )
    with opened(tmp_path / "scratch", root) as views:
        rows = views.select(
            'select score, fps, "custom.fps", "operator ""é"".x" as o from episodes'
        ).to_pylist()
        assert [r["score"] for r in rows] == [0, 0.5, 1]
        assert [(r["fps"], r["custom.fps"], r["o"]) for r in rows] == [(30, f"x{n}", None) for n in range(3)]
        assert pairs(passing(views, "score >= 0.5")) == [(root.name, 1), (root.name, 2)]


# For operations -----------------------------------------------------------------------------------


def test_where(views: Views) -> None:
    assert pairs(passing(views, "length > 3 and task ilike '%ICK' and src_dataset <> 'a21'")) == [
        ("b20", 0), ("b20", 2), ("c30", 0), ("c30", 2)
    ]  # fmt: skip
    assert passing(views, "false").num_rows == 0
    assert pairs(passing(views, "null or src_episode = 1 and src_dataset > 'b'")) == [("b20", 1), ("c30", 1)]
    last = "row_number() over (partition by src_dataset order by length desc) = 1"
    assert pairs(passing(views, last)) == [("b20", 2), ("a21", 2), ("c30", 2)]
    assert pairs(passing(views, "length = (select max(length) from episodes)")) == pairs(passing(views, last))


def test_where_frames(views: Views, recorded: Record) -> None:
    held = pq.read_table(recorded(version="v3.0", **SMALL) / "data").to_pylist()
    tops = [max(abs(r["action"][0]) for r in held if r["episode_index"] == n) for n in range(3)]
    limit = sorted(tops)[1]
    wanted = [(name, n) for name in ("b20", "a21", "c30") for n in range(3) if tops[n] < limit]
    assert pairs(passing_frames(views, f"max(abs(action[1])) < {limit!r}")) == wanted
    assert len(wanted) == 3
    assert pairs(passing_frames(views, "src_dataset = 'a21' and count(*) > 3")) == [("a21", 0), ("a21", 2)]


def test_strata(views: Views) -> None:
    found = views.strata("case when task = 'pick' then length end")
    assert found.schema.names == ["src_dataset", "src_episode", "stratum"]
    assert found.schema.field("stratum").type == pa.string()
    assert found["stratum"].to_pylist() == ["7", "null", "9"] * 3
    assert pairs(found) == pairs(passing(views, "true"))


def test_ordered_ties_as_in_the_sources(views: Views) -> None:
    every = pairs(passing(views, "true"))
    longest = [(name, 2) for name in ("b20", "a21", "c30")]
    assert pairs(views.episode_order("length desc"))[:3] == longest
    assert pairs(views.episode_order("length > 0")) == every
    assert pairs(views.episode_order("src_dataset, src_episode desc nulls last -- so"))[0] == ("a21", 2)
    assert pairs(views.episode_order("random()")) != pairs(views.episode_order("random()"))


@pytest.mark.parametrize(
    ("way", "text", "message"),
    [
        ("episode_condition", "length", "a condition, true or false, is needed"),
        ("episode_condition", "task", "a condition, true or false, is needed"),
        ("episode_condition", "unnest([true, false])", "one value an episode is needed, found 18 of 9"),
        ("episode_condition", "max(length) > 3", r"must appear in the GROUP BY(?s:.*)Try: a window"),
        ("episode_condition", "cast(task as int) > 1", "Could not convert string 'pick'"),
        ("frame_condition", "action[1] > 2", r"Try: an aggregate over the episode's frames, as in max"),
        ("frame_condition", "max(frame_index)", "a condition, true or false, is needed"),
        ("strata", "task, length", "only a single expression"),
        ("strata", "columns(*)", "one value is needed, this gives"),
        ("episode_order", "length limit 1", "a list of terms to sort by is needed"),
        ("episode_order", "length; select 1", "one SELECT is needed, found SELECT, SELECT"),
    ],
)
def test_what_is_no_such_expression(views: Views, way: str, text: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        getattr(views, way)(text)


def test_opening_changes_no_source(make_dataset: Record, tmp_path: Path) -> None:
    roots = [make_dataset(version=version, **SMALL) for version in VERSIONS]
    before = [digest(root) for root in roots]
    with opened(tmp_path / "scratch", *roots) as views:
        views.select("select * from episodes join frames using (src_dataset, src_episode)")
    assert [digest(root) for root in roots] == before


def test_a_file_that_vanishes_meanwhile(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset(version="v2.1", **SMALL)
    with opened(tmp_path / "scratch", root) as views:
        shutil.rmtree(root / "data")
        with pytest.raises(SourceBroken, match="episode_000000"):
            views.select("select count(action) from frames")


# Files --------------------------------------------------------------------------------------------


def test_save_in_every_format(views: Views, tmp_path: Path) -> None:
    sql = """select src_episode, 'nan'::double as n, [1.5, '-inf'::float] as l, '"NaN", é' as s, '' as e,
                    null as o, map {'k': 1} as m
             from episodes order by src_episode desc, src_dataset limit 4"""
    for ending in ("csv", "json", "parquet"):
        assert views.save(sql, tmp_path / f"rows.{ending}") == 4
    rows = json.loads((tmp_path / "rows.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert [row["src_episode"] for row in rows] == [2, 2, 2, 1]
    assert rows[0] == {
        "src_episode": 2, "n": None, "l": [1.5, None], "s": '"NaN", é', "e": "", "o": None, "m": {"k": 1}
    }  # fmt: skip
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    assert lines[:2] == ["src_episode,n,l,s,e,o,m", '2,nan,"[1.5, -inf]","""NaN"", é","",,{k=1}']
    assert pq.read_table(tmp_path / "rows.parquet")["src_episode"].to_pylist() == [2, 2, 2, 1]
    assert views.save("select 1 as a where false", tmp_path / "none.json") == 0
    assert json.loads((tmp_path / "none.json").read_text()) == []
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_what_is_there_stays_unless_told_otherwise(views: Views, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("mine")
    with pytest.raises(OutputExists, match="overwrite"):
        views.save("select 1", path)
    with pytest.raises(QueryError):
        views.save("select nothing", path, overwrite=True)
    assert path.read_text() == "mine"
    assert views.save("select 1 as a", path, overwrite=True) == 1
    assert path.read_text() == "a\n1\n"


def test_places_where_no_result_goes(views: Views, tmp_path: Path) -> None:
    source = views.catalog.sources[0].root
    before = digest(source)
    stranger = tmp_path / "stranger"  # a dataset that is not read
    (stranger / "meta").mkdir(parents=True)
    (stranger / "meta" / "info.json").write_text("{}")
    for path in (
        source / "rows.csv",
        next(source.glob("data/*/*.parquet")),
        tmp_path / ".." / source / "x.csv",
        stranger / "meta" / "info.json",
    ):
        with pytest.raises(RequestError, match="in a dataset"):
            views.save("select 1", path, overwrite=True)
    assert digest(source) == before
    with pytest.raises(OutputUnwritable, match="no such folder"):
        views.save("select 1", tmp_path / "no" / "rows.csv")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (tmp_path, fifo):
        with pytest.raises(OutputExists, match="not a file"):
            views.save("select 1", path, format="csv", overwrite=True)
    assert fifo.is_fifo()
    with pytest.raises(RequestError, match="one of csv, json, parquet"):
        views.save("select 1", tmp_path / "rows.txt")

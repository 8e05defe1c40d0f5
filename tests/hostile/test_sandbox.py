"""SQL of users, by every door that takes some: what it may not do it is told, what it costs is bounded."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hostile.attacks import run, run_bounded, tree
from support.effort import in_turn

import lecompose
from lecompose.errors import ComposeError, QueryError

Record = Callable[..., Path]

# More than tests/unit/test_sandbox.py tries: other spellings of the same wishes.
READS = [
    "select * from read_csv('/etc/passwd')",
    "select * from read_csv_auto('/etc/passwd')",
    "select * from read_text('/etc/passwd')",
    "select * from read_blob('/etc/passwd')",
    "select * from read_json('/etc/passwd')",
    "select * from read_ndjson_objects('/etc/passwd')",
    "select * from read_parquet('{data}')",
    "select * from parquet_scan('{data}')",
    "select * from parquet_metadata('{data}')",
    "select * from parquet_schema('{data}')",
    "select * from parquet_kv_metadata('{data}')",
    "select * from parquet_file_metadata('{data}')",
    "from '/etc/passwd'",
    "from '~/.bashrc'",
    "from '{secret}'",
    "from 'http://127.0.0.1:{port}/x.parquet'",
    "from 'https://127.0.0.1:{port}/x.csv'",
    "from 's3://bucket/x.parquet'",
    "from 'hf://datasets/x/y.parquet'",
    "select * from glob('/etc/*')",
    "select * from sniff_csv('/etc/passwd')",
    "select * from read_duckdb('/tmp/x.db')",
    "select * from sqlite_scan('/tmp/x.db', 'x')",
    "select * from duckdb_settings()",
    "select * from duckdb_secrets()",
    "select * from duckdb_logs()",
    "select * from which_secret('x', 's3')",
    "select * from pragma_database_list()",
    "select * from pragma_storage_info('episodes')",
    "select * from query('select 1')",
    "select * from query_table(['episodes', 'frames'], true, 'x')",
    "with recursive t as (select * from read_text('/etc/passwd')) from t",
    "with t as materialized (from '/etc/passwd') select * from t",
    "select (select content from read_text('/etc/passwd'))",
    "select 1 where exists (from read_text('/etc/passwd'))",
    "select * from episodes, lateral (select * from read_text('/etc/passwd'))",
    "select * from (values ('/etc/passwd')) t(f), read_text(f)",
    "select /* */ * from/**/read_text/**/('/etc/passwd')",
    "select 1 --\n union all from read_text('/etc/passwd')",
    "select * from \"read_text\"('/etc/passwd')",
    "select * from main.read_text('/etc/passwd')",
    "select * from system.main.read_text('/etc/passwd')",
    "select getenv('HOME')",
    "select * from test_all_types()",
    "select * from seq_scan('episodes')",
    "select * from python_map_function()",
    "select * from pandas_scan(140000000000000)",
    "select * from arrow_scan_dumb(1, 2, 3)",
]
CHANGES = [
    "copy (select 1) to '{target}'",
    "copy episodes from '/etc/passwd'",
    "attach '{target}' as x",
    "attach ':memory:' as x",
    "detach memory",
    "use system",
    "install httpfs",
    "force install httpfs from 'http://127.0.0.1:{port}'",
    "load '{target}'",
    "set memory_limit = '1TB'",
    "set threads = 100",
    "set variable x = 1",
    "set schema = 'main'",
    "pragma enable_object_cache",
    "pragma memory_limit = '1TB'",
    "select 1; copy (select 1) to '{target}'",
    "select 1;;; drop view frames",
    "prepare p as select 1",
    "execute p",
    "deallocate p",
    "create macro m(x) as x",
    "create or replace temp view episodes as select 1",
    "create temp table x as select 1",
    "create function f(x) as x",
    "create secret (type s3)",
    "create type t as enum ('a')",
    "create sequence s",
    "select nextval('s')",
    "alter table episodes rename to x",
    "drop view frames",
    "truncate episodes",
    "merge into episodes using episodes e on true when matched then delete",
    "vacuum",
    "analyze",
    "comment on table episodes is 'x'",
    "import database '{target}'",
    "call pragma_version()",
    "begin; select 1; commit",
    "with x as (insert into episodes select * from episodes returning *) from x",
    "explain copy (select 1) to '{target}'",
    "from (delete from episodes returning *)",
    "select $1",
    "select ?",
    "select $x",
]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A host that would be asked; whoever connects fails the test."""
    asked: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        stop = threading.Event()

        def listen() -> None:
            while not stop.is_set():
                try:
                    asked.append(server.accept()[1])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen)
        thread.start()
        yield server.getsockname()[1]
        stop.set()
        thread.join()
    assert not asked


def test_no_query_leaves_the_sandbox(dataset_v30: Path, tmp_path: Path, port: int) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    before = tree(tmp_path)
    data = next(dataset_v30.glob("data/*/*.parquet"))
    with lecompose.open(dataset_v30) as datasets:
        episodes = datasets.query("from episodes")
        for sql in [*READS, *CHANGES]:
            text = sql.format(target=tmp_path / "new", secret=tmp_path / "secret.csv", data=data, port=port)
            with pytest.raises(QueryError):
                datasets.query(text)
        assert datasets.query("from episodes").equals(episodes)
        # The one path that opens is that of the dataset's own frames: the relation shows no less.
        assert datasets.query(f"from '{data}'").num_rows == datasets.query("from frames").num_rows
    assert tree(tmp_path) == before


# Each command that takes SQL, as words around it; `*` marks its place.
DOORS: dict[str, tuple[str, ...]] = {
    "where": ("filter", "DATASET", "-o", "OUT", "--where", "*"),
    "where-frames": ("filter", "DATASET", "-o", "OUT", "--where-frames", "*"),
    "split by": ("split", "DATASET", "-o", "OUT", "--into", "a=0.5", "--by", "*"),
    "sample by": ("sample", "DATASET", "-o", "OUT", "-n", "1", "--by", "*"),
    "sort by": ("sort", "DATASET", "-o", "OUT", "--by", "*"),
    "edit tasks": ("edit", "tasks", "DATASET", "-o", "OUT", "--sql", "*"),
    "add": ("edit", "features", "DATASET", "-o", "OUT", "--add", "x=*"),
    "merge and add": ("merge", "DATASET", "-o", "OUT", "--add", "x:float32=*"),
}
EXPRESSIONS = [
    "(select count(*) from read_text('/etc/passwd')) > 0",
    "(select content from read_text('/etc/passwd'))",
    "exists(from 'http://127.0.0.1:{port}/x.csv')",
    "1) from read_text('/etc/passwd') --",
    "1=1) or (1=1",
    "1; drop table frames; --",
    "1, (select 1 from read_text('/etc/passwd'))",
    "exists(with x as (copy (select 1) to '{target}') select 1)",
    "(select count(*) from query('select 1')) > 0",
    "getenv('HOME') is not null",
    "$1",
    "copy (select 1) to '{target}'",
]


@pytest.mark.parametrize("door", DOORS)
def test_no_door_leaves_the_sandbox(door: str, recorded: Record, tmp_path: Path, port: int) -> None:
    """One run for all expressions would stop at the first, so each has its own; doors take them in turn."""
    source = recorded(version="v3.0", cameras=(), frames=3)
    data = next(source.glob("data/*/*.parquet"))
    for expression in in_turn(EXPRESSIONS, list(DOORS).index(door), every=12):
        text = expression.format(target=tmp_path / "new", data=data, port=port)
        told = {"DATASET": str(source), "OUT": str(tmp_path / "out")}
        done = run(*(told.get(word, word.replace("*", text)) for word in DOORS[door]))
        assert done.code == 2, (expression, done)
        assert "root:" not in done.stdout + done.stderr
    assert tree(tmp_path) == {}


def test_no_recipe_leaves_the_sandbox(recorded: Record, tmp_path: Path, port: int) -> None:
    source = recorded(version="v3.0", cameras=(), frames=3)
    for sql in in_turn((*READS, *CHANGES), 0, every=24):
        text = sql.format(target=tmp_path / "new", secret="x", data=source, port=port)
        assert run("compose", text, source, "-o", tmp_path / "out").code == 2, sql
    assert tree(tmp_path) == {}


# DuckDB knows by their size alone that these cannot be.
TOO_LARGE = [
    "select repeat('x', 1000000000000)",
    "select list_resize([1], 100000000000)",
    "select range(100000000000)",
]
# These begin. No constants: what DuckDB computes while it plans is not held to its memory limit.
BOMBS = [
    "select list(i) from range(1000000000000) t(i)",
    "select list_resize([src_episode], 100000000) from episodes",
    "select range(60000000 + src_episode) from episodes",
    "select string_agg(repeat('x', 10000), chr(32)) from range(100000)",
]


def test_what_asks_for_all_memory_is_told_that_there_is_none(recorded: Record) -> None:
    """With little memory, and a scratch folder that is not filled instead."""
    source = recorded(version="v3.0", cameras=(), frames=3)
    with lecompose.open(source, memory="500MB", threads=1) as datasets:
        for sql in TOO_LARGE:
            with pytest.raises(QueryError):
                datasets.query(sql)
        for sql in BOMBS:
            with pytest.raises(ComposeError, match="ran out of memory"):
                datasets.query(sql)
    done = run_bounded("query", source, BOMBS[0], "--memory", "500MB", "--threads", "1")
    assert done.code == 2, done
    assert done.peak_bytes < 2**30

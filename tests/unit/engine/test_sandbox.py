"""Users' SQL reads what it was given and changes nothing, whatever it tries."""

from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.effort import every_nth

from lecompose.engine import open_engine
from lecompose.engine.sandbox import TABLE_FUNCTIONS, Sandbox
from lecompose.errors import QueryError, SourceBroken
from lecompose.formats import escaped_glob

EPISODES = pa.table({"src_dataset": ["a", "a", "b"], "src_episode": [0, 1, 0], "length": [5, 3, 5]})
FRAMES = pa.table({"episode_index": [0, 0, 1], "task_index": [0, 0, 0], "action": [[1.0], [2.0], [3.0]]})


@pytest.fixture
def data_file(tmp_path: Path) -> Path:
    folder = tmp_path / "data [x] 'q' é"
    folder.mkdir()
    pq.write_table(FRAMES, folder / "file.parquet")
    return folder / "file.parquet"


@pytest.fixture
def sandbox(data_file: Path, tmp_path: Path) -> Iterator[Sandbox]:
    """Sealed, with a relation, a view over one file, and a file beside it that nobody gave it."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (tmp_path / "secret.csv").write_text("a\n1\n")
    sandbox = Sandbox(open_engine(scratch=scratch, threads=2))
    sandbox.load("episodes", EPISODES)
    sandbox.view(
        "frames",
        "query_views/frames_of_source",
        {"columns": [{"name": "action", "shown": "action", "as_text": False}]},
        src_dataset="a",
        tasks=["pick"],
        files=[escaped_glob(str(data_file))],
        by_name=False,
    )
    sandbox.seal([data_file])
    yield sandbox
    sandbox.close()


@pytest.mark.parametrize(
    "sql",
    [
        "select 1;",
        "from episodes",
        "table episodes",
        "values (1), (2)",
        "describe frames",
        "summarize episodes",
        "show tables",
        "with a as (select 1 as x) select * from a -- end",
        "select * from range(3), unnest([1, 2]), json_each('[1]')",
        "pivot episodes on src_dataset in ('a', 'b') using sum(length)",
        "select length from episodes order by length desc limit 2",
    ],
)
def test_every_kind_of_select(sandbox: Sandbox, sql: str) -> None:
    assert sandbox.ask(sql).num_rows > 0


def test_files_whose_names_are_globs_are_read(sandbox: Sandbox) -> None:
    rows = sandbox.ask("select src_episode, task, action[1] as x from frames").to_pylist()
    assert rows == [
        {"src_episode": 0, "task": "pick", "x": 1.0},
        {"src_episode": 0, "task": "pick", "x": 2.0},
        {"src_episode": 1, "task": "pick", "x": 3.0},
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "set threads = 1",
        "set enable_external_access = true",
        "from local_table",
        "select * from read_csv('{secret}')",
        "copy (select 1) to '{folder}/new.csv'",
        "attach '{folder}/new.db'",
        "load '{folder}/x.duckdb_extension'",
    ],
)
def test_duckdb_holds_by_itself(sandbox: Sandbox, tmp_path: Path, sql: str) -> None:
    """Were a text to get past us, its settings would not let it go further."""
    local_table = pa.table({"a": [1]})  # SQL must not see Python's variables
    assert local_table.num_rows == 1
    con = sandbox._engine.con
    with pytest.raises(duckdb.Error):
        con.execute(sql.format(secret=tmp_path / "secret.csv", folder=tmp_path))
    assert con.execute("select current_setting('autoload_known_extensions')").fetchone() == (False,)


def quoted(path: Path) -> str:
    """As it stands between the quotes of SQL: else what is tried is no more than a syntax error."""
    return str(path).replace("'", "''")


WRITES = "copy (select 1) to '{target}' (format parquet, use_tmp_file false)"
ESCAPES = [
    "copy episodes to '{target}'",
    "with x as (" + WRITES + ") select 1",
    "select * from (with x as (" + WRITES + ") select 1)",
    "(with x as (" + WRITES + ") select 1) union all select 2",
    "with x as (delete from episodes returning *) from x",
    "with x as (insert into episodes values ('c', 1, 1) returning *) from x",
    "with x as (update episodes set length = 1 returning *) from x",
    "select * from json_execute_serialized_sql(json_serialize_sql($$with x as (" + WRITES + ") select 1$$))",
    "select * from system.main.JSON_EXECUTE_SERIALIZED_SQL('{{}}')",
    "select (select count(*) from json_execute_serialized_sql('{{}}'))",
    "select * from query($$with x as (" + WRITES + ") select 1$$)",
    "select * from query('select * from ' || 'read_csv(''{secret}'')')",
    "select 1; drop table episodes",
    "drop table episodes",
    "delete from episodes",
    "create table x as select 1",
    "attach '{target}.db'",
    "install httpfs",
    "load httpfs",
    "set enable_external_access = true",
    "reset lock_configuration",
    "pragma database_size",
    "call enable_logging()",
    "select * from enable_logging()",
    "select * from enable_profiling()",
    "export database '{target}'",
    "checkpoint",
    "explain analyze select 1",
    "select * from read_csv('{secret}')",
    "select * from read_parquet('{data}')",
    "select * from read_text('/etc/passwd')",
    "select * from glob('/*')",
    "from '{secret}'",
    "from 'https://example.com/x.parquet'",
    "select * from arrow_scan(1, 2, 3)",
    "select * from sniff_csv('{secret}')",
    "from local_table",
    "begin",
    "",
    "-- nothing",
]


@every_nth(2)
@pytest.mark.parametrize("sql", ESCAPES)
def test_no_way_out(sandbox: Sandbox, data_file: Path, tmp_path: Path, sql: str) -> None:
    """Not even onto the one file that DuckDB itself may open: that is the source."""
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for target in (data_file, tmp_path / "scratch" / "new.parquet", tmp_path / "new.parquet"):
        text = sql.format(target=quoted(target), secret=tmp_path / "secret.csv", data=quoted(data_file))
        with pytest.raises(QueryError):
            sandbox.ask(text)
        with pytest.raises(QueryError), sandbox.stream(text, batch_rows=10) as reader:
            reader.read_all()
        with pytest.raises(QueryError):
            sandbox.save(text, tmp_path / "scratch" / "rows.csv", format="csv")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert sandbox.ask("from episodes").equals(EPISODES)


EXPRESSIONS = [
    "1=1) or (1=1",
    "true; drop table episodes",
    "length > 1, true",
    "length > 1 limit 1",
    "exists(with x as (" + WRITES + ") select 1)",
    "(select count(*) from read_csv('{secret}')) > 0",
    "(select count(*) from json_execute_serialized_sql('{{}}')) > 0",
    "copy (select 1) to '{target}'",
    "$1",
    "?",
    "",
    "columns(*)",
    "*",
]


TERMS = ("length > 1, true", "columns(*)", "*")  # an order may be a list of them


@pytest.mark.parametrize(
    ("way", "expression"),
    [
        (way, expression)
        for way in ("each", "grouped", "ordered")
        for expression in EXPRESSIONS
        if way != "ordered" or expression not in TERMS
    ],
)
def test_no_way_out_of_an_expression(
    sandbox: Sandbox, data_file: Path, tmp_path: Path, expression: str, way: str
) -> None:
    ask: Callable[[str], pa.Table] = {
        "each": lambda text: sandbox.each("episodes", text),
        "grouped": lambda text: sandbox.aggregate("frames", text),
        "ordered": lambda text: sandbox.order("episodes", text, ties="src_episode"),
    }[way]
    before = data_file.read_bytes()
    with pytest.raises(QueryError):
        ask(expression.format(target=quoted(data_file), secret=tmp_path / "secret.csv"))
    assert data_file.read_bytes() == before
    assert sandbox.ask("from episodes").equals(EPISODES)


def test_what_the_refusals_are_for(tmp_path: Path, data_file: Path) -> None:
    """DuckDB alone would let these write: should it stop one day, a refusal can go."""
    con = duckdb.connect()
    con.execute("set allowed_paths = $paths", {"paths": [str(data_file)]})
    con.execute("set enable_external_access = false")
    con.execute("set lock_configuration = true")
    text = WRITES.format(target=str(data_file).replace("'", "''"))
    [statement] = con.extract_statements(f"with x as ({text}) select 1")
    assert statement.type == duckdb.StatementType.SELECT
    before = data_file.read_bytes()
    serialized = (
        f"select * from json_execute_serialized_sql(json_serialize_sql($$with x as ({text}) select 1$$))"
    )
    con.sql("select * from query($sql)", params={"sql": serialized}).fetchall()
    assert data_file.read_bytes() != before
    con.close()


def test_the_table_functions_that_may_be_called_exist() -> None:
    with duckdb.connect() as con:
        known = con.sql("select distinct function_name from duckdb_functions()").fetchall()
    assert {(name,) for name in TABLE_FUNCTIONS} <= set(known)


# Order --------------------------------------------------------------------------------------------


def test_order_of_many_rows(tmp_path: Path) -> None:
    """The order of ORDER BY, and that of frames without one, through every door."""
    rows = pa.table({"episode_index": [n // 100 for n in range(200_000)], "n": range(200_000)})
    pq.write_table(
        rows.append_column("task_index", pa.array([0] * 200_000)),
        tmp_path / "x.parquet",
        row_group_size=5_000,
    )
    (tmp_path / "scratch").mkdir()
    sandbox = Sandbox(open_engine(scratch=tmp_path / "scratch", threads=4))
    sandbox.view(
        "frames",
        "query_views/frames_of_source",
        {"columns": [{"name": "n", "shown": "n", "as_text": False}]},
        src_dataset="a",
        tasks=["pick"],
        files=[str(tmp_path / "x.parquet")],
        by_name=False,
    )
    sandbox.seal([tmp_path / "x.parquet"])
    for sql, wanted in (
        ("select task, n from frames", range(200_000)),
        ("select task, n from frames order by n desc", range(199_999, -1, -1)),
    ):
        assert sandbox.ask(sql)["n"].to_pylist() == list(wanted)
        with sandbox.stream(sql, batch_rows=1000) as reader:
            batches = list(reader)
        assert max(batch.num_rows for batch in batches) <= 2048
        assert pa.Table.from_batches(batches)["n"].to_pylist() == list(wanted)
        target = tmp_path / "scratch" / "rows.parquet"
        assert sandbox.save(sql, target, format="parquet") == 200_000
        assert pq.read_table(target)["n"].to_pylist() == list(wanted)
    sandbox.close()


# Messages -----------------------------------------------------------------------------------------


def told(sandbox: Sandbox, sql: str) -> str:
    with pytest.raises(QueryError) as raised:
        sandbox.ask(sql)
    return str(raised.value)


def test_a_wrong_name_is_told_with_its_place_and_those_that_exist(sandbox: Sandbox) -> None:
    text = told(sandbox, "select *\nfrom episodes\nwhere lenght > 1")
    assert 'Referenced column "lenght" not found' in text
    assert "LINE 3: where lenght > 1\n              ^^^^^^" in text
    assert "relations: episodes, frames" in text
    assert "columns of episodes: src_dataset, src_episode, length" in text
    assert "columns of frames" not in text


def test_a_syntax_error_is_told_with_its_place(sandbox: Sandbox) -> None:
    assert "LINE 1: selec 1\n        ^^^^^" in told(sandbox, "selec 1")


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("drop table episodes", "one SELECT is needed, found DROP"),
        ("select 1; select 2", "one SELECT is needed, found SELECT, SELECT"),
        ("", "one SELECT is needed, found nothing"),
        ("with x as (copy (select 1) to 'x') select 1", "COPY is not for a query"),
        ("from read_csv('x')", "read_csv() is not for a query"),
        ("select 'a'::int", "Could not convert string 'a' to INT32"),
    ],
)
def test_a_refusal_says_what_was_found(sandbox: Sandbox, sql: str, wanted: str) -> None:
    text = told(sandbox, sql)
    assert wanted in text
    assert "query($sql)" not in text, "our own statement is not the user's"


def test_the_place_in_an_expression_is_counted_from_its_own_start(sandbox: Sandbox) -> None:
    with pytest.raises(QueryError, match=r"LINE 2: and lenght > 2\n            \^"):
        sandbox.each("episodes", "length > 1\nand lenght > 2")
    with pytest.raises(QueryError, match=r"LINE 1: max\(acton\[1\]\) > 2\n            \^"):
        sandbox.aggregate("frames", "max(acton[1]) > 2")
    with pytest.raises(QueryError, match=r"LINE 1: lenght desc\n        \^"):
        sandbox.order("episodes", "lenght desc", ties="src_episode")


def test_damage_in_the_data_is_not_the_querys_fault(sandbox: Sandbox, data_file: Path) -> None:
    data_file.write_bytes(data_file.read_bytes()[:40])
    with pytest.raises(SourceBroken, match="data cannot be read"):
        sandbox.ask("select sum(action[1]) from frames")


def test_damaged_pages(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(FRAMES, path, compression="snappy")
    held = bytearray(path.read_bytes())
    held[8:120] = b"\xff" * 112
    path.write_bytes(held)
    sandbox = Sandbox(open_engine(scratch=tmp_path, threads=1))
    sandbox.view(
        "frames",
        "query_views/frames_of_source",
        {"columns": [{"name": "action", "shown": "action", "as_text": False}]},
        src_dataset="a",
        tasks=["pick"],
        files=[str(path)],
        by_name=False,
    )
    sandbox.seal([path])
    with pytest.raises(SourceBroken):
        sandbox.ask("select src_episode, sum(action[1]) from frames group by all")
    with pytest.raises(SourceBroken), sandbox.stream("from frames", batch_rows=10) as reader:
        reader.read_all()
    sandbox.close()


def test_an_error_in_the_midst_of_a_stream(sandbox: Sandbox) -> None:
    """The first rows are fine; the error is the user's, and comes as one of ours."""
    sql = "select case when n > 150000 then error('boo') else n end as x from range(200000) t(n)"
    with sandbox.stream(sql, batch_rows=2048) as reader, pytest.raises(QueryError, match="boo"):
        for _ in reader:
            pass


# What a text may use ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("select length from episodes", False),
        ("select count(*) from episodes", False),
        ("select e.length from episodes e where src_episode > 1 group by all", False),
        ("select * from frames", False),
        ("selec", False),
        ("from episodes", True),
        ("select e from episodes e", True),
        ("select list(episodes) from episodes", True),
        ('select "STATS".action from episodes', True),
        ("select e.stats.action.max[1] from episodes as e", True),
        ("select columns('s.*') from episodes", True),
        ("from query_table('episodes') select length", True),
        ("select z from episodes as e(a, b, z)", True),
        ("select length from episodes natural join frames", True),
        ("describe episodes", True),
    ],
)
def test_what_a_text_may_use(sandbox: Sandbox, sql: str, wanted: bool) -> None:
    assert sandbox.may_use(sql, "episodes", "stats") is wanted

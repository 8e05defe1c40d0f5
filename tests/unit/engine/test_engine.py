"""The one door to DuckDB: what goes wrong behind it comes out as one of our errors, with its cause."""

import inspect
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from lecompose.engine import Engine, open_engine
from lecompose.engine.duckdb_errors import translate_errors
from lecompose.errors import ComposeError, OutputUnwritable, QueryError, RequestError, SourceBroken

ERRORS = sorted(
    {kind for _, kind in inspect.getmembers(duckdb, inspect.isclass) if issubclass(kind, duckdb.Error)},
    key=lambda kind: kind.__name__,
)
# Hours of work, and a query that DuckDB binds: `range(10**9)` is not, for ** gives a DOUBLE.
ENDLESS = "select sum(a.range + b.range) as endless from range(1000000000) a, range(1000000) b"


OF_OUTPUT = {
    "relation": "out_tasks",
    "columns": ["task_index", "task"],
    "order": ["task_index"],
}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(scratch=tmp_path, threads=2)
    yield engine
    engine.close()


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_of_duckdb_is_translated(kind: type[duckdb.Error]) -> None:
    with pytest.raises((ComposeError, KeyboardInterrupt)) as raised, translate_errors("layout/files"):
        raise kind("it broke")
    assert isinstance(raised.value.__cause__, kind)
    if kind is not duckdb.InterruptException:
        assert "layout/files" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "writing", "family"),
    [
        ("Permission denied", True, OutputUnwritable),
        ("Permission denied", False, SourceBroken),
        ("No files found that match the pattern", False, SourceBroken),
        ("No space left on device", False, OutputUnwritable),
    ],
)
def test_whose_fault_a_failing_disk_is(text: str, writing: bool, family: type[ComposeError]) -> None:
    with pytest.raises(family), translate_errors("x", writing=writing):
        raise duckdb.IOException(f"IO Error: {text}")


@pytest.mark.parametrize("memory", ["lots", "5 parsecs", "-1GB", "", "1MB", "80%"])
def test_memory_that_is_no_size_or_too_little(memory: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="400MB is needed, such as 4GB"):
        open_engine(scratch=tmp_path, memory=memory)


def test_settings_in_force(tmp_path: Path) -> None:
    engine = open_engine(scratch=tmp_path, threads=3, memory="500MiB")
    assert engine.threads == 3
    assert engine.memory_bytes == 200 * 2**20
    engine.close()


def test_streams_do_not_block_each_other_and_keep_their_order(engine: Engine, tmp_path: Path) -> None:
    """Half-read streams, statements between them, and two at once."""
    rows = pa.table({"out_dataset": ["o"] * 5000, "task_index": range(5000), "task": ["t"] * 5000})
    engine.load("out_tasks", rows)
    values = {"batch_rows": 2048}
    with (
        engine.stream("read", OF_OUTPUT, **values) as one,
        engine.stream("read", OF_OUTPUT, **values) as two,
    ):
        first = next(one)
        assert engine.columns_of("out_tasks") == ["out_dataset", "task_index", "task"]
        assert first.num_rows <= 2048
        assert pa.Table.from_batches([first, *one])["task_index"].to_pylist() == list(range(5000))
        assert two.read_all()["task_index"].to_pylist() == list(range(5000))


def test_an_engine_apart_has_relations_of_its_own(engine: Engine) -> None:
    """Also where cursors read them; of those of the other one it sees and changes none."""
    both = {"out_dataset": ["o"], "task_index": [0]}
    engine.load("out_tasks", pa.table({**both, "task": ["ours"]}))
    rows = {}
    for name in ("first", "second"):
        with engine.second_database() as other:
            assert engine.has("out_tasks")
            assert not other.has("out_tasks")
            with pytest.raises(QueryError, match="out_tasks"):
                other.arrow("read", OF_OUTPUT)
            other.load("out_tasks", pa.table({**both, "task": [name]}))
            with other.stream("read", OF_OUTPUT, batch_rows=1) as reader:
                rows[name] = reader.read_all()["task"].to_pylist()
    rows["ours"] = engine.arrow("read", OF_OUTPUT)["task"].to_pylist()
    assert rows == {name: [name] for name in rows}


def test_an_engine_aside_shares_relations_and_is_interrupted_with_it(engine: Engine) -> None:
    numbers = pa.table({"src_dataset": ["a"]})
    with engine.second_connection() as other:
        other.load("data_files", numbers)
        assert engine.has("data_files")
        assert engine.arrow("catalog/union", {"relations": ["data_files"]}).equals(numbers)
        assert len(engine.connections._cursors) == 1
    assert not engine.connections._cursors


def test_several_things_at_once_end_together_where_one_fails(engine: Engine) -> None:
    asked = threading.Event()
    interrupted: list[str] = []

    def endless() -> None:
        with engine.second_connection() as own:
            asked.set()
            try:
                own.value("query/select", sql=ENDLESS)
            except BaseException as error:
                interrupted.append(type(error).__name__)
                raise

    def broken() -> None:
        asked.wait(10)
        raise QueryError("broken")

    with pytest.raises(QueryError, match="broken"):
        engine.workers().each([endless, broken], lambda do: do())
    assert interrupted == ["KeyboardInterrupt"]


def test_a_statement_that_cannot_be_bound(engine: Engine) -> None:
    with pytest.raises(QueryError, match="read"):
        engine.arrow("read", OF_OUTPUT)


def test_an_interrupt_is_one_whatever_duckdb_calls_it() -> None:
    """Ctrl-C while a statement is bound comes as a RuntimeError; other RuntimeErrors stay what they are."""
    with pytest.raises(KeyboardInterrupt), translate_errors("x"):
        raise RuntimeError("Query interrupted")
    with pytest.raises(RuntimeError, match="another"), translate_errors("x"):
        raise RuntimeError("another")


@dataclass(frozen=True)
class Part:
    name: str
    parts: int


def test_rows_as_records(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lecompose.engine.render", lambda name: name)
    assert engine.records("select 'a' as name, 2::bigint as parts", Part) == [Part("a", 2)]
    with pytest.raises(TypeError, match="Part has the fields"):
        engine.records("select 2::bigint as parts, 'a' as name", Part)

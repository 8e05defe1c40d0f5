"""`lecompose query` and `lecompose.open`: what is printed, written, refused, and left alone."""

import csv
import gc
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from conftest import CHECKOUT, digest
from support.effort import few, in_turn

import lecompose
from lecompose.cli import main
from lecompose.errors import QueryError, RequestError

Record = Callable[..., Path]
SMALL: dict[str, Any] = {
    "cameras": ("front",),
    "codec": "h264",
    "frames": (7, 3, 9),
    "tasks": ("pick", "place"),
}
REPORT = "select task, count(*) as n, sum(length)/30/60 as minutes from episodes group by all order by 2 desc"


def run(*arguments: object, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(main, ["query", *map(str, arguments)])


@pytest.fixture(params=few(("v3.0", "v2.1", "v2.0"), kept=lambda n: n == 0))
def root(request: pytest.FixtureRequest, recorded: Record) -> Path:
    return recorded(version=request.param, **SMALL)


# Output -------------------------------------------------------------------------------------------


def test_the_same_rows_in_every_format(root: Path, tmp_path: Path) -> None:
    wanted = [("pick", 2, 16 / 30 / 60), ("place", 1, 3 / 30 / 60)]
    table = run(root, REPORT)
    assert (table.exit_code, table.stderr) == (0, "")
    lines = [
        [cell.strip() for cell in line.split("│")[1:-1]] for line in table.stdout.splitlines() if "│" in line
    ]
    assert lines == [["pick", "2", "0.008888888889"], ["place", "1", "0.001666666667"]]
    assert table.stdout.rstrip().endswith("2 rows")
    read = csv.DictReader(io.StringIO(run(root, REPORT, "--format", "csv").stdout))
    assert [(r["task"], int(r["n"]), float(r["minutes"])) for r in read] == wanted
    rows = json.loads(run(root, REPORT, "--format", "json").stdout)
    assert [(r["task"], r["n"], r["minutes"]) for r in rows] == wanted
    for ending in ("csv", "json", "parquet"):
        out = tmp_path / f"rows.{ending}"
        done = run(root, REPORT, "-o", out)
        assert (done.exit_code, done.stdout) == (0, f"wrote {out}: 2 rows\n")
    held = pq.read_table(tmp_path / "rows.parquet").to_pylist()
    assert [(r["task"], r["n"], r["minutes"]) for r in held] == wanted
    assert lecompose.query(root, REPORT).to_pylist() == held
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rows.csv", "rows.json", "rows.parquet"]


def test_parquet_into_a_pipe(recorded: Record) -> None:
    result = run(recorded(**SMALL), REPORT, "--format", "parquet")
    assert pq.read_table(pa.BufferReader(result.stdout_bytes)).num_rows == 2


def test_a_file_with_the_sql(recorded: Record, tmp_path: Path) -> None:
    file = tmp_path / "report.sql"
    file.write_text(f"-- minutes by task\n{REPORT};\n")
    result = run(recorded(**SMALL), "-f", file, "--format", "csv")
    assert result.stdout.splitlines()[0] == "task,n,minutes"
    piped = CliRunner().invoke(
        main, ["query", str(recorded(**SMALL)), "-f", "-", "--format", "csv"], input=REPORT
    )
    assert piped.stdout == result.stdout


def test_named_sources(recorded: Record) -> None:
    one, two = recorded(**SMALL), recorded(**SMALL, version="v2.1", seed=4)
    sql = "select src_dataset, count(*) as n from episodes group by all order by 1"
    rows = json.loads(run(f"night={one}", f"day={two}", sql, "--format", "json").stdout)
    assert rows == [{"src_dataset": "day", "n": 3}, {"src_dataset": "night", "n": 3}]


# Table --------------------------------------------------------------------------------------------


def test_the_table_fits_the_terminal(recorded: Record) -> None:
    for width in (50, 60, 80, 100, 150):
        result = run(recorded(**SMALL), "select * from episodes", COLUMNS=str(width))
        assert max(map(len, result.stdout.splitlines())) <= width
        assert "src_dataset" in result.stdout
        assert "of 13 columns shown" in result.stdout
        assert "…" in result.stdout.splitlines()[1]
    assert "columns shown" not in run(recorded(**SMALL), "select src_episode from episodes").stdout


def test_long_tables_say_how_long_they_are(recorded: Record) -> None:
    result = run(recorded(**SMALL), "select * from range(1234)")
    assert result.stdout.count("│") == 2 * 40
    assert "… 1,234 rows, 40 shown; all with --format csv" in result.stdout
    assert run(recorded(**SMALL), "select 1 where false").stdout.rstrip().endswith("0 rows")


def test_cells(recorded: Record) -> None:
    sql = """select 1 as i, 'a' as s, null as n, '' as e, '[red]x[/red]' as m,
                    chr(27) || '[31m' || chr(10) as c, 'ab'::blob as b, [1.5, null] as l, map {'k': 1} as p,
                    true as t, '日本' as w, timestamp 'infinity' as f, 'nan'::double as x"""
    lines = run(recorded(**SMALL), sql, COLUMNS="300").stdout.splitlines()
    cells = [cell.strip() for cell in lines[3].split("│")[1:-1]]
    assert cells == [
        *("1", "a", "NULL", "", "[red]x[/red]", "\ufffd[31m\\n"),
        *("<2 B>", "[1.5, NULL]", "{k=1}", "true", "日本", cells[11], "nan"),
    ]
    assert "│  1 │" in run(recorded(**SMALL), "select 10 as ii union all select 1").stdout, (
        "numbers to the right"
    )


def test_names_from_data_do_not_drive_the_terminal(recorded: Record) -> None:
    result = run(recorded(**SMALL), 'select 1 as "\x1b[31m[bold]x"')
    assert "\x1b" not in result.output
    assert "[bold]x" in result.output
    assert "\x1b" not in run(recorded(**SMALL), "select 1 from \x1b[31m").output


# Refusals -----------------------------------------------------------------------------------------

ESCAPES = [
    "copy episodes to '{target}'",
    "with x as (copy (select 1) to '{target}' (format parquet, use_tmp_file false)) select 1",
    "select * from json_execute_serialized_sql(json_serialize_sql("
    "$$with x as (copy (select 1) to '{target}' (format parquet, use_tmp_file false)) select 1$$))",
    "select 1; drop table episodes",
    "drop table episodes",
    "select * from read_csv('/etc/passwd')",
    "from '/etc/passwd'",
    "attach '{target}.db'",
    "install httpfs",
    "load httpfs",
    "select * from frames where 1=1) or (1=1",
]


@pytest.mark.parametrize(("turn", "sql"), list(enumerate(ESCAPES)))
def test_escapes_are_refused_and_change_nothing(
    turn: int, sql: str, make_dataset: Record, tmp_path: Path
) -> None:
    source = make_dataset(version="v3.0", **SMALL)
    before = digest(tmp_path)
    targets = (source / "data/chunk-000/file-000.parquet", tmp_path / "new.parquet")
    forms = ((), ("--format", "csv"), ("-o", tmp_path / "rows.csv"))
    for target, form in in_turn(list(product(targets, forms)), turn, every=6):
        result = run(source, sql.format(target=target), *form)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert result.stderr.startswith("error: ")
    assert digest(tmp_path) == before


def test_a_mistake_is_shown_with_its_place_and_the_names(root: Path) -> None:
    result = run(root, "select task,\n       lenght from episodes")
    assert result.exit_code == 2
    assert "LINE 2:        lenght from episodes\n               ^^^^^^" in result.stderr
    assert "columns of episodes: src_dataset, src_episode, length, seconds" in result.stderr


def test_outputs_that_are_in_the_way(make_dataset: Record, tmp_path: Path) -> None:
    source = make_dataset(**SMALL)
    out = tmp_path / "rows.csv"
    out.write_text("mine")
    result = run(source, "select 1 as a", "-o", out)
    assert result.exit_code == 5
    assert "--overwrite" in result.stderr
    assert out.read_text() == "mine"
    assert run(source, "select 1 as a", "-o", out, "--overwrite").exit_code == 0
    assert out.read_text() == "a\n1\n"
    before = digest(source)
    inside = run(source, "select 1", "-o", source / "data/chunk-000/file-000.parquet", "--overwrite")
    assert (inside.exit_code, digest(source)) == (2, before)
    assert run(source, "select 1", "-o", tmp_path / "rows.txt").exit_code == 2
    assert run(source, "select 1", "-o", tmp_path / "no/rows.csv").exit_code == 5
    assert run(source, "select 1", "-o", out, "--format", "table").exit_code == 2


def test_what_was_forgotten(recorded: Record, tmp_path: Path) -> None:
    source = recorded(**SMALL)
    for arguments, message in (
        ((source,), "the SQL is missing"),
        ((source, source), "the SQL is missing"),
        (("select 1",), "no dataset was named"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2
        assert message in result.stderr
    assert run(source, "-f", tmp_path / "no.sql").exit_code == 2
    assert run(tmp_path / "no", "select 1").exit_code == 3


def test_into_a_closed_pipe(recorded: Record) -> None:
    """`lecompose query … | head -1` ends without a traceback."""
    command = [sys.executable, "-m", "lecompose", "query", str(recorded(**SMALL)), "--format", "csv"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "src")}
    with subprocess.Popen(
        [*command, "select * from range(300000)"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "range\n"
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()


# From Python --------------------------------------------------------------------------------------


def test_open(root: Path, tmp_path: Path) -> None:
    with lecompose.open({"x": root}) as datasets:
        assert datasets.query("select max(length) as n from episodes").to_pylist() == [{"n": 9}]
        reader = datasets.stream("select n from range(10000) t(n) order by n desc", batch_rows=2048)
        assert isinstance(reader, pa.RecordBatchReader)
        assert reader.read_next_batch()["n"][0].as_py() == 9999
        assert datasets.query("select 1 as a")["a"].to_pylist() == [1], "while a stream is open"
        assert sum(batch.num_rows for batch in reader) == 10000 - 2048
        frames = datasets.frames([2, 0], ["src_dataset", "frame_index"]).read_all()
        assert frames["frame_index"].to_pylist() == [*range(9), *range(7)]
        assert datasets.save("from tasks", tmp_path / "tasks.csv") == 2
        with pytest.raises(QueryError):
            datasets.query("drop table episodes")
    for ask in (lambda: datasets.query("select 1"), lambda: datasets.frames(), lambda: datasets.stream("1")):
        with pytest.raises(RequestError, match="these datasets are closed"):
            ask()


def test_without_with(recorded: Record) -> None:
    """What is streamed from holds the datasets open; what nobody holds is closed."""
    reader = lecompose.open(recorded(**SMALL)).frames([2, 1])
    rows = lecompose.open(recorded(**SMALL)).stream("from frames")
    gc.collect()
    assert reader.read_all().num_rows == 12
    assert rows.read_all().num_rows == 19


def test_a_half_read_stream_makes_no_noise_at_exit(recorded: Record) -> None:
    code = (
        "import sys, lecompose\n"
        "datasets = lecompose.open(sys.argv[1])\n"
        "rows, frames = datasets.stream('from range(100000)', batch_rows=2048), datasets.frames()\n"
        "print(rows.read_next_batch().num_rows)"
    )
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "src")}
    command = [sys.executable, "-c", code, str(recorded(**SMALL))]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "2048\n", "")


def test_scratch_folders_do_not_stay(
    recorded: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    datasets = lecompose.open(recorded(**SMALL))
    datasets.query("from episodes")
    assert list(tmp_path.iterdir()) != []
    datasets.close()
    datasets.close()
    assert list(tmp_path.iterdir()) == []


def test_several_queries_cost_one_opening(recorded: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    from lecompose.api import datasets as module

    opened: list[object] = []
    real = module.open_views
    monkeypatch.setattr(module, "open_views", lambda catalog: opened.append(catalog) or real(catalog))
    with lecompose.open(recorded(**SMALL)) as datasets:
        for _ in range(3):
            datasets.query("select sum(stats.action.max[1]) from episodes")
        datasets.frames().read_all()
    assert len(opened) == 1


def test_the_sql_may_stand_anywhere(recorded: Record) -> None:
    source = recorded(**SMALL)
    result = CliRunner().invoke(
        main, ["query", "select count(*) as n from episodes", str(source), "--format", "csv"]
    )
    assert (result.exit_code, result.stdout.split()) == (0, ["n", "3"]), result.output
    result = CliRunner().invoke(main, ["query", str(source), "select 1 as a", "-o", "-"])
    assert (result.exit_code, result.stdout.split()) == (0, ["a", "1"])
    result = CliRunner().invoke(main, ["query", str(source), "select 1", "select 2"])
    assert result.exit_code == 2
    assert "2 statements were given" in result.stderr


def test_a_list_that_counts_from_one_gives_no_neighbours_text(make_dataset: Callable[..., Path]) -> None:
    root = make_dataset(version="v2.1", cameras=(), frames=(2, 3), tasks=("pick", "place"))
    path = root / "meta/tasks.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(r | {"task_index": r["task_index"] + 1}) + "\n" for r in rows))
    found = lecompose.query(root, "select distinct task_index, task from frames order by all")
    assert found.to_pylist() == [{"task_index": 0, "task": None}, {"task_index": 1, "task": None}]

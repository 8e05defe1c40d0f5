"""What the tests against hostile datasets share: ways to spoil metadata, and runs that must end plainly."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from click.testing import CliRunner

from lecompose.cli import main

CHECKOUT = Path(__file__).resolve().parents[2]
# What a refusal may exit with: the request, the source, the video, the output.
REFUSED = (2, 3, 4, 5)


@dataclass(frozen=True)
class Outcome:
    """How a run of the command ended."""

    code: int
    stdout: str
    stderr: str
    peak_bytes: int = 0


def run(*arguments: object) -> Outcome:
    """The command in this process. Errors: AssertionError for an exception that is none of ours."""
    result = CliRunner().invoke(main, list(map(str, arguments)))
    plain = result.exception is None or isinstance(result.exception, SystemExit)
    assert plain, f"{arguments[0]}: {result.exception!r}"
    assert result.exit_code in (0, *REFUSED), f"{arguments[0]}: {result.exit_code}, {result.output}"
    return Outcome(result.exit_code, result.stdout, result.stderr)


_BOUNDED = """
import pathlib, re, resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
from lecompose.cli import main
try:
    main(sys.argv[1:])
finally:
    # What getrusage says counts the process that started this one, too.
    status = pathlib.Path("/proc/self/status")
    peak = int(re.search("VmHWM:[ \\\\t]*([0-9]+)", status.read_text())[1]) if status.exists() else 0
    print("peak", peak * 1024, file=sys.stderr)
"""


def run_bounded(*arguments: object, address_bytes: int = 4 * 2**30, timeout_s: float = 60) -> Outcome:
    """The command in a process of its own that may use so much address space, and its peak memory.

    Errors: AssertionError for a traceback, or an exit code that is none of ours; TimeoutExpired.
    """
    paths = os.pathsep.join([str(CHECKOUT / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", _BOUNDED.format(limit=address_bytes), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    said, _, peak = done.stderr.rpartition("peak ")
    assert "Traceback" not in said, said
    assert done.returncode in (0, *REFUSED), (done.returncode, said)
    return Outcome(done.returncode, done.stdout, said, int(peak))


# Ways to spoil a dataset --------------------------------------------------------------------------


def change_info(root: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = root / "meta/info.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def lines(root: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "meta" / name).read_text().splitlines()]


def write_lines(root: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    (root / "meta" / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def change_parquet(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(path, partitioning=None)), path)


def rename_feature(root: Path, old: str, new: str) -> None:
    """A feature of another name, in info.json, in the data and in the names of folders and columns."""

    def rename(info: dict[str, Any]) -> None:
        info["features"] = {new if key == old else key: spec for key, spec in info["features"].items()}

    change_info(root, rename)
    for path in [*root.glob("data/*/*.parquet"), *root.glob("meta/episodes/*/*.parquet")]:
        change_parquet(path, lambda t: t.rename_columns([_renamed(n, old, new) for n in t.column_names]))
    for path in [p for p in root.rglob("*") if p.is_dir() and p.name == old]:
        path.rename(path.with_name(new))
    stats = root / "meta/stats.json"
    if stats.is_file():
        held = json.loads(stats.read_text())
        stats.write_text(json.dumps({new if key == old else key: value for key, value in held.items()}))
    if (root / "meta/episodes_stats.jsonl").is_file():
        rows = lines(root, "episodes_stats.jsonl")
        for row in rows:
            row["stats"] = {new if key == old else key: value for key, value in row["stats"].items()}
        write_lines(root, "episodes_stats.jsonl", rows)


def _renamed(column: str, old: str, new: str) -> str:
    for prefix in ("", "stats/", "videos/"):
        if column == prefix + old or (prefix and column.startswith(f"{prefix}{old}/")):
            return prefix + new + column[len(prefix + old) :]
    return column


def tree(folder: Path) -> dict[str, str]:
    """Every entry below a folder: what it links to, its bytes' hash, or that it is a folder."""
    import hashlib

    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
    return found

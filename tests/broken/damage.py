"""Ways to change files of a dataset: whole files, JSON, parquet."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Damage = Callable[[Path], object]
Row = dict[str, Any]

CAMERA = "observation.images.front"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"


# Files ------------------------------------------------------------------------------------------


def last(root: Path, pattern: str) -> Path:
    return sorted(root.glob(pattern))[-1]


def put(pattern: str, content: bytes | None) -> Damage:
    """The last file that matches gets other content; None: is removed."""

    def damage(root: Path) -> None:
        path = last(root, pattern)
        path.unlink() if content is None else path.write_bytes(content)

    return damage


def recoded(pattern: str, encoding: str) -> Damage:
    """Each text file that matches is saved in another encoding."""

    def damage(root: Path) -> None:
        for path in root.glob(pattern):
            path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))

    return damage


def beside(*names: str) -> Damage:
    """New files, with some bytes in each."""

    def damage(root: Path) -> None:
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"\0\5\26\7mine")

    return damage


def cut(pattern: str, share: float = 0.6) -> Damage:
    def damage(root: Path) -> None:
        path = last(root, pattern)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    return damage


def flipped(pattern: str) -> Damage:
    """Bytes in the middle are other ones, the size is as it was."""

    def damage(root: Path) -> None:
        path = last(root, pattern)
        content = bytearray(path.read_bytes())
        content[40:400] = bytes(byte ^ 0x5A for byte in content[40:400])
        path.write_bytes(content)

    return damage


def every(*damages: Damage) -> Damage:
    return lambda root: [damage(root) for damage in damages]


# JSON -------------------------------------------------------------------------------------------


def edit_json(name: str, change: Callable[[Any], object]) -> Damage:
    def damage(root: Path) -> None:
        path = root / name
        content = json.loads(path.read_text(encoding="utf-8"))
        change(content)
        path.write_text(json.dumps(content), encoding="utf-8")

    return damage


def info(**fields: Any) -> Damage:
    return edit_json("meta/info.json", lambda content: content.update(fields))


def without_info(field: str) -> Damage:
    return edit_json("meta/info.json", lambda content: content.pop(field))


def feature(name: str, **spec: Any) -> Damage:
    return edit_json("meta/info.json", lambda content: content["features"][name].update(spec))


def stats(change: Callable[[Any], object]) -> Damage:
    return edit_json("meta/stats.json", change)


def edit_lines(name: str, change: Callable[[list[Row]], list[Row]]) -> Damage:
    def damage(root: Path) -> None:
        path = root / name
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        path.write_text("".join(json.dumps(row) + "\n" for row in change(rows)), encoding="utf-8")

    return damage


def line_of(name: str, number: int, text: str) -> Damage:
    """Another text in place of one line."""

    def damage(root: Path) -> None:
        lines = (root / name).read_text(encoding="utf-8").splitlines()
        lines[number] = text
        (root / name).write_text("\n".join(lines) + "\n", encoding="utf-8")

    return damage


def updated(number: int, **fields: Any) -> Callable[[list[Row]], list[Row]]:
    return lambda rows: [row | fields if n == number else row for n, row in enumerate(rows)]


# Parquet ----------------------------------------------------------------------------------------

DATA, EPISODES, VIDEO = "data/*/*.parquet", "meta/episodes/*/*.parquet", "videos/**/*.mp4"
TASKS = "meta/tasks.parquet"


def edit_parquet(pattern: str, change: Callable[[pa.Table], pa.Table], *, whole: bool = False) -> Damage:
    """Rewrites the last file that matches (`whole`: every one), row group by row group."""

    def damage(root: Path) -> None:
        for path in sorted(root.glob(pattern))[0 if whole else -1 :]:
            with pq.ParquetFile(path) as file:
                groups = [change(file.read_row_group(n)) for n in range(file.num_row_groups)]
            with pq.ParquetWriter(path, groups[0].schema) as writer:
                for group in groups:
                    writer.write_table(group)

    return damage


def column(name: str, change: Callable[[list[Any]], list[Any]]) -> Callable[[pa.Table], pa.Table]:
    """Other values in one column, of the same type."""

    def edit(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index(name)
        held = table.schema.field(at)
        return table.set_column(at, held, pa.array(change(table[name].to_pylist()), held.type))

    return edit


def retyped(name: str, kind: pa.DataType, of: Callable[[Any], Any] = lambda v: v) -> Callable[..., pa.Table]:
    def edit(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index(name)
        values = pa.array([of(value) for value in table[name].to_pylist()], kind)
        return table.set_column(at, pa.field(name, kind), values)

    return edit


def without_columns(matches: Callable[[str], bool]) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.drop_columns([name for name in table.column_names if matches(name)])


def moved(by: float) -> Callable[[list[Any]], list[Any]]:
    return lambda values: [value + by for value in values]


def pandas_index(name: str) -> Callable[[pa.Table], pa.Table]:
    """The task strings as the index that pandas wrote without a name, or with this one."""

    def edit(table: pa.Table) -> pa.Table:
        pandas = json.loads(table.schema.metadata[b"pandas"])
        pandas["index_columns"] = [name]
        pandas["columns"][1] |= {"name": None, "field_name": name}
        renamed = table.rename_columns(["task_index", name])
        return renamed.replace_schema_metadata({"pandas": json.dumps(pandas)})

    return edit


def in_one_v3_row(number: int, **fields: Any) -> Damage:
    """Fields of one row of meta/episodes; `/` is spelled `__`."""

    def damage(root: Path) -> None:
        for path in sorted(root.glob(EPISODES)):
            table = pq.read_table(path, partitioning=None)
            episodes = table["episode_index"].to_pylist()
            for name, value in fields.items() if number in episodes else ():
                table = column(name.replace("__", "/"), placed(episodes.index(number), value))(table)
            pq.write_table(table, path)

    return damage


def placed(at: int, value: Any) -> Callable[[list[Any]], list[Any]]:
    return lambda values: [*values[:at], value, *values[at + 1 :]]


def in_camera(number: int, **fields: Any) -> Damage:
    return in_one_v3_row(number, **{f"videos__{CAMERA}__{name}": value for name, value in fields.items()})

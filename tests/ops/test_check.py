"""`check` names every break of the table, with its place, and dies of none."""

import json
import shutil
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import pytest
from broken import SETTINGS, TABLE, Broken, cases
from broken.damage import LFS, info
from click.testing import CliRunner
from conftest import digest
from support.effort import Effort, every_nth, few, in_turn, thorough

import lecompose
from lecompose.checks import CODES, Finding
from lecompose.cli import main

Record = Callable[..., Path]


def enough() -> set[str]:
    """Every sixth break in one of its formats, in turn, and each code at least once."""
    every = [case for case in cases() if "10,000" not in case[1].name]
    of_one = [
        [case for case in every if case[1].name == name] for name in dict.fromkeys(c[1].name for c in every)
    ]
    kept = [rows[n % len(rows)] for n, rows in enumerate(of_one) if n % 6 == 0]
    named = {code for _, broken, _ in kept for code in broken.codes}
    for case in every:
        if not named >= case[1].codes.keys():
            kept.append(case)
            named |= case[1].codes.keys()
    return {name for name, *_ in kept}


ENOUGH = enough()
EVERY = pytest.mark.parametrize(
    ("broken", "version"),
    [
        pytest.param(broken, version, id=name, marks=[] if name in ENOUGH else [thorough])
        for name, broken, version in cases()
        if Effort.whole or name in ENOUGH
    ],
)


@pytest.fixture
def spoilt(make_dataset: Record) -> Callable[[Broken, str], Path]:
    def make(broken: Broken, version: str) -> Path:
        root = make_dataset(f"bad {version}", version=version, **SETTINGS | dict(broken.settings))
        broken.damage(root)
        return root

    return make


def is_there(finding: Finding, broken: Broken) -> bool:
    told = {"file": broken.file, "episode": broken.episode, "feature": broken.feature}
    return all(getattr(finding, name) == value for name, value in told.items() if value is not None)


# check --------------------------------------------------------------------------------------------


@EVERY
def test_check_names_it(broken: Broken, version: str, spoilt: Callable[..., Path]) -> None:
    root = spoilt(broken, version)
    before = digest(root)
    found = lecompose.check(root)
    assert digest(root) == before
    named = [f for f in found if f.code in broken.codes]
    assert {f.code: f.severity for f in named} == broken.codes
    if broken.codes:
        assert any(is_there(f, broken) for f in named), named
    else:
        assert found == []
    for f in found:
        assert f.problem
        assert f.remedy == CODES[f.code].remedy
        assert str(root) not in f"{f.problem} {f.file}"


def test_the_table_knows_no_other_codes() -> None:
    assert {code for broken in TABLE for code in broken.codes} <= set(CODES)


def test_a_remedy_that_promises_a_merge_is_true() -> None:
    promised = {code.name for code in CODES.values() if "lecompose merge" in code.remedy}
    refused = {code for broken in TABLE if isinstance(broken.merge, int) for code in broken.codes}
    assert promised & refused == set()


@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v3.0"])
def test_what_the_table_breaks_is_sound(version: str, recorded: Record) -> None:
    assert lecompose.check(recorded(version=version, **SETTINGS)) == []
    assert lecompose.check(recorded(version=version, **SETTINGS), decode=True) == []


@pytest.mark.parametrize("fixture", ["dataset_v20", "dataset_v21", "dataset_v30", "dataset_v30_many_files"])
def test_sound_datasets_have_no_findings(fixture: str, request: pytest.FixtureRequest) -> None:
    assert lecompose.check(request.getfixturevalue(fixture), decode=True) == []


def test_real_recordings_have_no_findings(real: Path) -> None:
    for path in sorted(real.glob("*/meta/info.json")):
        assert lecompose.check(path.parents[1]) == []


@every_nth(2)
@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_several_breaks_at_once(version: str, make_dataset: Record) -> None:
    """What cannot be read hides nothing that can."""
    root = make_dataset(version=version, **SETTINGS)
    chosen = ("truncated video", "data without a footer", "pointer for tasks", "fps in words", "wrong splits")
    for broken in TABLE:
        if broken.name in chosen and version in broken.versions:
            broken.damage(root)
    codes = {f.code for f in lecompose.check(root)}
    assert {"video_readable", "data_readable", "lfs_pulled", "info_fps", "info_splits"} <= codes


SPOILT: dict[str, Callable[[bytes], bytes] | None] = {
    "gone": None,
    "half": lambda content: content[: len(content) // 2],
    "garbage": lambda content: bytes((byte * 7 + 13) % 256 for byte in content),
    "other JSON": lambda content: b"[null]\n",
    "deep JSON": lambda content: b'{"a":' * 100_000,
}


def test_pointers_are_told_in_the_order_of_their_names(make_dataset: Record) -> None:
    root = make_dataset("bad", version="v2.1", frames=(3,) * 12, **{"codec": "h264", "cameras": ("a", "b")})
    paths = [p for p in root.rglob("*") if p.suffix in (".mp4", ".parquet") or p.name == "tasks.jsonl"]
    for path in paths:
        path.write_bytes(LFS)
    found = [f.file for f in lecompose.check(root) if f.code == "lfs_pulled"]
    assert found == sorted(path.relative_to(root).as_posix() for path in paths)


@pytest.mark.parametrize("end", ["", "\n"])
def test_lines_are_counted_with_the_last_one(end: str, make_dataset: Record) -> None:
    root = make_dataset("bad", version="v2.1", cameras=(), frames=(3,) * 3)
    path = root / "meta/episodes.jsonl"
    path.write_text(path.read_text() + '{"episode_index": 3' + end)
    (found,) = (f for f in lecompose.check(root) if f.code == "metadata_readable")
    assert found.problem == "1 of 4 lines are not JSON objects: line 4"


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
@pytest.mark.parametrize("how", ["in turn", *(pytest.param(how, marks=thorough) for how in SPOILT)])
def test_no_spoilt_file_goes_unnoticed(how: str, version: str, make_dataset: Record) -> None:
    """Each file of a dataset in turn; what is found never names the folder on this machine."""
    root, ways = make_dataset(version=version, **SETTINGS), cycle(SPOILT if how == "in turn" else [how])
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    for path in in_turn(files, 0, every=2 if version == "v3.0" else 4):
        content, spoil = path.read_bytes(), SPOILT[next(ways)]
        path.unlink() if spoil is None else path.write_bytes(spoil(content))
        found = lecompose.check(root)
        assert found, path
        assert all(str(root) not in f.problem for f in found)
        path.write_bytes(content)
    assert lecompose.check(root) == []


ANYTHING: tuple[object, ...] = (None, "x", {"a": None}, 10**30)


@pytest.mark.parametrize(
    "values", [ANYTHING, *(pytest.param((v,), marks=thorough) for v in ANYTHING)], ids=repr
)
def test_info_may_say_anything(values: tuple[object, ...], make_dataset: Record) -> None:
    """One of the values for each field, in turn."""
    root, turn = make_dataset(version="v3.0", **SETTINGS), cycle(values)
    path = root / "meta/info.json"
    said = json.loads(path.read_text())
    for field in in_turn([*said], 0, every=6):
        path.write_text(json.dumps(said | {field: next(turn)}))
        lecompose.check(root)
    for name in ("action", "observation.images.front"):
        for field in ("dtype", "shape", "names", "info"):
            spec = said["features"][name] | {field: next(turn)}
            path.write_text(json.dumps(said | {"features": said["features"] | {name: spec}}))
            lecompose.check(root)


@pytest.mark.parametrize("what", ["nothing", "empty", "photos", "file"])
def test_what_is_no_dataset_is_refused(what: str, tmp_path: Path) -> None:
    root = tmp_path / what
    if what == "file":
        root.write_text("hello")
    elif what != "nothing":
        root.mkdir()
    if what == "photos":
        (root / "me.png").write_bytes(b"\x89PNG")
    with pytest.raises(lecompose.SourceNotFound):
        lecompose.check(root)
    assert CliRunner().invoke(main, ["check", str(root)]).exit_code == 3


# The command --------------------------------------------------------------------------------------


@every_nth(2)
@pytest.mark.parametrize(
    ("name", "options", "code"),
    [
        ("wrong totals", [], 3),
        ("wrong splits", [], 0),
        ("wrong splits", ["--fail-on", "warning"], 3),
        ("episodes of one frame", ["--fail-on", "warning"], 0),
    ],
)
def test_exit_codes(name: str, options: list[str], code: int, spoilt: Callable[..., Path]) -> None:
    (broken,) = (b for b in TABLE if b.name == name)
    root = spoilt(broken, "v2.1")
    for more in ([], ["--json"]):
        assert CliRunner().invoke(main, ["check", str(root), *options, *more]).exit_code == code


def test_what_is_printed(spoilt: Callable[..., Path]) -> None:
    (broken,) = (b for b in TABLE if b.name == "pointer for video" and "v3.0" in b.versions)
    root = spoilt(broken, "v3.0")
    said = CliRunner().invoke(main, ["check", str(root)]).stdout.splitlines()
    assert said == [
        "error lfs_pulled",
        f"  {broken.file}, episode 2, observation.images.front: a Git LFS pointer, not the file itself",
        "  Try: git lfs pull, in the folder of the dataset",
        "1 error, 0 warnings",
    ]
    told = json.loads(CliRunner().invoke(main, ["check", str(root), "--json"]).stdout)
    assert (told["source"], told["errors"], told["warnings"]) == (str(root), 1, 0)
    (finding,) = told["findings"]
    assert {key: finding[key] for key in ("code", "severity", "file", "episode", "feature")} == {
        "code": "lfs_pulled",
        "severity": "error",
        "file": broken.file,
        "episode": 2,
        "feature": "observation.images.front",
    }


def test_a_remedy_can_be_pasted(make_dataset: Record) -> None:
    root = make_dataset("my day", cameras=())
    info(total_frames=1)(root)
    said = CliRunner().invoke(main, ["check", str(root)]).stdout
    assert f"Try: lecompose merge '{root}' -o OUT, which writes it again\n" in said


def test_names_do_not_drive_the_terminal(make_dataset: Record) -> None:
    evil = "\x1b[31mred\x07[bold]"
    root = make_dataset("bad\x1b]0;title\x07", version="v2.1", cameras=(), tasks=(evil, "b"))
    path = root / "meta/info.json"
    info = json.loads(path.read_text())
    info["features"][evil] = {"dtype": evil, "shape": [1]}
    path.write_text(json.dumps(info | {"splits": {evil: evil}, "codebase_version": evil}))
    result = CliRunner().invoke(main, ["check", str(root)])
    assert result.exit_code == 3
    assert "\x1b" not in result.output
    assert "\x07" not in result.output
    assert "[bold]" in result.output


# --decode -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "codec"),
    few(
        [("v2.1", "h264"), ("v3.0", "libsvtav1"), ("v2.1", "libsvtav1"), ("v3.0", "h264")],
        kept=lambda n: n < 2,
    ),
)
def test_frames_that_do_not_decode_are_named(version: str, codec: str, make_dataset: Record) -> None:
    root = make_dataset(version=version, **SETTINGS | {"codec": codec})
    path = sorted(root.glob("videos/**/*.mp4"))[-1]
    wreck_packet(path, number=4)
    assert lecompose.check(root) == []
    found = lecompose.check(root, decode=True)
    assert [(f.code, f.severity, f.episode, f.feature) for f in found] == [
        ("pictures_decode", "error", 2, "observation.images.front")
    ]
    assert found[0].file == path.relative_to(root).as_posix()
    assert "not decodable" in found[0].problem
    assert "4" in found[0].problem.partition(": ")[2]


def wreck_packet(path: Path, *, number: int) -> None:
    """Other bytes in place of one packet's own, but for its length and its first."""
    import av

    with av.open(str(path)) as file:
        packet = [p for p in file.demux(video=0) if p.size][number]
        at, size = packet.pos, packet.size
    content = bytearray(path.read_bytes())
    content[at + 5 : at + size] = bytes(byte ^ 0xA7 for byte in content[at + 5 : at + size])
    path.write_bytes(content)


def test_images_that_do_not_decode_are_named(make_dataset: Record) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    root = make_dataset(cameras=(), image_features=("front",), frames=(4, 3))
    (path,) = root.glob("data/*/*.parquet")
    table = pq.read_table(path, partitioning=None)
    cells = table["observation.images.front"].to_pylist()
    for cell in cells[5:]:
        cell["bytes"] = cell["bytes"][:30]
    at = table.schema.get_field_index("observation.images.front")
    kind = table.schema.field(at)
    pq.write_table(table.set_column(at, kind, pa.array(cells, kind.type)), path)
    assert [f for f in lecompose.check(root) if f.severity == "error"] == []
    (found,) = (f for f in lecompose.check(root, decode=True) if f.severity == "error")
    assert (found.code, found.episode, found.feature) == ("pictures_decode", 1, "observation.images.front")
    assert found.problem == "2 pictures not decodable: 1, 2"


def test_an_empty_dataset_needs_no_tasks(make_dataset: Callable[..., Path]) -> None:
    """LeRobot asks for tasks.parquet only where there are tasks."""
    root = make_dataset(version="v3.0", cameras=())
    for name in ("data", "meta/episodes"):
        shutil.rmtree(root / name)
    (root / "meta/tasks.parquet").unlink()
    info(total_episodes=0, total_frames=0, total_tasks=0, splits={})(root)
    assert [finding.code for finding in lecompose.check(root)] == ["no_episodes"]

"""The command line: what it prints where, what it leaves on disk, what names it can bear."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from conftest import CHECKOUT, digest
from support.effort import every_nth
from support.independent import assert_merged

import lecompose
from lecompose import errors
from lecompose.cli import main
from lecompose.composition import execute

Record = Callable[..., Path]
SMALL: dict[str, Any] = {"codec": "h264", "cameras": ("front",), "tasks": ("pick", "place")}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


def process(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own: logging and file descriptors are what users get."""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "src")}
    command = [sys.executable, "-m", "lecompose", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def commands() -> Iterator[tuple[list[str], click.Command]]:
    yield [], main
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        yield [name], command
        if isinstance(command, click.Group):
            yield from (([name, inner], below) for inner, below in command.commands.items())


# Printing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("names", "command"), list(commands()), ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(option: str, names: list[str], command: click.Command) -> None:
    result = run(*names, option)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("Usage: ")
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[-1] in result.stdout
            assert parameter.help, f"{parameter.opts}: needs a help text"
    if names and not isinstance(command, click.Group):
        assert f"lecompose {' '.join(names)} " in re.split("Examples?:", result.stdout)[-1]


def test_version() -> None:
    assert run("--version").stdout == f"lecompose, version {lecompose.__version__}\n"


def test_help_needs_no_engine() -> None:
    """`lecompose --help` and a wrong option answer at once: DuckDB, pyarrow and FFmpeg are not loaded."""
    code = (
        "import sys; from lecompose.cli import main\n"
        "try: main(['merge', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'duckdb', 'pyarrow', 'av', 'numpy'} & set(sys.modules)), file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stderr.strip() == "[]"


def test_results_on_stdout_notes_on_stderr(recorded: Record, tmp_path: Path) -> None:
    """Two encoder settings make a note; quiet or for a program there is none."""
    sources = [recorded(**SMALL), recorded(crf=20, seed=1, **SMALL)]
    done = process("merge", *sources, "-o", tmp_path / "loud")
    assert done.returncode == 0
    assert f"wrote {tmp_path / 'loud'}" in done.stdout
    assert "6 episodes, 60 frames" in done.stdout
    assert "video.crf" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr, "no terminal, no colours and no bars"
    done = process("merge", *sources, "-o", tmp_path / "quiet", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    done = process("merge", *sources, "-o", tmp_path / "json", "--json", "--quiet")
    assert done.stderr == ""
    assert json.loads(done.stdout)["episodes"] == 6


def test_errors_on_stderr_without_a_traceback(tmp_path: Path) -> None:
    done = process("merge", tmp_path / "no", "-o", tmp_path / "out")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("error: source not found")
    assert done.stderr.count("\n") == 1


def test_json_of_every_command(recorded: Record, tmp_path: Path) -> None:
    source = recorded(**SMALL)
    report = json.loads(run("merge", source, source, "-o", tmp_path / "out", "--json").stdout)
    assert report["outputs"] == [{"path": str(tmp_path / "out"), "episodes": 6, "frames": 60}]
    assert (report["episodes"], report["frames"], report["frames_decoded"]) == (6, 60, 0)
    assert report["dry_run"] is False
    assert report["plan"] is None
    summary = json.loads(run("info", tmp_path / "out", "--json").stdout)
    assert (summary["version"], summary["episodes"], summary["frames"]) == ("v3.0", 6, 60)
    checked = run("check", tmp_path / "out", "--json")
    assert checked.exit_code == 0
    assert json.loads(checked.stdout)["findings"] == []


def test_check_lists_what_is_wrong(make_dataset: Record) -> None:
    root = make_dataset(cameras=())
    info = json.loads((root / "meta/info.json").read_text())
    (root / "meta/info.json").write_text(json.dumps(info | {"total_frames": 31}))
    result = run("check", root)
    assert result.exit_code == 3
    assert "total_frames" in result.stdout
    assert json.loads(run("check", root, "--json").stdout)["findings"][0]["code"] == "info_totals"


def test_names_in_a_dataset_do_not_drive_the_terminal(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset(
        cameras=(), tasks=("\x1b[31mred\x07 [bold]x[/bold]",), name="odd\x1b]0;title\x07 [red]"
    )
    for result in (
        run("info", root),
        run("merge", root, "-o", tmp_path / "out"),
        run("merge", root, "-o", tmp_path / "out"),
        run("merge", root, root / "no\x1b", "-o", tmp_path / "new", "--dry-run"),
    ):
        assert "\x1b" not in result.output
        assert "\x07" not in result.output
    assert "[bold]x[/bold]" in run("info", root).stdout


# Dry run --------------------------------------------------------------------------------------------


def test_dry_run_shows_the_plan_and_writes_nothing(
    dataset_v30_many_files: Path, recorded: Record, tmp_path: Path
) -> None:
    sources = [dataset_v30_many_files, recorded(version="v2.1", codec="h264", frames=(6, 2, 11), seed=5)]
    limits = ("--data-mb", "0.005", "--video-mb", "0.005", "--chunk-files", "2")
    result = run("merge", *sources, "-o", tmp_path / "deep" / "out", "--dry-run", *limits)
    assert result.exit_code == 0, result.output
    assert list(tmp_path.iterdir()) == []
    assert f"would write {tmp_path / 'deep' / 'out'}" in result.stdout
    assert "data/chunk-000/file-000.parquet" in result.stdout
    told = json.loads(run("merge", *sources, "-o", tmp_path / "out", "--dry-run", "--json", *limits).stdout)
    assert list(tmp_path.iterdir()) == []
    assert [(row["out_episode"], row["src_episode"]) for row in told["plan"]] == [
        *((n, n) for n in range(8)),
        *((8 + n, n) for n in range(3)),
    ]
    assert told["dry_run"] is True
    done = json.loads(run("merge", *sources, "-o", tmp_path / "out", "--json", *limits).stdout)
    for planned, written in zip(told["files"], done["files"], strict=True):
        assert planned | {"size_bytes": 0} == written | {"size_bytes": 0}
        assert written["size_bytes"] == (tmp_path / "out" / written["path"]).stat().st_size
    assert {file["path"] for file in done["files"]} == {
        path.relative_to(tmp_path / "out").as_posix()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file() and "meta" not in path.parts
    }
    assert (told["episodes"], told["frames"]) == (done["episodes"], done["frames"])
    assert told["bytes_copied"] + told["bytes_remuxed"] > 0


def test_dry_run_finds_what_a_run_would_find(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset(**SMALL, version="v2.1")
    next(root.glob("videos/*/*/*.mp4")).write_bytes(b"")
    result = run("merge", root, "-o", tmp_path / "out", "--dry-run")
    assert result.exit_code == errors.MediaError.exit_code
    assert not (tmp_path / "out").exists()


# All or nothing -------------------------------------------------------------------------------------


@contextmanager
def failing_at(stage: str, error: BaseException, seen: list[Path]) -> Iterator[None]:
    """While inside, `stage` first does its work and then raises `error`."""

    def wrapped(run: Any, do: Callable[[Any], None]) -> None:
        seen.extend(run.folders.values())
        if stage != "publish":
            do(run)
        raise error

    stages = tuple(
        (name, (lambda run, do=do: wrapped(run, do)) if name == stage else do) for name, do in execute.STAGES
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execute, "STAGES", stages)
        yield


@every_nth(2)
@pytest.mark.parametrize(
    ("stage", "kind"),
    [*((name, "error") for name, _ in execute.STAGES), ("data", "interrupt"), ("publish", "interrupt")],
)
def test_a_run_that_dies_changes_nothing(
    stage: str, kind: str, recorded: Record, make_dataset: Record, tmp_path: Path
) -> None:
    """Whatever the stage: the old output stands, sources are as they were, the staging folder is gone."""
    source, old = recorded(**SMALL), make_dataset(name="old", cameras=(), seed=4)
    before, seen = digest(tmp_path), []
    error = errors.OutputUnwritable("disk full. (/x)") if kind == "error" else KeyboardInterrupt()
    with failing_at(stage, error, seen):
        result = run("merge", source, source, "-o", old, "--overwrite")
    assert result.exit_code == (5 if kind == "error" else 130)
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert len(seen) == 1
    assert not seen[0].exists()
    assert digest(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_overwrite_replaces_at_publish(recorded: Record, make_dataset: Record, tmp_path: Path) -> None:
    old, source = make_dataset(name="old", cameras=(), seed=4), recorded(**SMALL)
    before = digest(old)
    seen: list[str] = []
    stages = tuple((name, lambda run, name=name, do=do: (seen.append(name + digest(old)), do(run))[1])
                   for name, do in execute.STAGES)  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execute, "STAGES", stages)
        assert run("merge", source, "-o", old, "--overwrite").exit_code == 0
    assert [name.removesuffix(before) for name in seen] == [name for name, _ in execute.STAGES]
    assert_merged(old, [source])
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_a_result_that_fails_its_check_is_not_published(
    recorded: Record, make_dataset: Record, tmp_path: Path
) -> None:
    """A stage that writes something wrong is caught by verify: exit code 6, nothing published."""
    old, source = make_dataset(name="old", cameras=(), seed=4), recorded(**SMALL)
    before = digest(old)

    def spoilt(run: Any, do: Callable[[Any], None]) -> None:
        do(run)
        (path,) = (folder / "meta/info.json" for folder in run.folders.values())
        path.write_text(path.read_text().replace('"total_frames": 30', '"total_frames": 29'))

    stages = tuple(
        (name, (lambda run, do=do: spoilt(run, do)) if name == "metadata" else do)
        for name, do in execute.STAGES
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execute, "STAGES", stages)
        result = run("merge", source, "-o", old, "--overwrite")
    assert result.exit_code == 6, result.output
    assert "total_frames" in result.stderr
    assert digest(old) == before
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


# Names ----------------------------------------------------------------------------------------------


ODD_NAMES = {
    "patterns": ("run=3", "a[1]b", "star*", "what? [!a]", 'it\'s "quoted", {0} and $x %s; --'),
    "letters": (".größer 抓取 🤖 \\n",),
}


@every_nth(2)
@pytest.mark.parametrize("names", ODD_NAMES.values(), ids=ODD_NAMES)
def test_folders_of_any_name(
    names: tuple[str, ...], recorded: Record, make_dataset: Record, tmp_path: Path
) -> None:
    """A decoy beside them matches where a name is read as a glob."""
    sources = [make_dataset(name=f"{name}/in {name}", version="v2.1", **SMALL) for name in names]
    decoy = recorded(version="v2.1", frames=2, **SMALL)
    for other in ("a1b", "starx", "whatx b"):
        (tmp_path / other).mkdir()
        for name in names:
            (tmp_path / other / f"in {name}").symlink_to(decoy)
    out = tmp_path.joinpath(*names, f"out {' '.join(names)}")
    result = run("merge", *sources, "-o", out)
    assert result.exit_code == 0, result.output
    assert_merged(out, sources)
    assert run("info", out).exit_code == 0


def test_features_of_any_name(recorded: Record, tmp_path: Path) -> None:
    odd = (
        "a \"b\" 'c'",
        "x.y.z",
        "star*?[1]",
        "ünï 抓",
        "run=3",
        "{0} {x}",
        "$x %s",
        "select; --",
        "with\nline",
    )
    extra = {name: ("float32", (2,), lambda e, f: (e, f)) for name in odd}
    cameras = tuple(f"images.{name}" for name in odd[:7])
    sources = [
        recorded(version=version, codec="h264", cameras=cameras, extra_features=extra, frames=(3, 4), seed=n)
        for n, version in enumerate(["v2.1", "v3.0"])
    ]
    result = run("merge", *sources, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert_merged(tmp_path / "out", sources)


def test_repo_id_under_the_home_of_lerobot(
    recorded: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = recorded(**SMALL)
    (tmp_path / "home" / "me").mkdir(parents=True)
    (tmp_path / "home" / "me" / "cups").symlink_to(source)
    monkeypatch.setenv("HF_LEROBOT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert run("merge", "me/cups", source, "-o", "out").exit_code == 0
    assert_merged(tmp_path / "out", [source, source])
    result = run("merge", "me/plates", "-o", "other")
    assert result.exit_code == 3
    assert str(tmp_path / "home") in result.stderr


def test_output_relative_to_here_and_in_new_folders(
    recorded: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("merge", recorded(**SMALL), "-o", "new/deeper/../out").exit_code == 0
    assert (tmp_path / "new/out/meta/info.json").is_file()


@pytest.mark.parametrize("options", [[], ["-o", "out"]], ids=["no output", "no source"])
def test_missing_arguments(options: list[str], dataset_v30: Path) -> None:
    arguments = [dataset_v30] if not options else []
    result = run("merge", *arguments, *options)
    assert result.exit_code == 2
    assert re.search(r"Missing (option|argument)", result.stderr)


@every_nth(2)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_nothing_behind(number: int, code: int, recorded: Record, tmp_path: Path) -> None:
    """Sent while the data stage runs, which a dataset this small would leave too soon: it sends it itself."""
    source = recorded(cameras=())
    script = (
        "import os, sys; from lecompose.composition import execute; from lecompose.cli import main\n"
        "def stage(run):\n"
        "    assert os.listdir(run.scratch.parent) != []\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "    import time; time.sleep(200)\n"
        "execute.STAGES = (('data', stage),)\n"
        f"main(['merge', {str(source)!r}, '-o', {str(tmp_path / 'out')!r}])"
    )
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("interrupted; the output is as it was before.")
    assert list(tmp_path.iterdir()) == []


def test_own_options_stand_before_shared_ones() -> None:
    page = run("edit", "tasks", "--help").stdout
    places = [
        page.index(f"\n{heading}:\n") for heading in ("Options", "Features", "Videos and files", "Resources")
    ]
    assert places == sorted(places)
    assert page.index("--replace") < page.index("--json") < places[1] < page.index("--rename")
    assert "--skip-broken" in page
    assert "--skip-broken" not in run("repair", "--help").stdout


@every_nth(2)
@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("merge", "--help"),
        ("info", "@"),
        ("info", "@", "--json"),
        ("check", "@"),
        ("query", "@", "from frames"),
        ("query", "@", "from frames", "--format", "parquet"),
        ("merge", "@", "-o", "out", "--dry-run"),
        ("stats", "@"),
    ],
    ids=" ".join,
)
def test_where_nobody_reads_on_it_ends_without_a_word(words: tuple[str, ...], make_dataset: Record) -> None:
    source = make_dataset(name="source", **SMALL)
    (source / "meta/stats.json").write_text("{")  # so that check has errors to tell
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "src")}
    command = [sys.executable, "-m", "lecompose", *(str(source) if w == "@" else w for w in words)]
    done = subprocess.run(
        command, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_quiet_prints_nothing(recorded: Record, tmp_path: Path) -> None:
    result = run("merge", recorded(cameras=()), "-o", tmp_path / "out", "--quiet")
    assert (result.exit_code, result.output) == (0, "")


def test_a_source_given_twice_is_told(recorded: Record, tmp_path: Path) -> None:
    source = recorded(cameras=())
    result = run("merge", source, source, "-o", tmp_path / "out")
    assert (
        f"note: this source is given 2 times, and so are its episodes in the output. ({source})"
        in result.stderr
    )


def test_one_source_need_not_be_a_list(recorded: Record, tmp_path: Path) -> None:
    assert lecompose.merge(str(recorded(cameras=())), out=tmp_path / "out").episodes == 3


def test_episodes_without_picture_statistics_are_told(
    recorded: Record, make_dataset: Record, tmp_path: Path
) -> None:
    bare = make_dataset(version="v2.1", cameras=("front",), codec="h264")
    (bare / "meta/episodes_stats.jsonl").unlink()
    report = lecompose.merge([bare, recorded(cameras=("front",), codec="h264")], out=tmp_path / "out")
    assert [note for note in report.notes if "3 episodes have no picture statistics" in note] != []


def test_an_option_is_given_once(recorded: Record, tmp_path: Path) -> None:
    """The last would win in silence; what may repeat says so."""
    source = recorded(**SMALL)
    for arguments in (
        ["delete", source, "-o", tmp_path / "out", "--episodes", "0", "--episodes", "1"],
        ["filter", source, "-o", tmp_path / "out", "--where", "true", "--where", "length > 3"],
        ["merge", source, "-o", tmp_path / "out", "--out", tmp_path / "other"],
    ):
        done = run(*arguments)
        assert done.exit_code == 2
        assert "is given more than once" in done.stderr
    assert list(tmp_path.iterdir()) == []
    done = run("split", source, "-o", tmp_path / "out", "--into", "a=0", "--into", "b=1:", "--quiet", "-q")
    assert done.exit_code == 0, done.stderr


def test_overwrite_removes_nothing_but_a_dataset(recorded: Record, tmp_path: Path) -> None:
    source = recorded(**SMALL)
    assert run("merge", source, "-o", tmp_path / "out", "-q").exit_code == 0
    (tmp_path / "out" / "mine").mkdir()
    before = digest(tmp_path / "out")
    done = run("merge", source, "-o", tmp_path / "out", "--overwrite")
    assert (done.exit_code, digest(tmp_path / "out")) == (5, before)
    assert "not part of the dataset: mine" in done.stderr
    (tmp_path / "out" / "mine").rmdir()
    assert run("merge", source, "-o", tmp_path / "out", "--overwrite").exit_code == 0


def test_the_dataset_that_was_meant(recorded: Record, make_dataset: Record, tmp_path: Path) -> None:
    make_dataset("monday", **SMALL)
    done = run("info", tmp_path / "mondy")
    assert done.exit_code == 3
    assert f"Try: {tmp_path / 'monday'}" in done.stderr


def test_a_command_that_was_meant_is_named() -> None:
    asked = CliRunner().invoke(main, ["mrge", "a", "-o", "b"])
    assert asked.exit_code == 2
    assert "No such command 'mrge'. Did you mean 'merge'?" in asked.output

"""What is written about the commands is true of the commands."""

import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lecompose

CHECKOUT = Path(__file__).resolve().parents[2]
cli = pytest.importorskip("lecompose.cli", reason="there is no command line yet")
sys.path.insert(0, str(CHECKOUT / "docs"))

import click  # noqa: E402
import generate  # noqa: E402

COMMANDS = {
    context.command_path: context.command for context in generate.contexts(cli.main, None, "lecompose")
}


def examples(page: str) -> Iterator[list[str]]:
    """The lecompose commands in the fenced blocks of a page, continued lines joined."""
    for block in re.findall(r"```[\w-]*\n(.*?)```", page, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.strip().removeprefix("$ "), comments=True)
            if words[:1] == ["lecompose"]:
                yield words


PAGE = (CHECKOUT / "README.md").read_text(encoding="utf-8")
CLUSTERS = (CHECKOUT / "docs/clusters.md").read_text(encoding="utf-8")
README = [*examples(PAGE), *examples(CLUSTERS)]
(RECIPE,) = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


def test_cli_reference_is_fresh() -> None:
    assert generate.main(["--check"]) == 0, "make docs"


def test_figures_of_broken_datasets_are_quoted() -> None:
    found = json.loads((CHECKOUT / "docs/torture.json").read_text(encoding="utf-8"))
    counts = {name: 7_000 + n for n, name in enumerate((*generate.INPUTS, *generate.HARM))}
    page = "".join(generate.figures(found | {"inputs": counts | {"refused": {"3": 8_003}}}))
    assert all(f"| {number:,} |" in page for number in (*counts.values(), 8_003, found["kills"]))


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_and_option_has_help(path: str) -> None:
    command = COMMANDS[path]
    assert command.help, f"{path} has no help"
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_readme_shows_commands() -> None:
    assert README, "the README has no example of a command"


@pytest.mark.parametrize("words", README, ids=" ".join)
def test_readme_command_parses(words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("recipe.sql", "report.sql"):
        Path(name).write_text(RECIPE, encoding="utf-8")
    for command in COMMANDS.values():
        if not isinstance(command, click.Group):
            monkeypatch.setattr(command, "callback", lambda **_: None)  # read the line, run nothing
    cli.main.main(args=words[1:], prog_name=words[0], standalone_mode=False)


def test_readme_recipe_composes(dataset_v30: Path, dataset_v21: Path, tmp_path: Path) -> None:
    """As it stands there, but for the least length: the toy episodes are short."""
    recipe = RECIPE.replace("length > 30", "length > 3")
    assert recipe != RECIPE
    report = lecompose.compose(recipe, {"pick": dataset_v30, "place": dataset_v21}, out=tmp_path / "mixed")
    rows = lecompose.query(tmp_path / "mixed", "select from_dataset from lineage order by src_episode")
    assert rows["from_dataset"].to_pylist() == ["pick", "place"] * 3
    assert report.episodes == 6


# Of any dataset; those with -f read a file, and lineage is there only in what was composed.
QUERIES = [
    words for words in README if words[1] == "query" and "-f" not in words and "lineage" not in words[-1]
]


@pytest.mark.parametrize("words", QUERIES, ids=lambda words: words[-1])
def test_readme_query_runs(words: list[str], dataset_v30: Path) -> None:
    assert len(lecompose.query(dataset_v30, words[-1])) > 0


# Files and folders of ours that these pages name, from the root of the checkout or from the package.
PAGES = ("CONTRIBUTING.md", "docs/house.md")
NAMED = sorted(
    {
        (page, path)
        for page in PAGES
        for path in re.findall(
            r"`([\w.]+(?:/[\w.]*)+|\w+\.(?:py|sql|md))`", (CHECKOUT / page).read_text("utf-8")
        )
        if path != "meta/"  # of a dataset
    }
)


@pytest.mark.parametrize(("page", "path"), NAMED)
def test_a_file_that_is_named_exists(page: str, path: str) -> None:
    roots = (CHECKOUT, CHECKOUT / "src/lecompose", (CHECKOUT / page).parent)
    assert any((root / path).exists() for root in roots)

"""Other texts for tasks: the relation `relabels`, which goes with a plan.

    src_dataset, src_episode, task, new_task

One row a task of each episode of which at least one gets another text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from lecompose.composition.plan.episode_lists import Episodes, list_episodes, select_episodes
from lecompose.composition.plan.rows import make_table
from lecompose.dataset.catalog import Catalog
from lecompose.dataset.query_views import Views
from lecompose.errors import QueryError, RequestError, listed, near

_OF_EPISODES = pa.schema([("src_episode", pa.int64()), ("new_task", pa.string())])
_EXPRESSED = pa.schema([("src_episode", pa.int64()), ("task", pa.string()), ("new_task", pa.string())])
_REPLACED = pa.schema([("task", pa.string()), ("new_task", pa.string())])

_TEXT_COLUMNS = ("src_dataset", "src_episode", "task")
# How many new texts a note shows.
_SHOWN = 10


@dataclass(frozen=True)
class TaskChanges:
    """What tasks are to be called: at most one of `task`, `replace` and `sql`, and `episodes` before any.

    `task` is for all, `episodes` has a text for some, `replace` (old, new) pairs; `sql` is an expression over
    `episodes`, asked once for each task of each episode, whose null leaves that task as it is.
    """

    task: str | None = None
    episodes: tuple[tuple[Episodes, str], ...] = ()
    replace: tuple[tuple[str, str], ...] = ()
    sql: str | None = None

    def __post_init__(self) -> None:
        """Raise RequestError where no change is given, or more than one for the same task."""
        given = [self.task is not None, bool(self.replace), self.sql is not None]
        if sum(given) > 1:
            raise RequestError(
                "give only one of --task, --replace and --sql: each says what every task becomes"
            )
        if not any(given) and not self.episodes:
            raise RequestError("no task was given", hint="--task, --episode, --replace or --sql")
        texts = [self.task, *(text for _, text in self.episodes), *(new for _, new in self.replace)]
        if any(text is not None and not text.strip() for text in texts):
            raise RequestError("a task needs a text")


def relabel_tasks(catalog: Catalog, views: Views, texts: TaskChanges) -> tuple[str, ...]:
    """Make `relabels` of the one source as `texts` say; return notes.

    Raises:
        UnknownEpisode, RequestError: with all that is not there.
        QueryError: for an expression that DuckDB refuses.
    """
    engine = catalog.engine
    engine.table("episode_texts", "plan/episode_texts")
    there = engine.arrow("plan/all_texts")["task"].to_pylist()
    _refuse_unknown(texts.replace, there)
    engine.load("told_episodes", _of_episodes(catalog, texts.episodes))
    engine.load("replaced", make_table(_REPLACED, texts.replace))
    engine.load(
        "expressed",
        _evaluate(views, texts.sql, engine.read("episode_texts", _TEXT_COLUMNS, order=_TEXT_COLUMNS)),
    )
    engine.drop("relabels")
    engine.view("relabels", "plan/relabels", task=texts.task)
    changed = engine.value("plan/relabelled")
    (total,) = engine.arrow("plan/totals")["episodes"].to_pylist()
    summary = f"{changed} of {total} episodes get another task"
    lines = list(map(str, engine.records("plan/new_texts", _NewText)))
    return (listed(f"{summary}:", lines, limit=_SHOWN) if lines else summary,)


@dataclass(frozen=True)
class _NewText:
    """Which text a task gets, and in how many episodes."""

    task: str | None
    new_task: str
    episodes: int

    def __str__(self) -> str:
        held = "no text" if self.task is None else f'"{self.task}"'
        return (
            f'{held} becomes "{self.new_task}" in {self.episodes} episode{"" if self.episodes == 1 else "s"}'
        )


def _refuse_unknown(replace: Sequence[tuple[str, str]], there: Sequence[str]) -> None:
    unknown = [old for old, _ in replace if old not in there]
    if unknown:
        lines = [f'"{old}"{near(old, there)}' for old in unknown]
        raise RequestError("there is no such task", hint="lecompose info, which lists them", parts=lines)


def _of_episodes(catalog: Catalog, given: Sequence[tuple[Episodes, str]]) -> pa.Table:
    """Return the task of each episode. Raises UnknownEpisode; RequestError for two tasks of an episode."""
    have = list_episodes(catalog, catalog.sources[0].name)
    texts: dict[int, str] = {}
    twice = []
    for episodes, text in given:
        for episode in select_episodes(episodes, have):
            other = texts.setdefault(episode, text)
            if other != text:
                twice.append(f'episode {episode}: "{other}" and "{text}"')
    if twice:
        raise RequestError("two tasks were given for one episode", parts=twice)
    return make_table(_OF_EPISODES, list(texts.items()))


def _evaluate(views: Views, sql: str | None, held: pa.Table) -> pa.Table:
    if sql is None:
        return _EXPRESSED.empty_table()
    found = (
        views.task_texts(sql, held).select(["src_episode", "task", "value"]).rename_columns(_EXPRESSED.names)
    )
    empty = [row for row in found.to_pylist() if row["new_task"] is not None and not row["new_task"].strip()]
    if empty:
        lines = [f'episode {row["src_episode"]}, task "{row["task"]}"' for row in empty]
        raise QueryError("the expression gives a text without any letter", parts=lines)
    return found.cast(_EXPRESSED)

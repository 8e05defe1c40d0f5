"""What users' SQL sees: datasets, features, tasks, episodes, frames, clips, lineage; in a sandbox of its own.

with open_views(catalog) as views:
    truth = views.episode_condition("length > 100 and task ilike '%cup%'")
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from threading import Event

import pyarrow as pa

from lecompose.dataset import export, stored_stats
from lecompose.dataset.catalog import Catalog
from lecompose.dataset.frame_views import FRONT, ShownColumn, choose_name, register_frames
from lecompose.dataset.table_joins import TableJoins
from lecompose.engine import Context, open_engine
from lecompose.engine.sandbox import Sandbox
from lecompose.engine.vector_sql import OF_FRAMES, OPERATORS, SHAPES
from lecompose.errors import QueryError, SourceBroken
from lecompose.files.parquet.damage import find_damage
from lecompose.formats import STATS

BATCH_ROWS = 65_536

_FRAME_KEYS = ("src_dataset", "src_episode", "frame_index")
EPISODE_COLUMNS = (
    *FRONT,
    *("length", "seconds", "tasks", "fps", "robot_type", "from_index", "to_index", "data_file"),
    *("video_files", "stats"),
)
_SMALL = ("datasets", "features", "tasks", "clips", "lineage")


@dataclass(frozen=True)
class _StatColumn:
    """A statistic, and its column in `stored_stats`."""

    stat: str
    column: str


@dataclass(frozen=True)
class _FeatureStats:
    """A feature, and its statistics."""

    name: str
    stats: tuple[_StatColumn, ...]


@dataclass(frozen=True)
class Views:
    """The sandbox of one catalog, sealed. Every error of a user's text is a QueryError."""

    catalog: Catalog
    sandbox: Sandbox
    # Reading statistics can take longer than all the rest: they are there once a text may use them.
    has_stats: Event = field(default_factory=Event)

    def episode_condition(self, predicate: str) -> pa.Table:
        """Return whether `predicate` is true of each episode, or null. Shape: src_dataset, src_episode,
        value."""
        hint = _add_hint("a window, as in length > avg(length) over (), or a predicate over frames")
        with self._asking(_over("episodes", predicate)), hint:
            values = self._of_each_episode(self.sandbox.each("episodes", predicate))
        return self._as_in_sources(_boolean(values))

    def frame_condition(self, predicate: str) -> pa.Table:
        """Return whether an aggregate `predicate` is true of the frames of each episode. Shape: as of
        `truth`."""
        with (
            self._asking(_over("frames", predicate)),
            self._name_data_file(),
            _add_hint("an aggregate over the episode's frames, as in max(abs(action[1])) < 2.5"),
        ):
            values = self.sandbox.aggregate("frames", predicate)
        return self._as_in_sources(_boolean(values))

    def episode_values(self, expression: str) -> pa.Table:
        """Return the value of `expression` for each episode. Shape: src_dataset, src_episode, value."""
        hint = _add_hint("an expression over one episode; a subquery over frames gives what its frames say")
        with self._asking(_over("episodes", expression)), hint:
            values = self._of_each_episode(self.sandbox.each("episodes", expression))
        return self._as_in_sources(values)

    def strata(self, expression: str) -> pa.Table:
        """Return the value of `expression` as text for each episode. Shape: src_dataset, src_episode,
        stratum."""
        hint = _add_hint("an expression over one episode; length > avg(length) over () sees them all")
        with self._asking(_over("episodes", expression)), hint:
            values = self._of_each_episode(self.sandbox.each("episodes", expression, kind="varchar"))
        texts = values["value"].cast(pa.string()).fill_null("null")
        return self._as_in_sources(values.drop_columns("value").append_column("stratum", texts))

    def task_texts(self, expression: str, held: pa.Table) -> pa.Table:
        """Return the value of `expression` as text for each task that an episode has, by the rows of `held`.

        Shape: src_dataset, src_episode, task, value; the expression sees the episode's row, with this `task`.
        """
        self.sandbox.set_aside("episode_texts")
        self.sandbox.set_aside("episodes_by_task", known_as="an episode")
        self.sandbox.load("episode_texts", held)
        with self._asking(_over("episodes", expression)):
            self.sandbox.view("episodes_by_task", "query_views/episodes_by_task")
            return _as_text(self.sandbox.each("episodes_by_task", expression, keys=FRONT))

    @contextmanager
    def frame_values(
        self, expression: str, *, batch_rows: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatchReader]:
        """Yield the value of `expression` for each frame of all sources, in record batches, read lazily.

        Shape: src_dataset, src_episode, frame_index, value, in that order; the expression sees the frame's
        row with the columns of its episode beside it.
        """
        names = {column.lower() for column in self.sandbox.columns_of("frames")}
        beside = [name for name in self.sandbox.columns_of("episodes") if name.lower() not in names]
        self.sandbox.set_aside("frames_of_episodes", known_as="a frame and its episode")
        with (
            self._asking(_over("episodes", expression)),
            self._view("frames_of_episodes", {"beside": beside}),
            _add_hint("a window, as in max(action[1]) over (partition by src_episode)"),
            self.sandbox.each_in_order(
                "frames_of_episodes", expression, keys=_FRAME_KEYS, batch_rows=batch_rows
            ) as reader,
        ):
            yield reader

    def episode_order(self, terms: str) -> pa.Table:
        """Return all episodes in the order of SQL terms, ties as in the sources. Shape.

        Src_dataset, src_episode.
        """
        ties = "(select d.rowid from datasets d where d.src_dataset = episodes.src_dataset), src_episode"
        with self._asking(f"{_over('episodes', '1')} order by {terms}"):
            return self.sandbox.order("episodes", terms, ties=ties)

    def select(self, sql: str) -> pa.Table:
        """Return all rows of one SELECT, in its order."""
        with self._asking(sql), self._name_data_file():
            return self.sandbox.ask(sql)

    def select_in_order(self, sql: str, keys: Sequence[str]) -> tuple[pa.Table, bool]:
        """Return all rows of one SELECT, and whether its ORDER BY says in what order.

        Ties are broken by the `keys` that it returns.
        """
        names = self.sandbox.names_of(sql)
        held = [key for key in keys if key in names]
        completed = self.sandbox.complete_order(sql, held) if held else sql
        if completed is None or completed == sql:
            return self.select(sql), completed is not None
        try:
            return self.select(completed), True
        except QueryError:  # such as terms that may stand in no other place
            return self.select(sql), True

    @contextmanager
    def stream(self, sql: str, *, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatchReader]:
        """Yield the rows of one SELECT as record batches, in its order, read lazily."""
        with (
            self._asking(sql),
            self._name_data_file(),
            self.sandbox.stream(sql, batch_rows=batch_rows) as reader,
        ):
            yield reader

    def save(self, sql: str, path: Path, *, format: str | None = None, overwrite: bool = False) -> int:
        """Return how many rows one SELECT gave, which are now at `path` as CSV, JSON or parquet, in its
        order.

        Raises:
            QueryError: if the text is no SELECT that can be run.
            OutputExists, OutputUnwritable: if no file can be written there.
            RequestError: for a path in a dataset.
        """
        format = export.format_of(path, format)
        export.refuse_place(path, overwrite=overwrite)
        with TemporaryDirectory(dir=self.sandbox.scratch) as folder:
            written = Path(folder) / f"rows.{format}"
            with self._asking(sql), self._name_data_file():
                rows = self.sandbox.save(sql, written, format=format)
            if format == "json":
                lines = written.rename(written.with_suffix(".lines"))
                export.strict_json(lines, written)
            export.publish(written, path)
        return rows

    @contextmanager
    def _name_data_file(self) -> Iterator[None]:
        """Name the data file that could not be read: the sandbox does not know which one it was."""
        try:
            yield
        except SourceBroken as error:
            files = (file for source in self.catalog.sources for file in self.catalog.data_files(source))
            raise find_damage(files) or error from error.__cause__

    @contextmanager
    def _asking(self, sql: str) -> Iterator[None]:
        """Meanwhile what a text may use is there; then note how it asks the user's own tables."""
        self._load_stats_if_used(sql)
        joins = TableJoins(self.sandbox, self.catalog.tables, len(self.catalog.sources))
        uses = joins.find(sql)
        try:
            yield
        except QueryError as error:
            if "More than one row returned by a subquery" in str(error.__cause__):  # DuckDB's own words
                error.notes = (*error.notes, *joins.explain_repeated(uses))
            raise
        joins.note(uses)

    @contextmanager
    def _view(self, relation: str, context: Context) -> Iterator[None]:
        """Make the view of frames, and of their episodes beside them."""
        self.sandbox.view(relation, f"query_views/{relation}", context)
        yield

    def _load_stats_if_used(self, sql: str) -> None:
        """Put the statistics into `episodes` if a text may use them.

        Raises:
            SourceBroken: where they cannot be read.
        """
        if not self.has_stats.is_set() and self.sandbox.may_use(sql, "episodes", "stats"):
            stored_stats.register_stored_stats(self.catalog)
            _show(self.sandbox, "episodes", "complete", _episodes(self.catalog, with_stats=True))
            self.has_stats.set()

    def _of_each_episode(self, values: pa.Table) -> pa.Table:
        episodes = self.catalog.engine.arrow("query_views/episode_count")["episodes"][0].as_py()
        if values.num_rows != episodes:
            raise QueryError(
                f"one value an episode is needed, found {values.num_rows} of {episodes} episodes"
            )
        return values

    def _as_in_sources(self, rows: pa.Table) -> pa.Table:
        import pyarrow.compute as pc  # slow to load, and not every request has users' SQL

        names = pa.array([s.name for s in self.catalog.sources], pa.string())
        place = pc.index_in(rows["src_dataset"], value_set=names)
        order = [("place", "ascending"), ("src_episode", "ascending")]
        return rows.append_column("place", place).sort_by(order).drop_columns("place")


def _over(relation: str, expression: str) -> str:
    return f"from {relation} select {expression}"


def _boolean(values: pa.Table) -> pa.Table:
    kind = values["value"].type
    if not pa.types.is_boolean(kind):
        raise QueryError(f"a condition, true or false, is needed; this gives {kind}")
    return values


def _as_text(values: pa.Table) -> pa.Table:
    found = values["value"]
    if found.null_count < len(found) and not pa.types.is_string(found.type):
        raise QueryError(
            f"a text is needed, or null; this gives {found.type}", hint="(…)::varchar, if it is meant"
        )
    at = values.schema.get_field_index("value")
    return values.set_column(at, "value", found.cast(pa.string()))


@contextmanager
def _add_hint(hint: str) -> Iterator[None]:
    """Say what to do about columns and aggregates that do not go together."""
    try:
        yield
    except QueryError as error:
        if "must appear in the GROUP BY" in str(error.__cause__):  # DuckDB's own words
            error.hint = hint
        raise


@contextmanager
def open_views(catalog: Catalog) -> Iterator[Views]:
    """Yield the views of everything that `catalog` holds.

    Raises:
        SourceBroken: where statistics cannot be read.
    """
    folder = Path(mkdtemp(prefix="sandbox-", dir=catalog.engine.scratch))
    engine = open_engine(scratch=folder, threads=catalog.engine.threads, memory=catalog.engine.memory_left)
    sandbox = Sandbox(engine)
    try:
        for name in _SMALL:
            sandbox.load(name, catalog.engine.arrow(f"query_views/{name}"))
        _show(sandbox, "episodes", "known", _episodes(catalog, with_stats=False))
        _define_macros(catalog, sandbox)
        for name, rows in catalog.tables.rows.items():
            sandbox.load(name, rows)
        sandbox.seal(register_frames(catalog, sandbox))
        yield Views(catalog, sandbox)
    finally:
        sandbox.close()
        shutil.rmtree(folder, ignore_errors=True)


def _define_macros(catalog: Catalog, sandbox: Sandbox) -> None:
    """Let users' SQL compute with vectors, and know the rate."""
    rates = {"of_dataset": [s.name for s in catalog.sources], "rate": [float(s.fps) for s in catalog.sources]}
    with sandbox.behind("sources"):
        sandbox.load("rates", pa.table(rates))
    sandbox.macro("norm", "macros/norm")
    for operator, names in OPERATORS.items():
        for name, shape in zip(names, SHAPES, strict=True):
            sandbox.macro(name, f"macros/{shape}", {"macro": name, "operator": operator})
    for name in OF_FRAMES:
        sandbox.macro(name, f"macros/{name}")


def _show(sandbox: Sandbox, relation: str, schema: str, rows: pa.Table) -> None:
    """Let users see `rows` as `relation`, in the place of what they saw before."""
    with sandbox.behind(schema):
        sandbox.load(relation, rows)
    sandbox.view(relation, "query_views/all_columns", {"schema": schema, "relation": relation})


def _episodes(catalog: Catalog, *, with_stats: bool) -> pa.Table:
    """Return the relation `episodes`; without statistics its column `stats` is there, and null."""
    custom = [
        ShownColumn(c.column, choose_name(c.column, EPISODE_COLUMNS, "custom"))
        for c in catalog.custom.columns
    ]
    features = _with_stats(catalog)
    episodes = catalog.engine.arrow("query_views/episodes", {"custom": custom})
    if not with_stats:
        return _with_nulls(episodes, features)
    if not features:
        return episodes
    stats = catalog.engine.arrow("query_views/stats", {"features": features})
    return episodes.append_column("stats", stats["stats"])


def _with_nulls(episodes: pa.Table, features: Sequence[_FeatureStats]) -> pa.Table:
    kinds = [(f.name, pa.struct([(s.stat, pa.list_(pa.float64())) for s in f.stats])) for f in features]
    return episodes.append_column("stats", pa.nulls(episodes.num_rows, pa.struct(kinds)))


def _with_stats(catalog: Catalog) -> list[_FeatureStats]:
    """Return the features that have statistics; two that differ in case alone are one to SQL."""
    names: dict[str, str] = {}
    for source in catalog.sources:
        for feature in source.features:
            if feature.has_stats:
                names.setdefault(feature.name.lower(), feature.name)
    stats = [*STATS, *stored_stats.list_quantiles(catalog)]
    return [
        _FeatureStats(name, tuple(_StatColumn(stat, f"{name}/{stat}") for stat in stats))
        for name in names.values()
    ]

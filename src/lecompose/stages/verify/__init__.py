"""Opens a dataset like a stranger's and holds it against every promise of its format.

A promise is one file of `sql/verify/`: its rows are violations. What the catalog does not already
know is loaded by `facts`. Nothing is written and no picture is decoded.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lecompose import formats
from lecompose.catalog import Catalog, open_catalog
from lecompose.engine import Engine
from lecompose.errors import SourceError, VerifyError, listed
from lecompose.stages.verify.counted import load_counts
from lecompose.stages.verify.facts import load_facts

# In the order in which a reader would trip over them.
PROMISES = (
    "info_totals",
    "path_templates",
    "default_features",
    "tasks_dense",
    "tasks_indexed",
    "episodes_unique",
    "episodes_dense",
    "episode_spans",
    "episode_rows",
    "episodes_listed",
    "index_dense",
    "data_pointers",
    "episode_pointers",
    "frame_times",
    "task_indices",
    "episode_tasks",
    "columns",
    "huggingface_metadata",
    "data_files_named",
    "row_groups",
    "episode_columns",
    "video_present",
    "video_spans",
    "video_grid",
    "video_order",
    "stats_keys",
    "stats_bookkeeping",
    "episode_stats",
    "episode_stats_listed",
)
# What a source must keep so that its episodes can be told apart and copied whole.
REQUIREMENTS = ("episodes_unique", "episode_rows", "frame_times", "task_indices")

_VALUES: dict[str, dict[str, object]] = {
    "path_templates": {"data_path": formats.DATA_PATH, "video_path": formats.VIDEO_PATH},
    "default_features": {
        "names": list(formats.DEFAULT_FEATURES),
        "dtypes": [spec["dtype"] for spec in formats.DEFAULT_FEATURES.values()],
    },
    "episode_pointers": {
        "episodes_format": formats.path_format(formats.EPISODES_PATH, ("chunk_index", "file_index"))
    },
    "frame_times": {"tolerance_s": formats.TOLERANCE_S},
    "video_grid": {"tolerance_s": formats.TOLERANCE_S},
}


@dataclass(frozen=True)
class Violation:
    """One way in which a dataset breaks a promise; `file` is relative to the dataset's folder."""

    promise: str
    file: str | None
    episode: int | None
    feature: str | None
    problem: str
    src_dataset: str

    def __str__(self) -> str:
        where = [
            None if self.feature is None else f'feature "{self.feature}"',
            None if self.episode is None else f"episode {self.episode}",
        ]
        place = ", ".join(part for part in where if part)
        end = "" if self.file is None else f" ({self.file})"
        return f"{self.promise}: {place + ': ' if place else ''}{self.problem}{end}"


def verify(
    root: Path,
    *,
    threads: int | None,
    memory: str | None,
    scratch: Path,
    row_groups: str | None = "episode",
) -> None:
    """Nothing, if the dataset in `root` keeps every promise of its format.

    Errors: VerifyError listing the violations, or why the dataset cannot even be opened.
    """
    engine = Engine(scratch=scratch, threads=threads, memory=memory)
    try:
        found = violations(open_catalog(engine, [root]), row_groups=row_groups, scratch=scratch)
    except SourceError as error:
        raise VerifyError(f"the dataset that was written cannot be opened: {error}") from error
    finally:
        engine.close()
    if found:
        count = f"{len(found)} promise{'s' if len(found) > 1 else ''} of the format broken"
        raise VerifyError(f"{listed(f'{count} by the dataset that was written:', map(str, found))}\n({root})")


def violations(
    catalog: Catalog, *, row_groups: str | None = None, scratch: Path | None = None
) -> list[Violation]:
    """Every promise that an open dataset breaks, promise by promise.

    `row_groups="episode"` also wants each row group to be one episode. Videos that cannot be described
    where they lie are remuxed into `scratch`; without it they count as unreadable.
    Errors: SourceBroken for metadata that cannot be read at all.
    """
    load_facts(catalog, scratch=scratch)
    load_counts(catalog)
    skipped = () if row_groups == "episode" else ("row_groups",)
    return _broken(catalog, [name for name in PROMISES if name not in skipped])


def requirements(catalog: Catalog) -> list[Violation]:
    """What keeps the episodes of open sources from being composed faithfully; videos aside."""
    return _broken(catalog, REQUIREMENTS)


def remarks(catalog: Catalog) -> list[Violation]:
    """What a source holds that no composition can carry: rows of episodes that its list lacks."""
    return _broken(catalog, ("episodes_listed",))


def _broken(catalog: Catalog, promises: Iterable[str]) -> list[Violation]:
    return [
        Violation(promise=name, **row)
        for name in promises
        for row in catalog.engine.rows(f"verify/{name}", **_VALUES.get(name, {}))
    ]

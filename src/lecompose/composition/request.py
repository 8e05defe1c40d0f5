"""One composition as a value: from which sources, by which plan, to where, and the command that says so."""

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from lecompose.composition.computed_features import Values
from lecompose.composition.destination import Destinations
from lecompose.composition.episode_columns import EpisodeColumnEdits
from lecompose.composition.named_sources import NamedSources, PathLike, output_folder
from lecompose.composition.plan import Plan
from lecompose.composition.settings import Settings
from lecompose.dataset.catalog import Catalog

MakePlan: TypeAlias = Callable[[Catalog], Plan]


@dataclass(frozen=True)
class Request:
    """One composition.

    `make_plan` picks the episodes of the open sources. `arguments` are the verb's own flags and values, and
    `first` what stands before the sources. `values` are those of new features, by name. `stand_in` makes, in
    a scratch folder, the dataset that is read in the place of the one given. `other_command` is what outputs
    remember of a request that another program's command makes. `episode_columns` are edits of the sources'
    per-episode columns.
    """

    verb: str
    sources: NamedSources
    destinations: Destinations
    make_plan: MakePlan
    settings: Settings
    arguments: Sequence[tuple[str, object]] = ()
    first: Sequence[str] = ()
    values: Mapping[str, Values] = field(default_factory=dict)
    stand_in: Callable[[Path], Path] | None = None
    episode_columns: EpisodeColumnEdits | None = None
    other_command: str | None = None

    @property
    def command(self) -> str:
        """The request as a shell line, which outputs remember."""
        if self.other_command is not None:
            return self.other_command
        return shlex.join(self._words(None if self.destinations.in_place else self.destinations.root.name))

    @property
    def words(self) -> tuple[str, ...] | None:
        """The words of a command line that carries the request out, given in the same folder.

        None where no command line can say it.
        """
        can_repeat = all(table.can_repeat for table in self.settings.tables)
        if self.values or not can_repeat or self.other_command is not None:
            return None
        words = self._words(None if self.destinations.in_place else str(self.destinations.root))
        return (*words[1:], *_flags(self.settings.unrecorded))

    def _words(self, out: str | None) -> list[str]:
        arguments = [*self.arguments, *self.settings.recorded]
        return _spell(self.verb, self.sources, out, arguments, first=self.first)


def record_command(
    verb: str,
    sources: NamedSources,
    out: PathLike | None,
    settings: Settings,
    arguments: Iterable[tuple[str, object]] = (),
    *,
    first: Sequence[str] = (),
) -> str:
    """Return the request as a shell line that makes the same outputs again; sources as they were given.

    Of the output only its name is recorded: where it lay says nothing, and equal requests write equal bytes.
    Without one the source is edited in place. `arguments` are flag and value; None and False are left out,
    True is the bare flag. `first` stands before the sources.
    """
    to = None if out is None else output_folder(out).name
    return shlex.join(_spell(verb, sources, to, [*arguments, *settings.recorded], first=first))


def _spell(
    verb: str,
    sources: NamedSources,
    out: str | None,
    arguments: Iterable[tuple[str, object]],
    *,
    first: Sequence[str],
) -> list[str]:
    """Return the words of a command."""
    names = sources.names or [None] * len(sources.paths)
    given = [
        path if name is None else f"{name}={path}" for name, path in zip(names, sources.paths, strict=True)
    ]
    to = ["-o", out] if out is not None else [] if verb == "append" else ["--in-place"]
    return ["lecompose", *verb.split(), *first, *given, *to, *_flags(arguments)]


def _flags(arguments: Iterable[tuple[str, object]]) -> list[str]:
    words: list[str] = []
    for flag, value in arguments:
        if value is not None and value is not False:
            words += [flag] if value is True else [flag, str(value)]
    return words

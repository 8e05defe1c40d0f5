"""Datasets that LeRobot has downloaded from the Hub, by their ids; nothing is asked of the network.

Source: huggingface_hub's cache, as LeRobot 0.6.1 keeps one under $HF_LEROBOT_HOME/hub. In
`datasets--owner--name/` lie `snapshots/<commit>/` with links into `blobs/`, and `refs/<revision>`, files that
hold a commit.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_ID = re.compile(r"(?:[\w.-]+/)?[\w.-]+")
_FOLDER = re.compile(r"datasets--(.+)")


def find_snapshot(repo_id: str, home: Path) -> Path | None:
    """Return the folder of a dataset's newest revision in a cache; None if there is none with metadata.

    The newest is the one that was fetched, or named by a branch or tag, last.
    """
    if not _ID.fullmatch(repo_id):
        return None
    folder = home / "hub" / f"datasets--{repo_id.replace('/', '--')}"
    named = dict(_read_refs(folder))
    found = [(_last_touch(path, named), path.name, path) for path in _list_snapshots(folder)]
    return max(found)[2] if found else None


def _list_snapshots(folder: Path) -> Iterator[Path]:
    with suppress(OSError):
        for path in (folder / "snapshots").iterdir():
            if (path / "meta/info.json").is_file():
                yield path


def _read_refs(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield each commit that a branch or tag names, and when that was written; the last of a commit last."""
    with suppress(OSError):
        refs = [path for path in (folder / "refs").rglob("*") if path.is_file()]
        for path in sorted(refs, key=lambda path: path.stat().st_mtime_ns):
            yield path.read_text(encoding="utf-8", errors="replace").strip(), path.stat().st_mtime_ns


def _last_touch(snapshot: Path, named: dict[str, int]) -> int:
    return max(named.get(snapshot.name, 0), snapshot.stat().st_mtime_ns)


def is_snapshot(root: Path) -> bool:
    """Return whether a dataset's folder is a revision in a cache, which nobody may write into."""
    return root.parent.name == "snapshots" and _FOLDER.fullmatch(root.parents[1].name) is not None


def name_dataset(root: Path) -> str:
    """Return the name of a dataset by its folder; that of a revision is a commit, and its repo has a name."""
    found = _FOLDER.fullmatch(root.parents[1].name) if is_snapshot(root) else None
    return found[1].rpartition("--")[2] if found else root.name


def holds_file(root: Path, file: Path) -> bool:
    """Return whether a file lies in a dataset's folder, links followed; in a cache they lead to its blobs."""
    real, folder = file.resolve(), root.resolve()
    if is_snapshot(folder) and real.is_relative_to(folder.parents[1] / "blobs"):
        return True
    return real.is_relative_to(folder)

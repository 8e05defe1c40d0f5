"""What systems and editors leave among the files of a dataset, and what never belongs to one."""

import re
from pathlib import Path

# Of macOS on other disks, of Windows, and of editors.
_CLUTTER = re.compile(r"\._.*|\.DS_Store|Thumbs\.db|desktop\.ini|.*~|#.*#|\..*\.sw[a-z]")


def is_clutter(name: str) -> bool:
    """Return whether a file or folder of this name was left by a system or an editor."""
    return _CLUTTER.fullmatch(name) is not None


def glob_files(root: Path, pattern: str) -> list[Path]:
    """Return what lies below `root` and matches a pattern, sorted, without clutter."""
    found = (path for path in root.glob(pattern) if not _is_among_clutter(path, root))
    return sorted(found)


def _is_among_clutter(path: Path, root: Path) -> bool:
    return any(map(is_clutter, path.relative_to(root).parts))

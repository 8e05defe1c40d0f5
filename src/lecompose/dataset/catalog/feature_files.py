"""What the files of a dataset tell of its features: types, sizes and pictures.

The first data file and the first video of a camera stand for all; `check` compares the others with them.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from lecompose import formats
from lecompose.dataset.catalog.hub_cache import holds_file
from lecompose.dataset.column_types import dtype_and_sizes
from lecompose.errors import ComposeError, SourceBroken
from lecompose.files.parquet.damage import reading_parquet
from lecompose.files.parquet.schema_cache import read_schema
from lecompose.files.picture_header import PictureHeader, read_picture_header

# A file that cannot be read tells nothing; the next ones are tried.
_MOST_FILES = 8
_MOST_ROWS = 64
_BUFFER_BYTES = 2**16
# Pixel formats of one channel; of those with more bits than a picture for the eye has, depths.
_GRAY, _DEPTH_GRAYS = "gray", ("gray9", "gray10", "gray12", "gray14", "gray16", "grayf")


@dataclass(frozen=True)
class Pictures:
    """What the first file of a camera says of its pictures; the codec and the pixel format only videos have.

    `channels` is None where readers may give one or three of the same picture.
    """

    height: int
    width: int
    channels: int | None
    is_depth: bool | None
    codec: str | None = None
    pix_fmt: str | None = None
    fps: float | None = None


@dataclass(frozen=True)
class FeatureFiles:
    """The data and video files of a dataset, as its info.json leads to them."""

    root: Path
    version: str
    info: Mapping[str, Any]

    @cached_property
    def schema(self) -> pa.Schema | None:
        """The columns of the first data file that can be read; None without one."""
        return None if self._first is None else self._first[1]

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [] if self.schema is None else self.schema.names

    def impossible_type(self, name: str) -> str | None:
        """Return the type of a column that no feature can have; None for another, or without the column."""
        if name not in self.names or self.schema is None:
            return None
        kind = self.schema.field(name).type
        if pa.types.is_null(kind):
            return "nothing but nulls"
        return None if dtype_and_sizes(kind) else str(kind)

    @cached_property
    def _first(self) -> tuple[Path, pa.Schema] | None:
        usual = formats.usual_data_path(self.version)
        for path in self._files(self.info.get("data_path"), usual, "*"):
            with suppress(ComposeError, OSError), reading_parquet(path):
                return path, read_schema(str(path))
        return None

    def held(self, name: str) -> tuple[str, list[int] | None] | None:
        """Return the dtype and the shape of a feature by its column or its videos.

        None where nothing tells.
        """
        if self.schema is not None and name in self.schema.names:
            kind = self.schema.field(name).type
            found = dtype_and_sizes(kind)
            return dtype_and_sizes(kind, self._first_value(name)) if found and found[1] is None else found
        return ("video", None) if self._first_video(name) is not None else None

    def is_language(self, name: str) -> bool:
        """Return whether a column has rows of language: structs with a role and a content, or none yet."""
        if name not in self.names or self.schema is None:
            return False
        kind = self.schema.field(name).type
        if not pa.types.is_list(kind):
            return False
        row = kind.value_type
        is_said = pa.types.is_struct(row) and {"role", "content"} <= {part.name for part in row}
        return is_said or pa.types.is_null(row)

    def pictures(self, name: str, dtype: str) -> Pictures | None:
        """Return what a camera's pictures are like; None where no file tells."""
        return self._of_video(name) if dtype == "video" else self._of_image(name)

    def _of_video(self, name: str) -> Pictures | None:
        from lecompose.files import mp4  # a dataset without videos does without

        path = self._first_video(name)
        if path is None:
            return None
        with suppress(ComposeError):
            video = mp4.probe(path)
            gray = (video.pix_fmt or "").startswith(_GRAY)
            is_depth = video.pix_fmt.startswith(_DEPTH_GRAYS) if video.pix_fmt else None
            channels = (1 if is_depth else None) if gray or not video.pix_fmt else 3
            return Pictures(
                video.height, video.width, channels, is_depth, video.codec, video.pix_fmt, float(video.fps)
            )
        return None

    def _of_image(self, name: str) -> Pictures | None:
        header = self._first_header(name)
        if header is None:
            return None
        return Pictures(
            header.height, header.width, header.channels, header.channels == 1 and header.bits > 8
        )

    def _first_header(self, name: str) -> PictureHeader | None:
        value = self._first_value(name)
        if not isinstance(value, dict):
            return None
        content, path = value.get("bytes"), value.get("path")
        if content is None and isinstance(path, str):
            with suppress(OSError, ValueError):
                file = self.root / path
                content = file.read_bytes() if holds_file(self.root, file) and file.is_file() else None
        return read_picture_header(content) if isinstance(content, bytes) else None

    def _first_value(self, name: str) -> Any:
        """Return what the first of some rows holds that is not empty."""
        import pyarrow.parquet as pq

        if self._first is None or self.schema is None or name not in self.schema.names:
            return None
        path = self._first[0]
        with (
            suppress(SourceBroken),
            reading_parquet(path),
            pq.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False) as file,
        ):
            for rows in islice(file.iter_batches(1, columns=[name], use_threads=False), _MOST_ROWS):
                if value := rows.column(name)[0].as_py():
                    return value
        return None

    def _first_video(self, name: str) -> Path | None:
        usual = formats.usual_video_path(self.version)
        return next(self._files(self.info.get("video_path"), usual, name), None)

    def _files(self, template: object, usual: str, name: str) -> Iterator[Path]:
        """Yield files that a path template leads to, the first one first."""
        for each in dict.fromkeys((template if isinstance(template, str) else usual, usual)):
            with suppress(SourceBroken, ValueError, IndexError, KeyError, OSError):
                formats.path_glob(each)  # it leads out of the dataset, or prints more than a number
                zeros = dict.fromkeys(("chunk_index", "file_index", "episode_chunk", "episode_index"), 0)
                first = self.root / each.format(video_key=name, **zeros)
                if first.is_file():
                    yield first
                pattern = formats.path_glob(each.replace("{video_key}", _literal(name)))
                yield from sorted(path for path in self.root.glob(pattern) if path != first)[:_MOST_FILES]


def _literal(name: str) -> str:
    return name.replace("{", "{{").replace("}", "}}")

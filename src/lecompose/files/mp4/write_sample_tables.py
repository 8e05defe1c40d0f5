"""Write the boxes of a new mp4 around one video track: `ftyp`, `moov` with its sample table, `mdat` header.

Source: ISO/IEC 14496-12 §4.3 (ftyp), §8; the timestamp rule of `concat`.
"""

import struct
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lecompose.files.mp4.boxes import build_box, build_full_box
from lecompose.files.mp4.read_sample_tables import Ints
from lecompose.files.mp4.sample_description import SampleDescription
from lecompose.files.mp4.track import IDENTITY

_UNDETERMINED = 0x55C4
_TRACK_ID = 1


@dataclass(frozen=True)
class Movie:
    """Everything that the boxes say: samples in decode order, frame k shown at k / fps.

    `ranks` are the places of the samples in display order, `keys` the numbers of the keyframes. Display runs
    `delay` frames behind decoding: at least what the ranks need.
    """

    entry: SampleDescription
    matrix: bytes
    display: bytes
    fps: Fraction
    sizes: Ints
    ranks: Ints
    keys: Ints
    delay: int


def choose_time_scale(fps: Fraction) -> tuple[int, int]:
    """Return ticks per second and ticks per frame: the smallest doubling of the rate that reaches 10,000.

    Source: the numbers that FFmpeg picks by itself, so that both writers give equal tables.
    """
    if fps <= 0:
        raise ValueError(f"a frame rate has to be positive, not {fps}")
    scale, tick = fps.numerator, fps.denominator
    while scale < 10_000:
        scale, tick = 2 * scale, 2 * tick
    return scale, tick


def measure_reorder_depth(ranks: Ints) -> int:
    """Return how many frames display must run behind decoding so that no frame is shown too early."""
    return max(0, int((np.arange(len(ranks)) - ranks).max()))


def build_head(movie: Movie) -> bytes:
    """Return everything that stands before the media bytes in the file."""
    media_bytes = int(movie.sizes.sum())
    ftyp = _ftyp(movie.entry)
    # Whether offsets need 64 bits depends on the size of the head, which depends on that: be generous.
    wide = media_bytes + 64 * len(movie.sizes) + (1 << 20) >= 1 << 32
    mdat = _mdat(media_bytes)
    at = len(ftyp) + len(_moov(movie, 0, wide=wide)) + len(mdat)
    return ftyp + _moov(movie, at, wide=wide) + mdat


def _ftyp(entry: SampleDescription) -> bytes:
    codec = {"av1": b"av01", "h264": b"avc1"}.get(entry.codec, b"")
    return build_box(b"ftyp", b"isom", struct.pack(">I", 512), b"isom", b"iso2", codec, b"mp41")


def _mdat(media_bytes: int) -> bytes:
    if media_bytes + 8 < 1 << 32:
        return struct.pack(">I4s", media_bytes + 8, b"mdat")
    return struct.pack(">I4sQ", 1, b"mdat", media_bytes + 16)


def _moov(movie: Movie, media_at: int, *, wide: bool) -> bytes:
    scale, tick = choose_time_scale(movie.fps)
    length = len(movie.sizes) * tick
    trak = build_box(
        b"trak",
        _tkhd(movie, length),
        build_box(b"edts", _elst(length, movie.delay * tick)),
        build_box(
            b"mdia",
            _mdhd(scale, length),
            build_full_box(b"hdlr", 0, 0, bytes(4), b"vide", bytes(12), b"VideoHandler\0"),
            build_box(
                b"minf",
                build_full_box(b"vmhd", 0, 1, bytes(8)),
                build_box(
                    b"dinf",
                    build_full_box(b"dref", 0, 0, struct.pack(">I", 1), build_full_box(b"url ", 0, 1)),
                ),
                _stbl(movie, tick, media_at, wide=wide),
            ),
        ),
    )
    return build_box(b"moov", _mvhd(scale, length), trak)


def _build_dates(scale_or_id: bytes, length: int) -> tuple[int, bytes]:
    """Return version, creation time, modification time and length.

    The times are 0, so that equal input gives equal bytes.
    """
    if length < 1 << 32:
        return 0, bytes(8) + scale_or_id + struct.pack(">I", length)
    return 1, bytes(16) + scale_or_id + struct.pack(">Q", length)


def _mvhd(scale: int, length: int) -> bytes:
    version, dates = _build_dates(struct.pack(">I", scale), length)
    speed_volume = struct.pack(">IH10x", 1 << 16, 1 << 8)
    return build_full_box(
        b"mvhd", version, 0, dates, speed_volume, IDENTITY, bytes(24), struct.pack(">I", _TRACK_ID + 1)
    )


def _tkhd(movie: Movie, length: int) -> bytes:
    version, dates = _build_dates(struct.pack(">II", _TRACK_ID, 0), length)
    return build_full_box(b"tkhd", version, 3, dates, bytes(16), movie.matrix, movie.display)


def _mdhd(scale: int, length: int) -> bytes:
    version, dates = _build_dates(struct.pack(">I", scale), length)
    return build_full_box(b"mdhd", version, 0, dates, struct.pack(">HH", _UNDETERMINED, 0))


def _elst(length: int, media_time: int) -> bytes:
    version, form = (0, ">IIiI") if length < 1 << 32 else (1, ">IQqI")
    return build_full_box(b"elst", version, 0, struct.pack(form, 1, length, media_time, 1 << 16))


def _stbl(movie: Movie, tick: int, media_at: int, *, wide: bool) -> bytes:
    count = len(movie.sizes)
    return build_box(
        b"stbl",
        build_full_box(b"stsd", 0, 0, struct.pack(">I", 1), movie.entry.box),
        build_full_box(b"stts", 0, 0, struct.pack(">III", 1, count, tick)),
        b"" if len(movie.keys) == count else build_full_box(b"stss", 0, 0, _build_table(movie.keys + 1)),
        _ctts(movie, tick),
        *_chunks(movie, media_at, wide=wide),
        build_full_box(b"stsz", 0, 0, bytes(4), _build_table(movie.sizes)),
    )


def _build_table(*columns: Ints) -> bytes:
    """Return a row count, then the rows as 32-bit numbers."""
    return struct.pack(">I", len(columns[0])) + np.stack(columns, axis=1).astype(">u4").tobytes()


def _ctts(movie: Movie, tick: int) -> bytes:
    late = (movie.ranks - np.arange(len(movie.ranks)) + movie.delay) * tick
    if not late.any():
        return b""
    starts = np.concatenate((np.zeros(1, np.int64), np.flatnonzero(np.diff(late)) + 1))
    return build_full_box(b"ctts", 0, 0, _build_table(np.diff(np.append(starts, len(late))), late[starts]))


def _chunks(movie: Movie, media_at: int, *, wide: bool) -> tuple[bytes, bytes]:
    """Return `stsc` and `stco`: one chunk per second, which players of large files read as one."""
    count, each = len(movie.sizes), max(1, round(movie.fps))
    firsts = np.arange(0, count, each)
    starts = media_at + (np.cumsum(movie.sizes) - movie.sizes)[firsts]
    rest = count - int(firsts[-1])
    runs = [(1, each, 1)] if len(firsts) > 1 or rest == each else []
    if rest != each:
        runs.append((len(firsts), rest, 1))
    stsc = build_full_box(b"stsc", 0, 0, _build_table(*np.array(runs, np.int64).T))
    if not wide:
        return stsc, build_full_box(b"stco", 0, 0, _build_table(starts))
    return stsc, build_full_box(b"co64", 0, 0, struct.pack(">I", len(starts)), starts.astype(">u8").tobytes())

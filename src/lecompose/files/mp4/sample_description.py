"""Read sample descriptions (`stsd` entries): codec, pixel format, and what must agree to share one file.

Source: ISO/IEC 14496-12 §8.5.2, 14496-14 (esds), 14496-15 (avcC, hvcC); the AV1 and VP9 bindings.
"""

import hashlib
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lecompose.files.mp4.boxes import BoxError, build_box, printable_kind, walk_children
from lecompose.files.mp4.nal_units import (
    SYNTAX,
    SetKey,
    hash_parameter_set,
    parse_configuration,
    parse_hevc_arrays,
    parse_set_key,
)

_CODECS: Mapping[bytes, str] = {
    b"av01": "av1",
    b"avc1": "h264",
    b"avc3": "h264",
    b"hvc1": "hevc",
    b"hev1": "hevc",
    b"vp08": "vp8",
    b"vp09": "vp9",
    b"png ": "png",
    b"jpeg": "mjpeg",
    b"mjpa": "mjpeg",
    b"mjpb": "mjpeg",
    b"FFV1": "ffv1",
    b"vvc1": "vvc",
    b"vvi1": "vvc",
    b"apch": "prores",
    b"apcn": "prores",
    b"apcs": "prores",
    b"apco": "prores",
    b"ap4h": "prores",
    b"ap4x": "prores",
}
_ESDS_CODECS: Mapping[int, str] = {
    0x20: "mpeg4",
    0x21: "h264",
    0x6A: "mpeg1video",
    0x6C: "mjpeg",
    0x6D: "png",
}
_FIXED_BYTES = 78
_HINTS = (b"btrt", b"free", b"skip")
# Field order alone does not change how samples decode.
_UNSIGNED = (*_HINTS, b"fiel")
_HEVC_SEI = (39, 40)


@dataclass(frozen=True)
class SampleDescription:
    """One sample description, ready to be written again.

    `box` is the entry without bit-rate hints; `sets` are its parameter sets' digests by key.
    """

    codec: str
    width: int
    height: int
    pix_fmt: str | None
    box: bytes
    signature: bytes
    length_bytes: int
    sets: Mapping[SetKey, bytes]


def read_sample_description(fourcc: bytes, body: memoryview, matrix: bytes) -> SampleDescription:
    """Return the sample description of type `fourcc` in `body`, of a track shown through `matrix`.

    Raises:
        BoxError: if it is cut, or the track is encrypted.
    """
    if len(body) < _FIXED_BYTES:
        raise BoxError(f"sample description {printable_kind(fourcc)} is cut")
    if fourcc == b"encv":
        raise BoxError("the video is encrypted")
    inner = [(kind, bytes(content)) for kind, content in walk_children(body, _FIXED_BYTES)]
    width, height = struct.unpack_from(">HH", body, 24)
    boxes = dict(reversed(inner))
    codec = _find_codec(fourcc, boxes)
    length_bytes, units = _read_parameter_sets(codec, boxes)
    return SampleDescription(
        codec=codec,
        width=width,
        height=height,
        pix_fmt=_find_pix_fmt(codec, boxes),
        box=_rebuild(fourcc, body, inner),
        signature=_hash_signature((fourcc, bytes(body[24:28]), matrix), inner),
        length_bytes=length_bytes,
        sets={parse_set_key(unit, SYNTAX[codec]): hash_parameter_set(unit) for unit in units},
    )


def _find_codec(fourcc: bytes, boxes: Mapping[bytes, bytes]) -> str:
    if fourcc == b"mp4v":
        kind = next(
            (content[0] for tag, content in _walk_descriptors(boxes.get(b"esds", b"")) if tag == 4), 0x20
        )
        return "mpeg2video" if 0x60 <= kind <= 0x65 else _ESDS_CODECS.get(kind, f"mp4v-{kind:02x}")
    return _CODECS.get(fourcc, printable_kind(fourcc).strip().lower())


def _read_parameter_sets(codec: str, boxes: Mapping[bytes, bytes]) -> tuple[int, tuple[bytes, ...]]:
    config = boxes.get(b"avcC" if codec == "h264" else b"hvcC", b"")
    if codec not in SYNTAX:
        return 0, ()
    length_bytes, units = parse_configuration(config, codec)
    syntax = SYNTAX[codec]
    return length_bytes, tuple(unit for unit in units if unit and syntax.kind(unit[0]) in syntax.sets)


def _rebuild(fourcc: bytes, body: memoryview, inner: list[tuple[bytes, bytes]]) -> bytes:
    # Data reference 1 is the file itself, the only one that we write.
    fixed = bytes(body[:6]) + b"\0\1" + bytes(body[8:_FIXED_BYTES])
    return build_box(
        fourcc, fixed, *(build_box(kind, content) for kind, content in inner if kind not in _HINTS)
    )


def _hash_signature(fixed: tuple[bytes, ...], inner: list[tuple[bytes, bytes]]) -> bytes:
    kept = sorted((kind, _reduce(kind, content)) for kind, content in inner if _matters(kind, content))
    whole = hashlib.blake2b(digest_size=16)
    for part in (*fixed, *(part for pair in kept for part in pair)):
        whole.update(struct.pack(">I", len(part)) + part)
    return whole.digest()


def _matters(kind: bytes, content: bytes) -> bool:
    """Return whether a box says anything about how samples decode and are shown."""
    if kind == b"pasp" and len(content) == 8:
        return content[:4] != content[4:]  # square pixels are what its absence means
    return kind not in _UNSIGNED


def _reduce(kind: bytes, content: bytes) -> bytes:
    """Return `content` without what may differ between files that one decoder state can play."""
    if kind == b"esds":
        return b"".join(inner for tag, inner in _walk_descriptors(content) if tag == 5)
    if kind == b"hvcC" and len(content) >= 23:
        arrays = (
            (first, units) for first, units in _read_hevc_arrays(content) if first & 0x3F not in _HEVC_SEI
        )
        return content[:22] + repr(list(arrays)).encode()
    return content


def _read_hevc_arrays(content: bytes) -> list[tuple[int, list[bytes]]]:
    try:
        return parse_hevc_arrays(content)
    except (IndexError, struct.error) as error:
        raise BoxError("hevc configuration is cut") from error


def _walk_descriptors(esds: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of the MPEG-4 descriptors in an `esds` body, outer ones first.

    Source: ISO/IEC 14496-1 §7.2.6; 3 = ES (3 fixed bytes), 4 = decoder configuration (13), 5 = its specifics.
    """
    data, at = esds, 4
    while at + 2 <= len(data):
        tag, length, at = data[at], 0, at + 1
        while at < len(data):
            length, more, at = length << 7 | data[at] & 0x7F, data[at] & 0x80, at + 1
            if not more:
                break
        yield tag, data[at : at + length]
        at += {3: 3, 4: 13}.get(tag, length)


def _find_pix_fmt(codec: str, boxes: Mapping[bytes, bytes]) -> str | None:
    """Return FFmpeg's name for the pixel format if the configuration tells it, else None."""
    if codec == "av1" and len(config := boxes.get(b"av1C", b"")) >= 3:
        depth = 8 + 2 * (config[2] >> 6 & 1) * (1 + (config[2] >> 5 & 1))
        chroma = {0b00: 3, 0b10: 2, 0b11: 1}.get(config[2] >> 2 & 3)
        return _name_format(0 if config[2] >> 4 & 1 else chroma, depth)
    if codec == "hevc" and len(config := boxes.get(b"hvcC", b"")) >= 18:
        return _name_format(config[16] & 3, 8 + (config[17] & 7), full_range=_is_full_range(boxes))
    if codec == "vp9" and len(config := boxes.get(b"vpcC", b"")) >= 7:
        return _name_format((1, 1, 2, 3)[config[6] >> 1 & 3], config[6] >> 4)
    if codec == "h264" and len(config := boxes.get(b"avcC", b"")) >= 7:
        return _find_avc_pix_fmt(config, full_range=_is_full_range(boxes))
    return "yuv420p" if codec == "mpeg4" else None


def _find_avc_pix_fmt(config: bytes, *, full_range: bool) -> str | None:
    if config[1] in (66, 77, 88):
        return _name_format(1, 8, full_range=full_range)
    tail = 7 + sum(2 + len(unit) for unit in parse_configuration(config, "h264")[1])
    if config[1] not in (100, 110, 122) or len(config) < tail + 3 or config[tail] & 3 == 0:
        return None
    return _name_format(config[tail] & 3, 8 + (config[tail + 1] & 7), full_range=full_range)


def _name_format(chroma: int | None, depth: int, *, full_range: bool = False) -> str | None:
    """Return the name of a pixel format; None for 4:4:4, because that may hold RGB as well.

    Units: chroma is 0 for gray, 1 for 4:2:0, 2 for 4:2:2; depth is in bits.
    """
    if chroma not in (0, 1, 2):
        return None
    letter = "j" if full_range and depth == 8 else ""
    plain = "gray" if chroma == 0 else f"yuv{letter}42{(None, 0, 2)[chroma]}p"
    return plain if depth == 8 else f"{plain}{depth}le"


def _is_full_range(boxes: Mapping[bytes, bytes]) -> bool:
    colour = boxes.get(b"colr", b"")
    return len(colour) >= 11 and colour[:4] == b"nclx" and bool(colour[10] & 0x80)

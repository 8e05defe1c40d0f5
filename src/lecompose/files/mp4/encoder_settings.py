"""Choose how the pictures of a video are encoded again: its own codec and format, its dataset's settings.

Every encoding gives closed groups of pictures without reordering, so that the result can be cut and
joined at each keyframe; and headers that do not depend on quality, so that all results may share a file.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from lecompose.files.mp4.choose_samples import load_keyframes
from lecompose.files.mp4.errors import media_error
from lecompose.files.mp4.ffmpeg import PictureFormat, list_pixel_formats, read_picture_format
from lecompose.files.mp4.video import Video

Options = Mapping[str, str]

_CRF_STEP = 6
# LeRobot records with SVT-AV1's 12, which cannot come near enough to a source at any quality (measured:
# 39.8 dB at the finest, 47.8 dB with 8). Nothing in the stream tells a preset.
_FASTEST = 8
_LONGEST_GOP = 250


@dataclass(frozen=True)
class _Encoder:
    """An encoder of FFmpeg. `params` names the option for its private settings, `own` what they must say."""

    name: str
    crf: float | None
    params: str = ""
    own: str = ""
    threads: str = ""
    lossless: str = ""
    presets: tuple[type, ...] = ()
    usual: tuple[tuple[str, str], ...] = ()


_ENCODERS: Mapping[str, _Encoder] = {
    # Without `stitchable` the headers hold the quality. With `mbtree` x264 gives other bytes now and then: of
    # pictures of 96×96, one time in two under load (measured), whatever the number of threads.
    "h264": _Encoder(
        "libx264",
        18,
        "x264-params",
        "stitchable=1:open-gop=0:bframes=0",
        lossless="qp=0",
        presets=(str, int),
        usual=(("mbtree", "0"),),
    ),
    "hevc": _Encoder(
        "libx265",
        20,
        "x265-params",
        "log-level=none:open-gop=0:bframes=0",
        threads="pools={n}",
        lossless="lossless=1",
        presets=(str, int),
    ),
    "av1": _Encoder(
        "libsvtav1",
        24,
        "svtav1-params",
        threads="lp={n}",
        lossless="lossless=1",
        presets=(int,),
        usual=(("preset", "8"),),
    ),
    "vp9": _Encoder("libvpx-vp9", 24, usual=(("b", "0"), ("deadline", "good"), ("cpu-used", "4"))),
    "mpeg4": _Encoder("mpeg4", None, usual=(("b", "50M"),)),
}


@dataclass(frozen=True)
class Encoding:
    """How to encode: `options` without the quality; `qualities` are to be tried in turn.

    What encodings of one `compat_key` make may share a file. What is made `in_front` has the source's own
    sample description instead, so that the source's packets may follow it.
    """

    encoder: str
    fourcc: str
    picture_format: PictureFormat
    options: Options
    qualities: tuple[Options, ...]
    lossless: bool
    compat_key: str
    in_front: bool = False

    def build_settings(self, quality: Options, *, threads: int) -> dict[str, str]:
        """Return all options for FFmpeg, for `threads` threads."""
        kind = next(kind for kind in _ENCODERS.values() if kind.name == self.encoder)
        own = {"threads": str(threads)} if not kind.threads else {}
        parts = [
            self.options.get(kind.params, ""),
            quality.get(kind.params, ""),
            kind.threads.format(n=threads),
        ]
        if joined := ":".join(part for part in parts if part):
            own[kind.params] = joined
        return {**self.options, **quality, **own}


def choose_encoding(video: Video, said: Mapping[str, Any], *, lossless: bool = False) -> Encoding:
    """Return how to encode frames of `video` again; `said` is what info.json says about the camera.

    Raises:
        MediaError: if FFmpeg has no encoder for the codec or its pixel format.
    """
    kind = _ENCODERS.get(video.codec)
    formats = list_pixel_formats(kind.name) if kind else None
    if kind is None or formats is None:
        raise media_error(f"no encoder for {video.codec} video here", video.path)
    picture_format = read_picture_format(video.track.path)
    if picture_format.pix_fmt not in formats:
        raise media_error(f"{kind.name} cannot encode {picture_format.pix_fmt} pictures", video.path)
    if lossless and not (kind.lossless or kind.name == "libvpx-vp9"):
        raise media_error(f"{kind.name} cannot encode depth without loss", video.path)
    # Settings of another codec say nothing about this one.
    said = said if said.get("video.codec") in (None, video.codec) else {}
    options = _build_options(kind, said, lossless=lossless) | {"g": str(_choose_gop(video, said))}
    fourcc = video.track.descriptions[0].box[4:8].decode("latin-1")
    return Encoding(
        encoder=kind.name,
        fourcc=fourcc,
        picture_format=picture_format,
        options=options,
        qualities=({},) if lossless else tuple(_list_qualities(kind, said)),
        lossless=lossless,
        compat_key=_hash_compat_key(video, picture_format, fourcc, options),
    )


def _build_options(kind: _Encoder, said: Mapping[str, Any], *, lossless: bool) -> dict[str, str]:
    """Return the options without quality and group length. Source: LeRobot 0.6.1, `get_codec_options`."""
    options = {key: str(value) for key, value in (said.get("video.extra_options") or {}).items()}
    options |= dict(kind.usual) | {"bf": "0"}
    preset = said.get("video.preset")
    if isinstance(preset, kind.presets) and not isinstance(preset, bool):
        options["preset"] = str(min(preset, _FASTEST) if isinstance(preset, int) else preset)
    parts = [options.get(kind.params, ""), kind.own, kind.lossless if lossless else ""]
    if fast := said.get("video.fast_decode"):
        if kind.name == "libsvtav1":
            parts.append(f"fast-decode={fast}")
        elif kind.params:
            options["tune"] = "fastdecode"
    if kind.params and any(parts):
        options[kind.params] = ":".join(part for part in parts if part)
    if lossless and not kind.lossless:
        options["lossless"] = "1"
    return options


def _choose_gop(video: Video, said: Mapping[str, Any]) -> int:
    """Return the frames between keyframes: what info.json says, or else what the video mostly does."""
    gop = said.get("video.g")
    if isinstance(gop, int) and gop > 0:
        return gop
    steps = np.diff(load_keyframes(video).samples)
    return int(np.median(steps)) if len(steps) else min(video.frames, _LONGEST_GOP)


def _list_qualities(kind: _Encoder, said: Mapping[str, Any]) -> Iterator[Options]:
    """Yield the quality that info.json says, or else a high one; then better ones."""
    if kind.crf is None:
        # FFmpeg's own encoders know quantisers: 2 is what is called visually lossless, 1 the finest.
        yield from ({"qmin": q, "qmax": q} for q in ("2", "1"))
        return
    crf = said.get("video.crf")
    crf = crf if isinstance(crf, int | float) and crf > 0 else kind.crf
    fine = min(kind.crf, crf - 2 * _CRF_STEP)
    # 0 would be another profile, and so another header.
    tries = (crf, crf - _CRF_STEP, fine, fine - _CRF_STEP, fine - 2 * _CRF_STEP, 1)
    yield from ({"crf": f"{each:g}"} for each in dict.fromkeys(max(1, each) for each in tries))


def _hash_compat_key(video: Video, picture_format: PictureFormat, fourcc: str, options: Options) -> str:
    """Return a key that is equal for all that may share a file.

    Group length and quality are not in the headers. But whether every frame is a keyframe is: x264 and x265
    then declare another profile.
    """
    kept = sorted((name, value) for name, value in options.items() if name != "g" or value == "1")
    told = repr((fourcc, astuple(picture_format), kept, video.track.matrix, video.track.display))
    return f"encoded/{hashlib.blake2b(told.encode(), digest_size=16).hexdigest()}"

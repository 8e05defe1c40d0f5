"""Choose how frames are encoded that are to stand in front of a video's own packets, in one track.

H.264 and HEVC decode with the parameter sets of the sample description, the same ones for all. So settings
are tried until an encoder gives sets that are equal bit for bit; one picture is enough to tell, whatever it
shows. No guess is trusted: without equal sets there is no such encoding. AV1 brings its header along.
"""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from lecompose.errors import ComposeError
from lecompose.files.mp4.choose_samples import load_keyframes
from lecompose.files.mp4.encode_segment import encode_blank, has_equal_sets
from lecompose.files.mp4.encoder_settings import Encoding, Options, choose_encoding
from lecompose.files.mp4.nal_units import SYNTAX, read_first_kinds
from lecompose.files.mp4.video import Video, probe

# x264 and x265 write what they were told into the first picture, in plain text.
_SETTINGS = re.compile(rb"x264 - core .{0,200}? options: ([\x20-\x7e]+)")
_SEI = 6
_SEI_TRIED = 8
_SEI_BYTES = 4096
# What FFmpeg or x264 makes of others, what it prints in another form than it reads, and threads.
_NOT_GIVEN_BACK = frozenset(
    (
        *("threads", "lookahead_threads", "sliced_threads", "analyse", "psy_rd", "chroma_qp_offset"),
        *("mbtree", "aq", "rc", "cqm", "deadzone", "direct", "fgo"),
    )
)
# The quality of pictures without a word of it in the sets, which hold that of the source.
_QUANTISERS = (12, 6, 1)
_X265_PRESETS = ("medium", "ultrafast", "superfast", "veryfast", "slow", "slower", "veryslow")
_TRIED_BFRAMES = ("0", "4")


@dataclass
class HeadSettings:
    """Finds encodings for heads, each only once. Tries encoders in `scratch`, at the output's `fps`."""

    scratch: Path
    fps: Fraction
    _known: dict[tuple[Any, ...], Encoding | None] = field(default_factory=dict)

    def find(self, video: Video, said: Mapping[str, Any], *, lossless: bool = False) -> Encoding | None:
        """Return how frames of `video` are encoded to stand in front of others of it; None if it cannot be.

        `said` is what info.json says about the camera.
        """
        try:
            how = choose_encoding(video, said, lossless=lossless)
        except ComposeError:
            return None
        how = replace(how, in_front=True)
        if video.codec == "av1":
            return how
        candidates = tuple(_list_candidates(video, how))
        key = (video.track.descriptions[0].box, how.picture_format, tuple(map(repr, candidates)))
        if key not in self._known:
            fits = (each for each in candidates if self._is_equal(video, each))
            self._known[key] = next(fits, None)
        return self._known[key]

    def _is_equal(self, video: Video, how: Encoding) -> bool:
        """Return whether an encoder gives the parameter sets of `video`, with every quality."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            out = Path(folder) / "blank.mp4"
            for quality in how.qualities:
                try:
                    encode_blank(how, quality, out, fps=self.fps, known_as=video.path)
                    if not has_equal_sets(probe(out), video):
                        return False
                except ComposeError:
                    return False
        return True


def _list_candidates(video: Video, how: Encoding) -> Iterator[Encoding]:
    if video.codec == "hevc":
        yield from _list_hevc(how)
    elif not how.lossless:
        for text in dict.fromkeys(_read_settings(video)):
            params = give_back_settings(text)
            yield replace(how, options={"x264-params": params}, qualities=_raise_quality())
        yield how  # what we encoded ourselves
        if "crf" in how.qualities[0]:
            own = {name: value for name, value in how.options.items() if name in ("g", "preset", "tune")}
            crf = {"crf": how.qualities[0]["crf"]}
            for more in ({"bf": "0"}, {}):
                yield replace(how, options=own | crf | more, qualities=_raise_quality())


def _raise_quality() -> tuple[Options, ...]:
    return tuple({"x264-params": f"zones=0,1000000,q={q}"} for q in _QUANTISERS)


def _list_hevc(how: Encoding) -> Iterator[Encoding]:
    params = how.options.get("x265-params", "")
    own = {name: value for name, value in how.options.items() if name != "bf"}
    usual = [how.options["preset"]] if "preset" in how.options else []
    for bframes in _TRIED_BFRAMES:
        for preset in dict.fromkeys((*usual, *_X265_PRESETS)):
            text = f"{params}:bframes={bframes}"
            yield replace(how, options=own | {"preset": preset, "x265-params": text})


def _read_settings(video: Video) -> Iterator[str]:
    """Yield what x264 says in the first keyframes that say anything: files may hold several recordings."""
    track, keys = video.track, load_keyframes(video).samples
    offsets, sizes = track.offsets()[keys], track.sizes[keys]
    fd = os.open(track.path, os.O_RDONLY)
    try:
        kinds = read_first_kinds(fd, offsets, sizes, track.descriptions[0].length_bytes, SYNTAX["h264"])
        for n in np.flatnonzero(kinds == _SEI)[:_SEI_TRIED].tolist():
            found = _SETTINGS.search(os.pread(fd, min(int(sizes[n]), _SEI_BYTES), int(offsets[n])))
            if found:
                yield found[1].decode("ascii")
    finally:
        os.close(fd)


def give_back_settings(text: str) -> str:
    """Return what x264 printed as its settings in the form in which FFmpeg takes them."""
    given = []
    for word in text.split():
        name, _, value = word.partition("=")
        if name == "deblock":  # printed as on:alpha:beta
            on, _, strengths = value.partition(":")
            given.append(f"deblock={strengths.replace(':', ',')}" if on == "1" else "no-deblock=1")
        elif name not in _NOT_GIVEN_BACK and value and ":" not in value:
            given.append(f"{name}={value}")
    return ":".join(given)

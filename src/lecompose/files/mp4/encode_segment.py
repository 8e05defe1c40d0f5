"""Encode frames of a video again: decode them one by one, encode, and compare with what they were."""

import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lecompose.files.mp4.choose_samples import probe_clip
from lecompose.files.mp4.concat_segments import Segment, concat
from lecompose.files.mp4.encoder_settings import Encoding, Options
from lecompose.files.mp4.errors import media_error
from lecompose.files.mp4.ffmpeg import (
    create_scratch_file,
    open_video,
    translate_disk_errors,
    translate_ffmpeg_errors,
)
from lecompose.files.mp4.thread_priority import keep_thread_priority
from lecompose.files.mp4.track import IDENTITY
from lecompose.files.mp4.video import Video, probe

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# The next better quality is tried below this; above it nobody sees the difference. And below this for the
# worst picture of all.
_GOOD_DB = 42.0
_GOOD_PICTURE_DB = 40.0

OnFrame = Callable[[], None]


@dataclass(frozen=True)
class EncodedVideo:
    """A new video of the wanted frames, and nothing else.

    `psnr_db` is that of all pixels together, infinite if every pixel is what it was; `worst_db` that of the
    picture that lost most, as far as it is known.
    """

    video: Video
    psnr_db: float
    frames_decoded: int
    worst_db: float = math.inf


@dataclass(frozen=True)
class _EncodeTask:
    """Every `stride`-th of `span` frames from `first` on of the file at `cut`, to be encoded.

    Units: `fps` is the rate of the result, in frames per second.
    """

    origin: Path
    cut: Path
    first: int
    span: int
    stride: int
    how: Encoding
    fps: Fraction
    threads: int
    on_frame: OnFrame

    @property
    def count(self) -> int:
        """How many frames are encoded."""
        return -(-self.span // self.stride)


def encode(
    segment: Segment,
    how: Encoding,
    *,
    scratch: Path,
    fps: Fraction,
    stride: int = 1,
    threads: int = 1,
    on_frame: OnFrame = lambda: None,
) -> EncodedVideo:
    """Encode every `stride`-th frame of a segment into a new file in `scratch`, frame k at k / fps.

    `on_frame` is called for each picture decoded.

    Raises:
        MediaError: if a frame does not decode, the encoder refuses, or a lossless one loses something.
        OutputUnwritable: if `scratch` cannot be written.
    """
    cut = create_scratch_file(scratch)
    try:
        lead = concat([segment], cut, fps=fps * stride).starts[0]
        span = segment.to_frame - segment.from_frame
        work = _EncodeTask(segment.video.path, cut, lead, span, stride, how, fps, threads, on_frame)
        best = _encode_well(work, scratch)
        if how.in_front:
            _refuse_in_front(segment.video, best)
    finally:
        cut.unlink(missing_ok=True)
    return replace(best, video=_show_as(segment.video, best.video, in_front=how.in_front))


def encode_blank(how: Encoding, quality: Options, out: Path, *, fps: Fraction, known_as: Path) -> None:
    """Encode a single grey picture: the parameter sets are those of any other.

    Raises:
        MediaError: if the encoder refuses; it names the file `known_as`.
    """
    import av

    look = how.picture_format
    picture = av.VideoFrame(look.width, look.height, look.pix_fmt)
    for plane in picture.planes:
        plane.update(bytes(plane.buffer_size))
    _write(_EncodeTask(known_as, out, 0, 1, 1, how, fps, 1, lambda: None), out, quality, [picture])


def has_equal_sets(made: Video, source: Video) -> bool:
    """Return whether two videos decode with the same parameter sets, bit for bit."""
    ours, theirs = made.track.descriptions[0], source.track.descriptions[0]
    return bool(theirs.sets) and (ours.sets, ours.length_bytes) == (theirs.sets, theirs.length_bytes)


def _refuse_in_front(source: Video, best: EncodedVideo) -> None:
    """Raise MediaError unless packets of `source` may follow the encoded frames in its own track."""
    starts = best.video.track.keyframes
    fits = bool(starts.described.all()) and bool(starts.closed.all())
    if source.codec != "av1":
        fits = fits and not starts.in_band.any() and has_equal_sets(best.video, source)
    if not fits:
        best.video.path.unlink()
        raise media_error("the encoder gave other parameter sets than before the run", source.path)


def _encode_well(work: _EncodeTask, scratch: Path) -> EncodedVideo:
    """Return the first good encoding, or the best one if none is good."""
    made: list[EncodedVideo] = []
    for quality in work.how.qualities:
        made.append(_attempt(work, create_scratch_file(scratch), quality))
        if made[-1].psnr_db >= _GOOD_DB and made[-1].worst_db >= _GOOD_PICTURE_DB:
            break
    best = max(made, key=lambda each: each.psnr_db)
    for other in made:
        if other is not best:
            other.video.path.unlink()
    return replace(best, frames_decoded=sum(each.frames_decoded for each in made))


def _attempt(work: _EncodeTask, out: Path, quality: Options) -> EncodedVideo:
    try:
        _write(work, out, quality, _decode_source(work))
        video = probe(out)
        _refuse_unfit(work, video)
        psnr, worst = _measure_psnr(work, out)
        if work.how.lossless and psnr != math.inf:
            raise media_error(f"{work.how.encoder} lost data in what must be kept as it is", work.origin)
    except BaseException:
        out.unlink(missing_ok=True)
        raise
    frames_decoded = 2 * (work.first + work.span) + work.count
    return EncodedVideo(video, psnr, frames_decoded, worst_db=worst)


def _write(work: _EncodeTask, out: Path, quality: Options, pictures: "Iterable[VideoFrame]") -> None:
    import av

    # SVT-AV1 prints its settings at every start otherwise.
    os.environ.setdefault("SVT_LOG", "1")
    doing = f"{work.how.encoder} cannot encode it again: "
    with (
        translate_ffmpeg_errors(work.origin, doing),
        translate_disk_errors(out),
        av.open(str(out), "w", format="mp4") as target,
    ):
        stream = _add_stream(target, work, quality)
        for number, frame in enumerate(pictures):
            _refuse_change(frame, work)
            frame.pict_type = _choose_picture_type(work.how, number)
            frame.pts, frame.time_base = number, 1 / work.fps
            with keep_thread_priority() if number == 0 else nullcontext():  # it opens the encoder
                _mux(target, stream, frame)
        _mux(target, stream, None)


def _choose_picture_type(how: Encoding, number: int) -> int:
    """Return FFmpeg's number for what a frame is encoded as: 0 leaves it to the encoder.

    The frame's own would set keyframes where the source has them. Parameter sets that allow reordering are
    kept in front of the source's packets, but nothing is reordered: all are P pictures behind the first.
    """
    return (2 if number else 1) if how.in_front and how.encoder in ("libx264", "libx265") else 0


def _add_stream(target: "OutputContainer", work: _EncodeTask, quality: Options) -> "VideoStream":
    settings = work.how.build_settings(quality, threads=work.threads)
    stream: Any = target.add_stream(work.how.encoder, rate=work.fps, options=settings)
    look, context = work.how.picture_format, stream.codec_context
    stream.width, stream.height, stream.pix_fmt = look.width, look.height, look.pix_fmt
    for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
        setattr(context, name, getattr(look, name))
    if look.aspect:
        context.sample_aspect_ratio = look.aspect
    if work.how.fourcc in ("hvc1", "hev1"):
        context.codec_tag = work.how.fourcc
    made: VideoStream = stream
    return made


def _mux(target: "OutputContainer", stream: "VideoStream", frame: "VideoFrame | None") -> None:
    for packet in stream.encode(frame):
        # Nothing is reordered, and x265 leaves the decoding times of a few frames to chance.
        packet.dts = packet.pts
        target.mux(packet)


def _refuse_change(frame: "VideoFrame", work: _EncodeTask) -> None:
    look = work.how.picture_format
    found = (frame.width, frame.height, frame.format.name)
    if found != (look.width, look.height, look.pix_fmt):
        raise media_error(f"its pictures change their form to {found}", work.origin)


def _decode_source(work: _EncodeTask) -> "Iterator[VideoFrame]":
    """Yield the frames that are to be encoded."""
    wanted = range(work.first, work.first + work.span, work.stride)
    yield from _decode(work, work.cut, wanted, work.fps * work.stride)


def _decode_result(work: _EncodeTask, out: Path) -> "Iterator[VideoFrame]":
    """Yield the same frames as they came out."""
    yield from _decode(work, out, range(work.count), work.fps)


def _decode(work: _EncodeTask, path: Path, wanted: range, fps: Fraction) -> "Iterator[VideoFrame]":
    """Yield the frames with these numbers, at `fps`. Raises MediaError if one does not decode."""
    found = 0
    with open_video(path, known_as=work.origin) as (container, stream):
        stream.thread_count, stream.thread_type = work.threads, "AUTO"
        for frame in container.decode(stream):
            work.on_frame()
            number = _find_number(frame, fps)
            if number == wanted[found]:
                yield frame
                found += 1
            if found == len(wanted) or number >= wanted[found]:
                break
    if found < len(wanted):
        raise media_error(f"frame {wanted[found] - wanted.start} of {work.span} does not decode", work.origin)


def _find_number(frame: "VideoFrame", fps: Fraction) -> int:
    """Return the place of a frame on the grid of its file."""
    if frame.pts is None or frame.time_base is None:
        return -1
    return round(frame.pts * frame.time_base * fps)


def _refuse_unfit(work: _EncodeTask, video: Video) -> None:
    """Raise MediaError unless the encoder gave a closed video of just the frames it got."""
    if video.frames != work.count:
        raise media_error(f"{work.how.encoder} made {video.frames} frames of {work.count}", work.origin)
    made = probe_clip(video, 0, video.frames)
    if made.preroll or made.postroll or not made.closed_gop:
        raise media_error(f"{work.how.encoder} made a video that cannot be joined to others", work.origin)


def _measure_psnr(work: _EncodeTask, out: Path) -> tuple[float, float]:
    """Return the peak signal to noise ratio of the encoded frames, and that of the worst one, in dB.

    It compares pictures as they are shown, or as they are stored if nothing may be lost.
    """
    error = samples = 0
    peak, worst = 1, math.inf
    seen = _read_planes if work.how.lossless else _read_rgb
    for before, after in zip(_decode_source(work), _decode_result(work, out), strict=True):
        own_error = own_samples = 0
        for one, other in zip(seen(before), seen(after), strict=True):
            peak = np.iinfo(one.dtype).max
            own_error += int(np.square(one.astype(np.int64) - other).sum())
            own_samples += one.size
        worst = min(worst, _to_db(peak, own_samples, own_error))
        error, samples = error + own_error, samples + own_samples
    return _to_db(peak, samples, error), worst


def _to_db(peak: int, samples: int, error: int) -> float:
    return 10 * math.log10(peak**2 * samples / error) if error else math.inf


def _read_rgb(frame: "VideoFrame") -> Iterator[np.ndarray[Any, np.dtype[Any]]]:
    """Yield the picture in red, green and blue: what a policy sees. Shape: (height, width, 3)."""
    yield frame.to_ndarray(format="rgb24" if frame.format.components[0].bits == 8 else "rgb48le")


def _read_planes(frame: "VideoFrame") -> Iterator[np.ndarray[Any, np.dtype[Any]]]:
    """Yield the samples of each plane, without the padding behind its rows."""
    kind = np.dtype(np.uint8 if frame.format.components[0].bits == 8 else np.uint16)
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), kind).reshape(-1, plane.line_size // kind.itemsize)
        yield rows[: plane.height, : plane.width]


def open_encoded(
    path: Path, source: Video, psnr_db: float, frames_decoded: int, *, in_front: bool = False
) -> EncodedVideo:
    """Return a video that `encode` made of frames of `source`, perhaps in another process, as it gave it.

    Raises:
        MediaError: if it cannot be read, or was to stand `in_front` of the source's packets and cannot.
    """
    encoded = EncodedVideo(probe(path), psnr_db, frames_decoded)
    if in_front:
        _refuse_in_front(source, encoded)
    return replace(encoded, video=_show_as(source, encoded.video, in_front=in_front))


def _show_as(source: Video, made: Video, *, in_front: bool) -> Video:
    """Return `made` with the transformation that the source's track header gives its pictures.

    What stands `in_front` of the source's packets has all of its sample description.
    """
    if not in_front and source.track.matrix == IDENTITY and source.track.display == made.track.display:
        return made
    track = replace(
        made.track,
        matrix=source.track.matrix,
        display=source.track.display,
        descriptions=source.track.descriptions[:1] if in_front else made.track.descriptions,
    )
    return replace(made, track=track, is_copyable=False, is_all_shown=False)

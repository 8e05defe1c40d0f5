"""Which frames have to come along, what may stand next to what, and what parameter sets do to both."""

import os
import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from unit.files.mp4.test_clips import CLOSED, FPS, OPEN, clip, decoded, encode, packets, pixels

from lecompose.errors import MediaError
from lecompose.files.mp4 import Segment, concat, probe, probe_clip, probe_clips
from lecompose.files.mp4.boxes import BoxError
from lecompose.files.mp4.keyframes import read_keyframes
from lecompose.files.mp4.nal_units import (
    SYNTAX,
    SampleHead,
    _parse,
    hash_parameter_set,
    parse_configuration,
    parse_set_key,
    read_first_kinds,
)
from lecompose.files.mp4.timeline import build_timeline, estimate_fps, measure_deviation_s

RATE = Fraction(FPS)


def test_the_whole_video_needs_nothing_else() -> None:
    for recipe in (*CLOSED, *OPEN):
        video = probe(clip(recipe))
        found = probe_clip(video, 0, 25)
        sizes = [packet.size for packet in demuxed(clip(recipe))]
        assert (found.frames, found.preroll, found.postroll) == (25, 0, 0)
        assert found.size_bytes == sum(sizes)


def demuxed(path: Path) -> list["av.Packet"]:
    with av.open(str(path)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


def test_a_cut_in_a_stream_without_reordering_goes_back_to_the_key_frame() -> None:
    video = probe(clip("vp9"))
    keys = [number for number, (_, _, is_key) in enumerate(packets(clip("vp9"))) if is_key]

    for low in range(25):
        found = probe_clip(video, low, 25)
        assert low - found.preroll == max(key for key in keys if key <= low)
        assert found.postroll == 0


@pytest.mark.parametrize("recipe", ["h264-b", "h264-open", "hevc", "hevc-open", "mpeg4-b"])
def test_a_cut_takes_as_little_as_decoding_allows(recipe: str) -> None:
    """Against a plain search: the packets from the keyframe on, up to the first set without a hole."""
    video = probe(clip(recipe))
    shown = [pts for pts, _, _ in packets(clip(recipe))]
    order = sorted(shown)
    ranks = [order.index(pts) for pts in shown]
    keys = [rank for rank, (_, _, is_key) in zip(ranks, packets(clip(recipe)), strict=True) if is_key]
    for low in range(25):
        for high in range(low + 1, 26):
            key = max(rank for rank in keys if rank <= low)
            taken: set[int] = set()
            for rank in ranks[ranks.index(key) :]:
                taken |= {rank} if rank >= key else set()
                if taken == set(range(key, key + len(taken))) and key + len(taken) >= high:
                    break
            found = probe_clip(video, low, high)
            assert (found.preroll, found.postroll) == (low - key, key + len(taken) - high)


def test_sizes_add_up_over_any_split() -> None:
    for recipe in ("av1", "h264-b", "hevc"):
        video = probe(clip(recipe))
        parts = probe_clips(video, [(0, 3), (3, 4), (4, 20), (20, 25)])
        assert sum(part.size_bytes for part in parts) == probe_clip(video, 0, 25).size_bytes


@pytest.mark.parametrize("recipe", CLOSED)
def test_closed_clips_may_be_appended_anywhere(recipe: str) -> None:
    assert all(
        found.closed_gop for found in probe_clips(probe(clip(recipe)), [(low, 25) for low in range(25)])
    )


@pytest.mark.parametrize("recipe", OPEN)
def test_open_clips_may_not(recipe: str) -> None:
    found = probe_clips(probe(clip(recipe)), [(0, 5), (20, 25)])

    # x264 and x265 open with an IDR whatever follows; MPEG-4 with B-frames is not trusted at all.
    assert [part.closed_gop for part in found] == [recipe != "mpeg4-b", False]


def test_the_heads_of_all_key_frames_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    video = probe(clip("h264"))
    reads: list[int] = []
    for name in ("pread", "preadv"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, real=real: (reads.append(1), real(*args))[1])

    probe_clips(video, [(low, low + 1) for low in range(25)])
    probe_clip(video, 3, 9)

    # 13 keyframes at once; the first also holds a long comment of the encoder, and is read twice more.
    assert len(reads) == 3


@pytest.mark.parametrize("bad", [(0, 26), (-1, 4), (4, 4), (5, 4), (25, 26)])
def test_ranges_outside_the_video(bad: tuple[int, int]) -> None:
    video = probe(clip("av1"))
    low, high = bad

    with pytest.raises(MediaError, match=rf"video has 25 frames, episode needs frames \[{low}, {high}\)"):
        probe_clip(video, low, high)
    with pytest.raises(MediaError, match=r"\[0, 30\), \[9, 31\)"):
        probe_clips(video, [(0, 30), (0, 5), (9, 31)])


def key(path: Path, low: int = 0, high: int | None = None) -> str:
    video = probe(path)
    return probe_clip(video, low, high or video.frames).compat_key


def refreshed(path: Path) -> Path:
    """H.264 with gradual intra refresh: only the first of its "keyframes" is one."""
    picture = np.random.default_rng(3).integers(0, 255, (72, 64), np.uint8)
    options = {"preset": "veryfast", "x264-params": "intra-refresh=1:keyint=10:bframes=0", "threads": "1"}
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(40):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, number, axis=1), format="yuv420p")
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def test_a_key_frame_that_only_becomes_right_later_is_none(tmp_path: Path) -> None:
    path = refreshed(tmp_path / "in.mp4")
    marked = [number for number, (_, _, is_key) in enumerate(packets(path)) if is_key]
    assert len(marked) > 2

    found = probe_clips(probe(path), [(low, 40) for low in marked])

    assert [part.preroll for part in found] == marked
    want = [planes for planes, _ in decoded(path)]
    written = concat([Segment(probe(path), marked[2], 40)], tmp_path / "out.mp4", fps=RATE)
    assert [planes for planes, _ in decoded(tmp_path / "out.mp4")][written.starts[0] :] == want[marked[2] :]


def test_recovery_points_are_read_among_other_messages() -> None:
    """Behind a long message, and across a byte that only prevents a start code."""
    other = b"\x05" + b"\xff\x10" + bytes(range(1, 256)) + bytes(range(1, 17))
    at_once, later = b"\x06\x01\xc4", b"\x06\x01\x24"
    slice_ = b"\x41\x80"
    for messages, entry in (
        (other + at_once, True),
        (other + later, False),
        (b"\x01\x04\0\0\3\1\2" + at_once, True),
        (other, False),
        (b"", False),
    ):
        units = [b"\x06" + messages + b"\x80", slice_]
        sample = b"".join(struct.pack(">I", len(unit)) + unit for unit in units)
        assert _parse(sample, 4, SYNTAX["h264"], whole=True) == SampleHead((), closed=False, entry=entry)


def test_copy_row_groups_keys_tell_encodings_apart() -> None:
    same = {
        key(clip(recipe, frames, seed)) for recipe in ("av1",) for frames, seed in ((25, 0), (18, 3), (7, 1))
    }
    assert len(same) == 1
    every = [key(clip(recipe)) for recipe in ("av1", "h264", "h264-b", "h264-crf40", "hevc", "vp9", "mpeg4")]
    assert len(set(every)) == len(every)


def test_bit_rate_hints_do_not_count(tmp_path: Path) -> None:
    """`btrt` alone differs between recordings of one camera."""
    data = bytearray(clip("h264").read_bytes())
    struct.pack_into(">I", data, data.index(b"btrt") + 8, 123456)
    other = tmp_path / "other.mp4"
    other.write_bytes(data)

    assert key(other) == key(clip("h264"))


def test_pictures_that_only_differ_in_their_parameter_sets_are_kept_apart() -> None:
    """The PPS trap: equal size, codec and profile, but another initial quantiser."""
    one, other = probe(clip("h264")), probe(clip("h264-crf40"))

    assert (one.codec, one.pix_fmt, one.width) == (other.codec, other.pix_fmt, other.width)
    assert one.track.descriptions[0].box != other.track.descriptions[0].box
    assert key(one.path) != key(other.path)


def spliced(path: Path, parts: list[list["av.Packet"]], template: Path) -> Path:
    """The packets of `parts` in a row behind the sample description of `template`, as careless tools do."""
    with av.open(str(template)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0], opaque=True)
        for number, packet in enumerate(packet for part in parts for packet in part):
            packet.stream, packet.time_base = stream, Fraction(1, FPS)
            packet.pts = packet.dts = number
            packet.duration = 1
            out.mux(packet)
    return path


def test_sets_in_band_everywhere_join_what_the_description_does_not_cover(tmp_path: Path) -> None:
    """What lerobot's concat makes: description X, then keyframes with X in band, then with Y."""
    parts = [demuxed(clip("h264-inband")), demuxed(clip("h264-crf40-inband"))]
    path = spliced(tmp_path / "in.mp4", parts, clip("h264-inband"))
    video = probe(path)
    want = [*pixels(clip("h264-inband")), *pixels(clip("h264-crf40-inband"))]
    assert [planes for planes, _ in decoded(path)] == want

    found = probe_clips(video, [(0, 50), (0, 20), (30, 50), (31, 49)])
    out = tmp_path / "out.mp4"
    written = concat([Segment(video, 31, 49), Segment(video, 3, 20), Segment(video, 20, 40)], out, fps=RATE)

    assert {part.compat_key.rpartition("/")[2] for part in found} == {"inband"}
    assert all(part.closed_gop for part in found)
    got = [planes for planes, _ in decoded(out)]
    for (low, high), start in zip(((31, 49), (3, 20), (20, 40)), written.starts, strict=True):
        assert got[start : start + high - low] == want[low:high]


def test_plain_files_do_not_follow_files_that_change_their_sets_in_band(tmp_path: Path) -> None:
    """Equal extradata is not enough: B would be shown with the sets that A left behind."""
    parts = [demuxed(clip("h264-inband")), demuxed(clip("h264-crf40-inband"))]
    mixed = spliced(tmp_path / "in.mp4", parts, clip("h264"))
    plain = probe(clip("h264"))
    assert probe(mixed).track.descriptions[0].box == plain.track.descriptions[0].box

    with pytest.raises(MediaError, match="different encodings"):
        concat([Segment(probe(mixed), 0, 50), Segment(plain, 0, 25)], tmp_path / "out.mp4", fps=RATE)


def test_sets_in_band_equal_to_the_description_join_plain_files(tmp_path: Path) -> None:
    repeated = spliced(tmp_path / "in.mp4", [demuxed(clip("h264-inband"))], clip("h264"))

    assert key(repeated) == key(clip("h264"))
    assert key(repeated).endswith("/stsd")


def test_sets_that_come_once_and_stay_keep_a_source_alone(tmp_path: Path) -> None:
    """Plain keyframes that rely on sets which an earlier keyframe brought can only start there."""
    plain, repeated = demuxed(clip("h264-crf40")), demuxed(clip("h264-crf40-inband"))
    first = [repeated[0], *plain[1:]]
    path = spliced(tmp_path / "in.mp4", [demuxed(clip("h264")), first], clip("h264"))
    want = [planes for planes, _ in decoded(path)]
    assert want[25:] == list(pixels(clip("h264-crf40")))
    video = probe(path)

    early, late, both = probe_clips(video, [(0, 20), (40, 50), (10, 50)])

    assert early.compat_key == key(clip("h264"))
    assert (late.preroll, late.closed_gop) == (15, True)
    assert late.compat_key == both.compat_key == f"alone:{path}"
    assert not both.closed_gop
    for number, (low, high) in enumerate(((40, 50), (10, 50), (26, 27))):
        out = tmp_path / f"{number}.mp4"
        written = concat([Segment(video, low, high)], out, fps=RATE)
        start = written.starts[0]
        assert [planes for planes, _ in decoded(out)][start : start + high - low] == want[low:high]


def test_two_sample_descriptions_in_one_track(tmp_path: Path) -> None:
    """Each range by its own description; a range across both has to be refused."""
    one, other = probe(clip("h264", 30, 0)), probe(clip("h264-crf40"))
    base = tmp_path / "base.mp4"
    concat([Segment(one, 0, 30), Segment(one, 0, 20)], base, fps=RATE)
    data = base.read_bytes()
    second = other.track.descriptions[0].box
    at = data.index(b"stsd") - 4
    (length,) = struct.unpack_from(">I", data, at)
    stsd = struct.pack(">I4sII", length + len(second), b"stsd", 0, 2) + data[at + 16 : at + length] + second
    data = bytearray(data[:at] + stsd + data[at + length :])
    # Chunks of 30 and 20 frames: the second one is told to use the second description.
    struct.pack_into(">I", data, data.index(b"stsc") + 12 + 20, 2)
    for kind in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        place = data.index(kind) - 4
        struct.pack_into(">I", data, place, struct.unpack_from(">I", data, place)[0] + len(second))
    stco = data.index(b"stco") + 12
    for place in (stco, stco + 4):
        struct.pack_into(">I", data, place, struct.unpack_from(">I", data, place)[0] + len(second))
    path = tmp_path / "in.mp4"
    path.write_bytes(data)

    video = probe(path)

    assert probe_clip(video, 0, 30).compat_key == key(clip("h264"))
    assert probe_clip(video, 30, 50).compat_key == key(clip("h264-crf40"))
    with pytest.raises(MediaError, match="changes its sample description"):
        probe_clip(video, 20, 40)


def test_parameter_sets_are_known_by_type_and_id() -> None:
    with av.open(str(clip("hevc"))) as container:
        _, units = parse_configuration(bytes(container.streams.video[0].codec_context.extradata), "hevc")
    assert {parse_set_key(unit, SYNTAX["hevc"]) for unit in units[:3]} == {(32, 0), (33, 0), (34, 0)}
    with av.open(str(clip("h264"))) as container:
        _, units = parse_configuration(bytes(container.streams.video[0].codec_context.extradata), "h264")
    assert [parse_set_key(unit, SYNTAX["h264"]) for unit in units] == [(7, 0), (8, 0)]
    # A PPS whose id is 5: Exp-Golomb 00110.
    assert parse_set_key(bytes((0x68, 0b00110100)), SYNTAX["h264"]) == (8, 5)
    # Three sub-layers with both kinds of levels before the id of an HEVC SPS, which is 3.
    bits = "0100001000000001" + "0000" + "010" + "1" + "1" * 96 + "11" * 2 + "00" * 6 + "1" * 2 * 96 + "00100"
    data = int(bits.ljust(8 * 60, "0"), 2).to_bytes(60, "big")
    assert parse_set_key(data, SYNTAX["hevc"]) == (33, 3)
    with pytest.raises(BoxError, match="cut"):
        parse_set_key(b"\x68", SYNTAX["h264"])
    with pytest.raises(BoxError, match="cut"):
        parse_set_key(b"", SYNTAX["h264"])


def test_key_frames_that_bring_only_some_of_the_sets_lean_on_the_others(tmp_path: Path) -> None:
    """A description with two PPS: the sets in a sample have to replace every one of them."""
    sps, first, second, idr = b"\x67\x42\0\x0a\x80", b"\x68\x80", b"\x68\x40", b"\x65\x80"
    samples = [
        (idr,),
        (sps, first, idr),
        (sps, first, second, idr),
        (first, second, idr),
        (b"", idr),
        (b"\x41\x80",),
    ]
    packed = [b"".join(struct.pack(">I", len(unit)) + unit for unit in units) for units in samples]
    path = tmp_path / "samples"
    path.write_bytes(b"".join(packed))
    sizes = np.array([len(data) for data in packed])
    entry = replace(
        probe(clip("h264")).track.descriptions[0],
        sets={parse_set_key(unit, SYNTAX["h264"]): hash_parameter_set(unit) for unit in (sps, first, second)},
    )

    found = read_keyframes(path, np.arange(6), np.cumsum(sizes) - sizes, sizes, np.zeros(6, int), [entry])

    assert found.in_band.tolist() == [False, False, True, False, False, False]
    assert found.described.all()
    assert found.closed.tolist() == [True, True, True, True, True, False]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_first_units_are_told_wherever_samples_stand(codec: str, tmp_path: Path) -> None:
    """Close together, far apart, in any order, and where the file ends too soon."""
    syntax, path = SYNTAX[codec], tmp_path / "samples"
    random = np.random.default_rng(0)
    kinds = random.integers(1, 32, 400)
    gaps = random.choice([0, 1, 300, 2**15, 2**18], 400)
    offsets = np.cumsum(gaps + 8) - 8
    with path.open("wb") as file:
        for offset, kind in zip(offsets.tolist(), kinds.tolist(), strict=True):
            file.seek(offset)
            file.write(struct.pack(">IB", 4, kind if codec == "h264" else kind << 1))
    sizes = np.full(400, 8)
    order = random.permutation(400)
    sizes[order[0]] = 4  # no room for a unit behind its length

    with path.open("rb") as file:
        found = read_first_kinds(file.fileno(), offsets[order], sizes[order], 4, syntax)
        behind = read_first_kinds(
            file.fileno(), offsets[-1:] + np.array([0, 100, 2**40]), sizes[:3], 4, syntax
        )

    assert found.tolist() == [-1, *kinds[order[1:]].tolist()]
    assert behind.tolist() == [kinds[-1], -1, -1]


@pytest.mark.parametrize("gap", [1, 10_000, 200_000])
def test_sets_of_several_entries_each_count_for_their_own(gap: int, tmp_path: Path) -> None:
    """What one entry's keyframes bring says nothing of those that go by another."""
    sps, changed, slice_ = b"\x67\x64\x00\x1f\xac", b"\x67\x64\x00\x1f\xad", b"\x65\x88"
    samples = [(slice_,), (changed, slice_), (slice_,), (slice_,), (sps, slice_), (slice_,)]
    packed = [b"".join(struct.pack(">I", len(unit)) + unit for unit in units) for units in samples]
    path = tmp_path / "samples"
    path.write_bytes(b"".join(data + bytes(gap) for data in packed))
    sizes = np.array([len(data) for data in packed])
    offsets = np.cumsum(sizes + gap) - sizes - gap
    entry = probe(clip("h264")).track.descriptions[0]
    key = parse_set_key(sps, SYNTAX["h264"])
    entries = [
        replace(entry, sets={key: hash_parameter_set(sps)}),
        replace(entry, sets={key: hash_parameter_set(sps)}),
    ]

    found = read_keyframes(path, np.arange(6), offsets, sizes, np.array([0, 0, 0, 1, 1, 1]), entries)

    assert found.described.tolist() == [True, False, False, True, True, True]
    assert found.in_band.tolist() == [False] * 6
    assert found.closed.all()
    assert found.entry.all()


@given(
    fps=st.sampled_from(
        [Fraction(n) for n in (1, 5, 7, 10, 24, 25, 30, 50, 60, 120)] + [Fraction(30000, 1001)]
    ),
    scale=st.sampled_from([1000, 10_000, 15_360, 90_000, 1_000_000]),
    frames=st.integers(40, 400),
)
@example(fps=Fraction(120), scale=1000, frames=48)
@example(fps=Fraction(120), scale=1000, frames=400)
def test_the_rate_is_found_below_rounded_timestamps(fps: Fraction, scale: int, frames: int) -> None:
    ticks = np.array([round(number * scale / fps) for number in range(frames)])
    times = build_timeline(ticks, scale, Fraction(0), 0)

    # So few ticks are between the first and the last that 30 and 30000/1001 frames per second are one.
    blurred = ticks[-1] < 3 * 1001
    assert estimate_fps(times) in ({fps, fps * Fraction(1000, 1001)} if blurred else {fps})
    assert measure_deviation_s(times, fps) <= 0.5 / scale + 1e-12


@given(
    steps=st.lists(st.integers(0, 4000), min_size=1, max_size=40),
    start=st.fractions(0, 2),
    fps=st.fractions(1, 60),
)
def test_the_distance_from_the_grid_is_exact(steps: list[int], start: Fraction, fps: Fraction) -> None:
    ticks = np.concatenate(([0], np.cumsum(steps)))
    times = build_timeline(ticks, 15_360, start, 0)

    want = max(abs(start + Fraction(int(tick), 15_360) - k / fps) for k, tick in enumerate(ticks))
    assert measure_deviation_s(times, fps) == pytest.approx(float(want), abs=1e-9)


def test_a_lone_frame_takes_its_rate_from_its_duration(tmp_path: Path) -> None:
    video = probe(clip("av1", 1, 4))
    out = tmp_path / "out.mp4"
    concat([Segment(video, 0, 1)], out, fps=Fraction(50))

    assert probe(out).fps == 50
    assert video.warnings == ()
    assert estimate_fps(build_timeline(np.array([7]), 1000, Fraction(0), 0)) == 0


def test_zero_byte_samples_are_no_frames(tmp_path: Path) -> None:
    path = encode(tmp_path / "in.mp4", "h264", 9)
    data = bytearray(path.read_bytes())
    last = data.index(b"stsz") + 16 + 4 * 8 - 4
    data[last + 4 : last + 8] = bytes(4)
    path.write_bytes(data)

    assert probe(path).frames == 8

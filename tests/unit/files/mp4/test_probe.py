"""What `probe` says of plain files, of files that need FFmpeg's help, and of files that are no video."""

import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import pytest
from unit.files.mp4.test_clips import FPS, HEIGHT, RECIPES, WIDTH, clip, decoded, encode, pixels

from lecompose.errors import MediaError, OutputUnwritable, SourceBroken
from lecompose.files.mp4 import Segment, concat, describe, measure_grid_deviation_s, probe, probe_clip

RATE = Fraction(FPS)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_plain_file(recipe: str) -> None:
    video = probe(clip(recipe))

    assert (video.frames, video.fps, video.width, video.height) == (25, 30, WIDTH, HEIGHT)
    assert (video.has_audio, video.warnings) == (False, ())
    assert video.size_bytes == clip(recipe).stat().st_size
    assert measure_grid_deviation_s(video, RATE) == 0.0


@pytest.mark.parametrize("recipe", RECIPES)
def test_ffmpeg_agrees(recipe: str) -> None:
    video, told = probe(clip(recipe)), describe(clip(recipe))

    assert told["codec"] == video.codec
    assert told["pix_fmt"] == video.pix_fmt
    assert (told["width"], told["height"]) == (video.width, video.height)
    assert (told["fps"], told["has_audio"]) == (30, False)


@pytest.mark.parametrize(
    ("codec", "pix_fmt"),
    [
        ("libx264", "yuv420p10le"),
        ("libx264", "yuv422p"),
        ("libx265", "yuv420p10le"),
        ("libx265", "yuv422p12le"),
        ("libx265", "gray"),
        ("libx265", "gray12le"),
        ("libsvtav1", "yuv420p10le"),
        ("libvpx-vp9", "yuv422p"),
    ],
)
def test_pixel_formats_are_told_from_the_tables(codec: str, pix_fmt: str, tmp_path: Path) -> None:
    path = tmp_path / "in.mp4"
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pix_fmt
        # x265 cannot be muxed when it is given fewer frames than it looks ahead.
        for number in range(6):
            frame = av.VideoFrame(WIDTH, HEIGHT, pix_fmt)
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))

    assert describe(path)["pix_fmt"] == pix_fmt
    assert probe(path).pix_fmt == pix_fmt


def test_neither_probing_nor_writing_loads_ffmpeg(tmp_path: Path) -> None:
    program = """
import sys
from fractions import Fraction
from pathlib import Path
from lecompose.files import mp4
video = mp4.probe(Path(sys.argv[1]))
mp4.concat([mp4.Segment(video, 3, 9)] * 2, Path(sys.argv[2]), fps=Fraction(30))
print(sorted(name for name in sys.modules if name.split(".")[0] == "av"))
"""
    path = [sys.executable, "-c", program, str(clip("av1")), str(tmp_path / "out.mp4")]
    source = Path(sys.modules["lecompose"].__path__[0]).parent

    done = subprocess.run(path, env={"PYTHONPATH": str(source)}, capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_a_missing_file_is_the_dataset_s_fault(tmp_path: Path) -> None:
    with pytest.raises(SourceBroken, match=r"missing\. .*none\.mp4"):
        probe(tmp_path / "none.mp4")
    with pytest.raises(SourceBroken, match="missing"):
        describe(tmp_path / "none.mp4")


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4665a5ea\nsize 3797465\n"
IMPOSTORS = {
    "empty": (b"", r"empty file \(0 bytes\)"),
    "pointer": (POINTER, "Git LFS pointer, not the video: run git lfs pull"),
    "page": (b"\n<!DOCTYPE html><html>404</html>", "HTML/XML page, not a video"),
    "xml": (b'<?xml version="1.0"?><Error/>', "HTML/XML page, not a video"),
}


@pytest.mark.parametrize("fault", IMPOSTORS)
@pytest.mark.parametrize("with_scratch", [False, True])
def test_impostors(fault: str, with_scratch: bool, tmp_path: Path) -> None:
    path = tmp_path / "in.mp4"
    data, words = IMPOSTORS[fault]
    path.write_bytes(data)

    with pytest.raises(MediaError, match=words) as caught:
        probe(path, scratch=tmp_path if with_scratch else None)
    assert str(caught.value).endswith(f"({path})")


@pytest.mark.parametrize(
    "data", [b"not a video at all, only text", bytes(1000), b"\x89PNG\r\n\x1a\n" + bytes(99)]
)
def test_strangers(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "in.mp4"
    path.write_bytes(data)

    with pytest.raises(MediaError, match="not an mp4"):
        probe(path)
    with pytest.raises(MediaError, match=r"not an mp4.*: FFmpeg refuses it"):
        probe(path, scratch=tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_truncated_before_the_tables(tmp_path: Path) -> None:
    path, data = tmp_path / "in.mp4", clip("av1").read_bytes()
    path.write_bytes(data[: data.index(b"mdat") + 500])

    with pytest.raises(
        MediaError, match=r"truncated: box mdat at \d+ needs \d+ bytes, file has \d+; moov not found"
    ):
        probe(path, scratch=tmp_path)


def test_truncated_behind_the_tables(tmp_path: Path) -> None:
    path = tmp_path / "in.mp4"
    concat([Segment(probe(clip("av1")), 0, 25)], path, fps=RATE)
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(
        MediaError, match=r"truncated: box mdat at \d+ needs \d+ bytes, file has \d+; copy or"
    ):
        probe(path, scratch=tmp_path)


def test_cut_between_two_boxes(tmp_path: Path) -> None:
    path, data = tmp_path / "in.mp4", clip("av1").read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 4])

    with pytest.raises(MediaError, match="without a moov box"):
        probe(path)


def test_every_damage_to_the_tables_is_reported_or_harmless(tmp_path: Path) -> None:
    """One byte after another of `moov` is set to 0 and to 255: a MediaError or an answer, never a crash."""
    path = tmp_path / "in.mp4"
    concat([Segment(probe(clip("h264-b", 7, 1)), 0, 7)], path, fps=RATE)
    data = path.read_bytes()
    for at in range(data.index(b"moov") - 4, data.index(b"mdat")):
        for value in (0, 0x7F, 0xFF):
            path.write_bytes(data[:at] + bytes((value,)) + data[at + 1 :])
            with suppress(MediaError):
                video = probe(path)
                probe_clip(video, 0, video.frames)


def test_no_video_track(tmp_path: Path) -> None:
    path = tmp_path / "in.mp4"
    data = encode(path, "h264", 5).read_bytes()
    path.write_bytes(data.replace(b"vide\0", b"text\0"))

    with pytest.raises(MediaError, match="no video track"):
        probe(path)


def test_a_folder_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="not a regular file"):
        probe(tmp_path)


def test_audio_is_left_behind(tmp_path: Path) -> None:
    path, out = encode(tmp_path / "in.mp4", "h264-b", 25, audio=True), tmp_path / "out.mp4"
    with av.open(str(path)) as container:
        assert len(container.streams.audio) == 1

    video = probe(path)
    written = concat([Segment(video, 0, 25)], out, fps=RATE)

    assert video.has_audio
    assert video.warnings == ("audio track: not copied",)
    assert written.bytes_copied == 0
    assert not probe(out).has_audio
    assert [planes for planes, _ in decoded(out)] == [planes for planes, _ in decoded(path)]


def patched(path: Path, out: Path, kind: bytes, at: int, new: bytes) -> Path:
    """`path` with bytes replaced `at` so many bytes behind the first box type `kind`."""
    data = bytearray(path.read_bytes())
    start = data.index(kind) + 4 + at
    data[start : start + len(new)] = new
    out.write_bytes(data)
    return out


def test_a_rotated_picture_keeps_its_matrix_and_stays_by_itself(tmp_path: Path) -> None:
    turned = struct.pack(">9I", 0, 1 << 16, 0, 0xFFFF0000, 0, 0, 0, 0, 1 << 30)
    path = patched(clip("h264"), tmp_path / "in.mp4", b"tkhd", 40, turned)
    video, straight = probe(path), probe(clip("h264"))
    out = tmp_path / "out.mp4"

    concat([Segment(video, 0, 25)], out, fps=RATE)

    assert video.warnings == ("rotation/flip in the track header: decoders disagree on it",)
    assert probe_clip(video, 0, 25).compat_key != probe_clip(straight, 0, 25).compat_key
    assert probe(out).warnings == video.warnings
    assert turned in out.read_bytes()


@pytest.mark.parametrize("recipe", ["av1", "h264-b", "hevc", "vp9"])
@pytest.mark.parametrize(("hidden", "shown"), [(5, 20), (5, 9), (0, 12), (24, 1), (13, 11)])
def test_an_edit_list_that_hides_frames(recipe: str, hidden: int, shown: int, tmp_path: Path) -> None:
    base = tmp_path / "base.mp4"
    concat([Segment(probe(clip(recipe)), 0, 25)], base, fps=RATE)
    data = base.read_bytes()
    start = data.index(b"elst") + 12
    _, media_time = struct.unpack_from(">Ii", data, start)
    path = patched(
        base, tmp_path / "in.mp4", b"elst", 8, struct.pack(">Ii", 512 * shown, media_time + 512 * hidden)
    )
    out = tmp_path / "out.mp4"

    video = probe(path)
    found = probe_clip(video, 0, shown)
    written = concat([Segment(video, 0, shown)], out, fps=RATE)

    visible = [planes for planes, _ in decoded(path)]
    assert visible == list(pixels(clip(recipe))[hidden : hidden + shown])
    assert video.frames == shown
    assert measure_grid_deviation_s(video, RATE) == 0.0
    assert any(f"hides the first {hidden} packets" in warning for warning in video.warnings) == (hidden > 0)
    assert written.frames == found.preroll + shown + found.postroll
    at = written.starts[0]
    assert [planes for planes, _ in decoded(out)][at : at + shown] == visible


def test_an_edit_list_that_hides_everything(tmp_path: Path) -> None:
    base = tmp_path / "base.mp4"
    concat([Segment(probe(clip("av1")), 0, 25)], base, fps=RATE)
    path = patched(base, tmp_path / "in.mp4", b"elst", 8, struct.pack(">Ii", 512, 512 * 25))

    with pytest.raises(MediaError, match="hides every frame"):
        probe(path)


FOREIGN: dict[str, tuple[Callable[[Path], Path], str]] = {
    "fragmented": (
        lambda path: encode(path, "h264-b", 25, options={"movflags": "frag_keyframe+empty_moov"}),
        "fragmented mp4",
    ),
    "fragments with a moov of their own": (
        lambda path: encode(path, "h264-b", 25, options={"movflags": "frag_keyframe"}),
        "fragmented mp4",
    ),
    "matroska": (lambda path: encode(path, "h264-b", 25, file_format="matroska"), "Matroska"),
    "matroska av1": (lambda path: encode(path, "av1", 25, file_format="matroska"), "Matroska"),
    "avi": (lambda path: encode(path, "mpeg4", 25, file_format="avi"), "first box"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_containers_are_remuxed_once(kind: str, tmp_path: Path) -> None:
    make, words = FOREIGN[kind]
    path, out, scratch = make(tmp_path / "in.mp4"), tmp_path / "out.mp4", tmp_path / "scratch"
    scratch.mkdir()

    with pytest.raises(MediaError, match=f"{words}.*has to be remuxed first"):
        probe(path)
    video = probe(path, scratch=scratch)
    concat([Segment(video, 0, 25)], out, fps=RATE)

    assert (video.path, video.size_bytes) == (path, path.stat().st_size)
    assert (video.frames, video.fps) == (25, 30)
    assert video.warnings[0].endswith("remuxed first")
    assert len(list(scratch.iterdir())) == 1
    assert [planes for planes, _ in decoded(out)] == [planes for planes, _ in decoded(path)]
    assert measure_grid_deviation_s(probe(out), RATE) == 0.0


def test_remuxing_twice_gives_two_files_and_a_missing_scratch_is_the_output_s_fault(tmp_path: Path) -> None:
    path = encode(tmp_path / "in.mp4", "av1", 9, file_format="matroska")
    scratch = tmp_path / "scratch"

    with pytest.raises(OutputUnwritable, match="remuxed"):
        probe(path, scratch=scratch)
    scratch.mkdir()
    assert probe(path, scratch=scratch) == probe(path, scratch=scratch)
    assert len(list(scratch.iterdir())) == 2


def test_a_codec_that_mp4_cannot_hold(tmp_path: Path) -> None:
    path = tmp_path / "in.mp4"
    with av.open(str(path), "w", format="matroska") as out:
        stream = out.add_stream("msmpeg4v3", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        frame.pts = 0
        out.mux([*stream.encode(frame), *stream.encode(None)])

    with pytest.raises(MediaError, match=r"Matroska.*: FFmpeg refuses it"):
        probe(path, scratch=tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_describing_what_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "in.mp4"
    path.write_bytes(POINTER)

    with pytest.raises(MediaError, match="a Git LFS pointer, not the video"):
        describe(path)


def test_several_edits_that_hide_frames_are_refused(tmp_path: Path) -> None:
    base = tmp_path / "base.mp4"
    concat([Segment(probe(clip("av1")), 0, 25)], base, fps=RATE)
    edits = struct.pack(">IIIiIIiI", 0, 2, 512 * 8, 512, 1 << 16, 512 * 5, 512 * 15, 1 << 16)
    old = base.read_bytes()
    edts = old.index(b"edts") - 4
    data = old[:edts] + struct.pack(">I4sI4s", 48, b"edts", 40, b"elst") + edits + old[edts + 36 :]
    data = bytearray(data)
    for kind in (b"trak", b"moov"):
        at = data.index(kind) - 4
        struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + 12)
    at = data.index(b"stco") + 8
    struct.pack_into(">I", data, at + 4, struct.unpack_from(">I", data, at + 4)[0] + 12)
    path = tmp_path / "in.mp4"
    path.write_bytes(data)

    with pytest.raises(MediaError, match="edit list of 2 parts"):
        probe(path)
    with pytest.raises(MediaError, match="re-encode it first"):
        probe(path, scratch=tmp_path)


def test_two_video_tracks(tmp_path: Path) -> None:
    path, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    with av.open(str(path), "w") as both:
        inputs = [av.open(str(clip("h264", 25, seed))) for seed in (0, 3)]
        for source in inputs:
            both.add_stream_from_template(source.streams.video[0], opaque=True)
        for stream, source in zip(both.streams.video, inputs, strict=True):
            for packet in source.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    both.mux(packet)
        for source in inputs:
            source.close()

    video = probe(path)
    concat([Segment(video, 0, 25)], out, fps=RATE)

    assert video.warnings == ("2 video tracks: only the first is used",)
    assert [planes for planes, _ in decoded(out)] == list(pixels(clip("h264", 25, 0)))


def test_missing_frames(tmp_path: Path) -> None:
    times = [number for number in range(37) if number not in (10, 11)]
    video = probe(encode(tmp_path / "in.mp4", "h264", 35, times=times))

    assert (video.frames, video.fps) == (35, 30)
    assert video.warnings == ("2 frame(s) missing: a gap of 3.0 frames after frame 9; video has 35 frames",)


@pytest.mark.parametrize("recipe", ["h264", "h264-b"])
def test_millisecond_timestamps_are_restamped(recipe: str, tmp_path: Path) -> None:
    times = [round(number * 1000 / 30) for number in range(37)]
    path = encode(
        tmp_path / "in.mp4",
        recipe,
        37,
        times=times,
        time_base=Fraction(1, 1000),
        options={"video_track_timescale": "1000"},
    )
    video, out = probe(path), tmp_path / "out.mp4"
    concat([Segment(video, 0, 37)], out, fps=RATE)

    assert video.fps == 30
    assert video.warnings == ("timestamps off the frame grid by up to 0.333 ms: will be re-stamped",)
    assert measure_grid_deviation_s(video, RATE) == pytest.approx(1 / 3000)
    assert measure_grid_deviation_s(probe(out), RATE) == 0.0
    assert [planes for planes, _ in decoded(out)] == [planes for planes, _ in decoded(path)]


def test_another_rate_is_told_as_it_is(tmp_path: Path) -> None:
    video = probe(encode(tmp_path / "in.mp4", "av1", 10, fps=25))

    assert video.fps == 25
    assert measure_grid_deviation_s(video, RATE) == pytest.approx(9 * (1 / 25 - 1 / 30))


def test_a_late_start_is_remarked(tmp_path: Path) -> None:
    video = probe(encode(tmp_path / "in.mp4", "h264", 10, times=range(5, 15)))

    assert video.frames == 10
    # FFmpeg writes the delay in whole milliseconds.
    assert video.warnings == ("the first frame stands at 0.166 s, not at 0: will be re-stamped",)
    assert measure_grid_deviation_s(video, RATE) == pytest.approx(5 / 30, abs=1e-3)

"""Files that are small and say that they are huge. Bounded memory, plain errors."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile.attacks import change_info, change_parquet, run, run_bounded
from support.effort import every_nth, thorough

from lecompose.errors import MediaError
from lecompose.files import mp4
from lecompose.files.mp4 import boxes

Record = Callable[..., Path]
CAMERA = "observation.images.front"
GB = 2**30


# Pictures -----------------------------------------------------------------------------------------


def png(width: int, height: int, *, rows: int) -> bytes:
    """A black PNG that claims a size, with so many rows of it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(bytes(3 * width + 1)) for _ in range(rows)) + packer.flush()
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@every_nth(3)
@pytest.mark.parametrize("size", [(60_000, 60_000), (12_000, 12_000), (2**31 - 1, 1)])
def test_a_picture_larger_than_any(size: tuple[int, int], make_dataset: Record) -> None:
    root = make_dataset("source", version="v3.0", cameras=(), image_features=("front",), episodes=1)
    bomb = (
        png(*size, rows=size[1] if size[1] == 12_000 else 1_000)
        if size[0] < 2**30
        else png(8, 8, rows=8)[:16] + b"\x7f\xff\xff\xff"
    )
    path = next(root.glob("data/*/*.parquet"))
    change_parquet(path, lambda t: _with_picture(t, bomb))
    assert path.stat().st_size < 2**22
    done = run_bounded("stats", root, "--images", address_bytes=3 * GB)
    # No frame is so large: a size that its header claims is refused with the feature.
    assert done.code in (3, 4), done
    assert "picture" in done.stderr or "larger than a frame can be" in done.stderr
    assert done.peak_bytes < GB


def _with_picture(table: pa.Table, data: bytes) -> pa.Table:
    place = table.schema.get_field_index(CAMERA)
    cells = pa.array([{"bytes": data, "path": None}] * len(table), table.schema.field(CAMERA).type)
    return table.set_column(place, table.schema.field(CAMERA), cells)


@pytest.mark.parametrize(
    "content",
    [
        b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{other}\n#EXT-X-ENDLIST\n",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{other}\n#EXT-X-ENDLIST\n",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/x.mp4\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile other.mp4\n",
        b"ffconcat version 1.0\nfile '{other}'\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5000 RTP/AVP 96\n",
    ],
    ids=["playlist", "playlist of a URL", "playlist of a host", "script", "script of a path", "SDP"],
)
def test_a_video_that_names_other_files(content: bytes, make_dataset: Record, tmp_path: Path) -> None:
    """FFmpeg would follow some of them: what it opens is the file itself, or nothing."""
    root = make_dataset("source", version="v2.1", codec="h264", cameras=("front",), episodes=1)
    path = next(root.glob("videos/*/*/*.mp4"))
    other = path.with_name("other.mp4")
    path.rename(other)
    path.write_bytes(content.replace(b"{other}", str(other).encode()))
    for look in (mp4.read_display_times, mp4.describe, lambda p: mp4.probe(p, scratch=tmp_path)):
        with pytest.raises(MediaError):
            look(path)
    with pytest.raises(MediaError):
        mp4.decode_picture(path.read_bytes(), name=path)


# Tables of videos ---------------------------------------------------------------------------------


def patched(path: Path, kind: bytes, change: Callable[[bytearray, int], None]) -> None:
    """The first box of a kind, changed in place; `change` is given the file and where the body begins."""
    content = bytearray(path.read_bytes())
    at = content.index(kind) + 4
    change(content, at)
    path.write_bytes(content)


def put(offset: int, form: str, *values: int) -> Callable[[bytearray, int], None]:
    return lambda content, at: struct.pack_into(form, content, at + offset, *values)


LIES = {
    "2**32 sizes": (b"stsz", put(4, ">II", 0, 2**32 - 1)),
    "2**32 samples of a byte": (b"stsz", put(4, ">II", 1, 2**32 - 1)),
    "2**32 times": (b"stts", put(4, ">I", 2**32 - 1)),
    "2**32 frames in a time": (b"stts", put(8, ">I", 2**32 - 1)),
    "2**32 chunks": (b"stco", put(4, ">I", 2**32 - 1)),
    "a chunk of 2**32 frames": (b"stsc", put(12, ">I", 2**32 - 1)),
    "2**32 runs": (b"stsc", put(4, ">I", 2**32 - 1)),
    "2**32 keyframes": (b"stss", put(4, ">I", 2**32 - 1)),
    "2**32 edits": (b"elst", put(4, ">I", 2**32 - 1)),
    "a moov of 2**32": (b"moov", put(-8, ">I", 2**32 - 1)),
    "a moov of 9 bytes": (b"moov", put(-8, ">I", 9)),
    "a stbl of 7": (b"stbl", put(-8, ">I", 7)),
    "chunks beyond the file": (b"stco", put(8, ">I", 2**32 - 1)),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_video_whose_tables_lie(lie: str, recorded: Record, tmp_path: Path) -> None:
    source = recorded(version="v2.1", codec="h264", cameras=("front",), episodes=1)
    path = tmp_path / "x.mp4"
    path.write_bytes(next(source.glob("videos/*/*/*.mp4")).read_bytes())
    patched(path, *LIES[lie])
    with pytest.raises(MediaError):
        mp4.probe(path)


def test_a_video_of_many_boxes_and_of_large_tables(recorded: Record, tmp_path: Path) -> None:
    source = recorded(version="v2.1", codec="h264", cameras=("front",), episodes=1)
    sound = next(source.glob("videos/*/*/*.mp4")).read_bytes()
    path = tmp_path / "x.mp4"
    small = struct.pack(">I4s", 8, b"free")
    path.write_bytes(sound[:32] + small * 500_000)
    with pytest.raises(MediaError, match="boxes"):
        mp4.probe(path)
    path.write_bytes(sound[:32] + struct.pack(">I4s", 8 + 8 * 500_000, b"moov") + small * 500_000)
    with pytest.raises(MediaError, match="boxes"):
        mp4.probe(path)
    with path.open("wb") as file:  # sparse: a terabyte of nothing
        file.write(sound[:32] + struct.pack(">I4sQ", 1, b"moov", 2**40 - 32))
        file.truncate(2**40)
    with pytest.raises(MediaError, match="no recording has so many"):
        mp4.probe(path)


def test_many_boxes_are_no_recursion() -> None:
    body = b""
    for _ in range(3000):
        body = struct.pack(">I4s", len(body) + 8, b"moov") + body
    assert len(list(boxes.walk_children(body))) == 1


def test_a_video_that_changes_its_size(make_dataset: Record, recorded: Record, tmp_path: Path) -> None:
    """A file of each size by itself is sound; one dataset of both is told, and what is written is checked."""
    root = make_dataset("source", version="v2.1", codec="h264", cameras=("front",))
    other = recorded(version="v2.1", codec="h264", cameras=("front",), size=(80, 48))
    path = next(root.glob("videos/*/*/episode_000001.mp4"))
    path.write_bytes((other / path.relative_to(root)).read_bytes())
    done = run("merge", root, "-o", tmp_path / "out")
    assert done.code in (0, 3, 4), done
    assert run("stats", root, "--images").code in (0, 4)


# Parquet ------------------------------------------------------------------------------------------


def test_a_column_that_swells(make_dataset: Record, tmp_path: Path) -> None:
    """One text of 16 MB, said in every one of 500 rows: a file of kilobytes, 8 GB when written out."""
    root = make_dataset("source", version="v3.0", cameras=(), episodes=1, frames=500)
    path = next(root.glob("data/*/*.parquet"))
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 500, pa.int32()), pa.array(["x" * (16 * 2**20)]))
    table = pq.read_table(path, partitioning=None).append_column("note", text)
    pq.write_table(
        table,
        path,
        compression="zstd",
        use_dictionary=["note"],
        store_schema=False,
        write_statistics=False,
        dictionary_pagesize_limit=2**30,
    )
    change_info(
        root, lambda info: info["features"].update(note={"dtype": "string", "shape": [1], "names": None})
    )
    assert path.stat().st_size < 10**6
    for words in (
        ["info", root],
        ["merge", root, "-o", tmp_path / "out", "--memory", "1GB", "--threads", "1"],
        ["query", root, "select count(*) from frames", "--memory", "1GB", "--threads", "1"],
    ):
        done = run_bounded(*words, address_bytes=6 * GB, timeout_s=120)
        assert done.code == (3 if words[0] == "merge" else 0), done
        assert done.peak_bytes < 4 * GB
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


@thorough
def test_a_page_that_claims_to_be_huge(make_dataset: Record, tmp_path: Path) -> None:
    """Bytes of the page headers are others: what they now claim is not believed."""
    root = make_dataset("source", version="v3.0", cameras=(), episodes=1)
    path = next(root.glob("data/*/*.parquet"))
    sound = path.read_bytes()
    for at in range(4, 40):
        path.write_bytes(sound[:at] + b"\xfe\xff\xff\xff\x0f" + sound[at + 5 :])
        if at % 6 == 4:
            done = run("merge", root, "-o", tmp_path / "out", "--overwrite")
            assert len(done.stderr) < 5000
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".")]

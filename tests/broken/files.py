"""Data files and videos that are broken."""

import pyarrow as pa

from broken.damage import (
    CAMERA,
    DATA,
    LFS,
    VIDEO,
    column,
    cut,
    edit_parquet,
    every,
    flipped,
    in_camera,
    moved,
    put,
    retyped,
    without_columns,
)
from broken.datasets import extra_video, hollow
from broken.entry import EQUAL, META3, SAME, V2, V30, VIDEO3, WORKS, Broken, both, names, off
from broken.videos import encoded, same_decoding_times, variable_rate, video, with_audio

FILES: list[Broken] = [
    # Data files
    *both("data without a footer", cut(DATA), names("data_readable"), 3, place="data"),
    *both("empty data file", put(DATA, b""), names("data_readable"), 3, place="data"),
    *both("a web page for data", put(DATA, b"<html>404</html>"), names("data_readable"), 3, place="data"),
    *both("pointer for data", put(DATA, LFS), names("lfs_pulled"), 3, place="data"),
    *both("damaged pages", flipped(DATA), names("data_readable"), 3, place="data"),
    *both("missing data file", put(DATA, None), names("data_readable"), 3, place="data", episode=2),
    Broken("no data file at all", every(*[put(DATA, None)] * 2), names("data_readable"), 3, (V30,)),
    *both(
        "data of other types",
        edit_parquet(DATA, retyped("action", pa.list_(pa.float64()))),
        names("columns"),
        3,
        place="data",
        feature="action",
    ),
    *both(
        "a scalar in a list",
        edit_parquet(DATA, retyped("next.reward", pa.list_(pa.float32()), lambda v: [v])),
        names("columns"),
        3,
        place="data",
        feature="next.reward",
    ),
    Broken(
        "scalars in lists in all files",
        edit_parquet(DATA, retyped("next.reward", pa.list_(pa.float32()), lambda v: [v]), whole=True),
        names("columns"),
        WORKS,
        feature="next.reward",
    ),
    *both(
        "times in lists",
        edit_parquet(DATA, retyped("timestamp", pa.list_(pa.float32()), lambda v: [v])),
        names("columns"),
        3,
        place="data",
        feature="timestamp",
    ),
    *both(
        "undeclared column",
        edit_parquet(DATA, lambda t: t.append_column("mood", pa.array([1] * len(t)))),
        names("columns"),
        3,
        place="data",
        feature="mood",
    ),
    Broken(
        "undeclared column everywhere",
        edit_parquet(DATA, lambda t: t.append_column("mood", pa.array([1] * len(t))), whole=True),
        names("columns"),
        3,
        feature="mood",
    ),
    Broken(
        "declared column that is not there",
        edit_parquet(DATA, without_columns(lambda name: name == "action"), whole=True),
        names("columns"),
        3,
        feature="action",
    ),
    *both(
        "no frame_index",
        edit_parquet(DATA, without_columns(lambda name: name == "frame_index")),
        names("columns"),
        3,
        place="data",
        feature="frame_index",
    ),
    *both(
        "index with a gap",
        edit_parquet(DATA, column("index", moved(5))),
        names("index_dense"),
        EQUAL,
        place="data",
        episode=2,
    ),
    *both(
        "frame_index with a gap",
        edit_parquet(DATA, column("frame_index", lambda v: [*v[:3], *moved(1)(v[3:])])),
        names("episode_rows"),
        3,
        place="data",
        episode=2,
    ),
    *both(
        "times off the grid",
        edit_parquet(DATA, column("timestamp", moved(0.01))),
        names("frame_times"),
        3,
        place="data",
        episode=2,
    ),
    *both(
        "unknown task",
        edit_parquet(DATA, column("task_index", lambda v: [77] * len(v))),
        names("task_indices"),
        3,
        place="data",
        episode=2,
    ),
    # Videos
    *both("empty video", put(VIDEO, b""), names("video_readable"), 4, place="video", episode=2),
    *both("truncated video", cut(VIDEO), names("video_readable"), 4, place="video", episode=2),
    *both("pointer for video", put(VIDEO, LFS), names("lfs_pulled"), 4, place="video", episode=2),
    *both("missing video", put(VIDEO, None), names("video_present"), 3, place="video", episode=2),
    *both(
        "video too short", video(lambda n: encoded(n - 2)), names("video_spans"), 4, place="video", episode=2
    ),
    *both("video too long", video(lambda n: encoded(n + 3)), off("video_surplus"), SAME, place="video"),
    *both("uneven frame times", variable_rate, names("video_grid"), 4, place="video"),
    *both(
        "video of another rate", video(lambda n: encoded(n, fps=15)), names("video_grid"), 4, place="video"
    ),
    *both(
        "video of another size",
        video(lambda n: encoded(n, size=(96, 48))),
        names("video_size"),
        SAME,
        place="video",
        feature=CAMERA,
    ),
    *both("audio track", with_audio, off("video_audio"), SAME, place="video"),
    *both("equal decoding times", same_decoding_times, off("video_decoding_times"), SAME, place="video"),
    *both(
        "camera of two codecs",
        video(lambda n: encoded(n, codec="hevc")),
        off("video_alike"),
        SAME,
        place="video",
    ),
    Broken("hollow camera", hollow, names("video_present"), 3, V2, episode=1, feature=CAMERA),
    Broken("hollow camera", hollow, names("video_named"), 3, (V30,), META3.replace("1.p", "0.p"), 1, CAMERA),
    Broken(
        "wrong from_timestamp",
        in_camera(1, from_timestamp=0.1),
        names("video_order", "video_spans"),
        SAME,
        (V30,),
        episode=1,
        feature=CAMERA,
    ),
    Broken(
        "from_timestamp between frames",
        in_camera(1, from_timestamp=0.21),
        names("video_spans"),
        SAME,
        (V30,),
        episode=1,
        feature=CAMERA,
    ),
    Broken(
        "wrong video file", in_camera(1, file_index=1), names("video_spans"), 4, (V30,), VIDEO3, 1, CAMERA
    ),
    Broken(
        "video that no episode names",
        extra_video,
        off("files_listed"),
        EQUAL,
        (V30,),
        file=f"videos/{CAMERA}/chunk-000/file-007.mp4",
    ),
]

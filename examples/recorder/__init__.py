"""A toy robot that records LeRobot datasets: real Parquet, real mp4, every value known beforehand.

    from recorder import record
    record("demo/morning", episodes=3, frames=30)
    record("demo/archive", version="v2.1", codec="h264", seed=1)

It stands apart from lecompose on purpose: it shows how such a dataset is laid out, and it lets tests
compare what lecompose did with what was recorded. Every number is a function of (seed, episode, frame),
see `value`; every picture carries them as a bar code, see `read_barcode`.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recorder import camera, v2, v3
from recorder.robot import Robot
from recorder.scene import Barcode, picture, read_barcode, value

__all__ = ["Barcode", "Robot", "picture", "read_barcode", "record", "value"]


def record(
    root: str | Path,
    *,
    version: str = "v3.0",
    episodes: int = 3,
    frames: int | Sequence[int] = 10,
    fps: int = 30,
    cameras: Sequence[str] = ("front", "wrist"),
    image_features: Sequence[str] = (),
    size: tuple[int, int] = (64, 48),
    codec: str = "libsvtav1",
    gop: int = 2,
    crf: int = 30,
    tasks: Sequence[str] = ("pick the cup",),
    task_of: Callable[[int, int], str] | None = None,
    seed: int = 0,
    robot_type: str | None = "toy_arm",
    state_dim: int = 6,
    action_dim: int = 6,
    extra_features: Mapping[str, tuple[str, tuple[int, ...], Callable[[int, int], Any]]] | None = None,
    with_stats: bool = True,
    quantiles: bool = True,
    frames_per_data_file: int | None = None,
    frames_per_video_file: int | Mapping[str, int] | None = None,
    episodes_per_meta_file: int | None = None,
    chunks_size: int = 1000,
) -> Path:
    """The folder `root`, now holding a dataset of the given format version.

    `frames` is one length for all episodes or a list with the length of each (`episodes` is then its
    length). `cameras` become videos and `image_features` PNG files inside the Parquet data; a bare name
    such as "front" becomes "observation.images.front". A task is `task_of(episode, frame)`, or the
    `tasks` in turn, one an episode. `extra_features` maps a name to (dtype, shape, function of episode
    and frame).

    The three `…_per_…_file` limits are what LeRobot measures in megabytes, here in frames and episodes,
    so that a tiny v3.0 dataset can have many files; `frames_per_video_file` may differ by camera. v2.x
    has one file an episode and ignores them, and knows no quantiles.

    Shape: `size` is (width, height).
    Errors: FileExistsError if `root` is there; ValueError for a version, codec or length it cannot write.
    """
    robot = Robot(
        seed=seed,
        fps=fps,
        lengths=(frames,) * episodes if isinstance(frames, int) else tuple(frames),
        cameras=tuple(map(_image_key, cameras)),
        images=tuple(map(_image_key, image_features)),
        size=size,
        codec=codec,
        gop=gop,
        crf=crf,
        tasks=tuple(tasks),
        task_of=task_of,
        type=robot_type,
        dims={"observation.state": state_dim, "action": action_dim},
        extra=dict(extra_features or {}),
    )
    if isinstance(frames_per_video_file, Mapping):
        frames_per_video_file = {_image_key(name): n for name, n in frames_per_video_file.items()}
    limits = v3.Limits(frames_per_data_file, frames_per_video_file, episodes_per_meta_file, chunks_size)

    _check(robot, version)
    root = Path(root)
    root.mkdir(parents=True)
    if version == "v3.0":
        v3.write(root, robot, limits=limits, with_stats=with_stats, quantiles=quantiles)
    else:
        v2.write(root, robot, version=version, with_stats=with_stats, chunks_size=chunks_size)
    return root


def _check(robot: Robot, version: str) -> None:
    if version not in ("v2.0", "v2.1", "v3.0"):
        raise ValueError(f"version {version!r}: this recorder writes v2.0, v2.1 and v3.0")
    shortest = camera.encoder(robot.codec).shortest if robot.cameras else 1
    short = [episode for episode, length in enumerate(robot.lengths) if length < shortest]
    if short:
        raise ValueError(f"episodes {short}: {robot.codec} needs {shortest} frames or more")


def _image_key(name: str) -> str:
    return name if "." in name else f"observation.images.{name}"

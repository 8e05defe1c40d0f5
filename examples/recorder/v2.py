"""Formats v2.0 and v2.1: one Parquet file and one mp4 per camera for each episode, metadata in JSON."""

from pathlib import Path
from typing import Any

from recorder import camera, stats, tables
from recorder.robot import Robot

DATA = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
VIDEO = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"


def write(root: Path, robot: Robot, *, version: str, with_stats: bool, chunks_size: int) -> None:
    """Writes the whole dataset into `root`."""
    features = _features(robot, version)
    schema = tables.data_schema(features, list_name="Sequence")
    numbers = [_write_episode(root, robot, episode, schema, chunks_size) for episode in _episodes(robot)]
    if with_stats:
        _write_stats(root, version, numbers)
    meta = root / "meta"
    tables.write_json(meta / "info.json", _info(robot, version, features, chunks_size))
    tasks = [{"task_index": number, "task": task} for task, number in robot.task_numbers.items()]
    tables.write_json_lines(meta / "tasks.jsonl", tasks)
    episodes = [
        {"episode_index": episode, "tasks": robot.episode_tasks(episode), "length": robot.lengths[episode]}
        for episode in _episodes(robot)
    ]
    tables.write_json_lines(meta / "episodes.jsonl", episodes)


def _write_episode(root: Path, robot: Robot, episode: int, schema: Any, chunks_size: int) -> dict[str, Any]:
    where = {"episode_chunk": episode // chunks_size, "episode_index": episode}
    table, columns = tables.data_table(robot, episode, schema)
    tables.write_parquet(root / DATA.format(**where), [table], schema)
    for key in robot.cameras:
        path = root / VIDEO.format(video_key=key, **where)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(robot.clip(key, episode))
    return stats.of_episode(robot, episode, columns, quantiles=False)


def _write_stats(root: Path, version: str, numbers: list[dict[str, Any]]) -> None:
    if version == "v2.1":
        rows = [
            {"episode_index": episode, "stats": {name: stats.as_lists(part) for name, part in parts.items()}}
            for episode, parts in enumerate(numbers)
        ]
        tables.write_json_lines(root / "meta/episodes_stats.jsonl", rows)
        return
    kept = ("mean", "std", "max", "min")  # v2.0 keeps no count
    pooled = {name: stats.as_lists(part) for name, part in stats.pool_all(numbers).items()}
    tables.write_json(
        root / "meta/stats.json",
        {name: {stat: part[stat] for stat in kept} for name, part in pooled.items()},
    )


def _features(robot: Robot, version: str) -> dict[str, Any]:
    width, height = robot.size
    stream = {"video.codec": camera.encoder(robot.codec).stream, "video.pix_fmt": "yuv420p"}
    if version == "v2.0":
        old = {"video.fps": float(robot.fps), **stream, "video.is_depth_map": False, "has_audio": False}
        return robot.features(old, info_key="video_info")
    info = {"video.height": height, "video.width": width, **stream, "video.is_depth_map": False}
    return robot.features({**info, "video.fps": robot.fps, "video.channels": 3, "has_audio": False})


def _info(robot: Robot, version: str, features: dict[str, Any], chunks_size: int) -> dict[str, Any]:
    episodes = len(robot.lengths)
    return {
        "codebase_version": version,
        "robot_type": robot.type,
        "total_episodes": episodes,
        "total_frames": sum(robot.lengths),
        "total_tasks": len(robot.task_numbers),
        "total_videos": episodes * len(robot.cameras),
        "total_chunks": -(-episodes // chunks_size),
        "chunks_size": chunks_size,
        "fps": robot.fps,
        "splits": {"train": f"0:{episodes}"} if episodes else {},
        "data_path": DATA,
        "video_path": VIDEO if robot.cameras else None,
        "features": features,
    }


def _episodes(robot: Robot) -> range:
    return range(len(robot.lengths))

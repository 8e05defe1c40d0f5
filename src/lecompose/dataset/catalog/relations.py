"""The relations of a catalog, which SQL of every later stage joins: their columns and types, whatever the
version of a dataset.

`custom` has the keys of an episode and whatever columns recorders added.
"""

import pyarrow as pa

_EPISODE = {"src_dataset": pa.string(), "src_episode": pa.int64()}

DATASETS = pa.schema(
    {
        "src_dataset": pa.string(),
        "src_position": pa.int64(),
        "path": pa.string(),
        "root": pa.string(),
        "version": pa.string(),
        "fps": pa.float64(),
        "robot_type": pa.string(),
    }
)
FEATURES = pa.schema(
    {
        "src_dataset": pa.string(),
        "position": pa.int64(),
        "feature": pa.string(),
        "dtype": pa.string(),
        "shape": pa.list_(pa.int64()),
        "names": pa.string(),
        "info": pa.string(),
    }
)
DATA_FILES = pa.schema({"src_dataset": pa.string(), "data_file": pa.string(), "size_bytes": pa.int64()})
TASKS = pa.schema(
    {"src_dataset": pa.string(), "src_task": pa.int64(), "task": pa.string(), "row_number": pa.int64()}
)
# What meta/ says of episodes.
DECLARED = pa.schema(
    {
        **_EPISODE,
        "row_number": pa.int64(),
        "length": pa.int64(),
        "tasks": pa.list_(pa.string()),
        "from_index": pa.int64(),
        "to_index": pa.int64(),
        "data_chunk": pa.int64(),
        "data_file_index": pa.int64(),
        "meta_chunk": pa.int64(),
        "meta_file_index": pa.int64(),
        "meta_file": pa.string(),
    }
)
# What the data files hold of them.
PLACEMENT = pa.schema(
    {
        **_EPISODE,
        "data_file": pa.string(),
        "last_data_file": pa.string(),
        "row_from": pa.int64(),
        "row_to": pa.int64(),
        "rows": pa.int64(),
        "in_order": pa.bool_(),
        "index_from": pa.int64(),
        "index_in_order": pa.bool_(),
        "off_grid_s": pa.float64(),
        "task_frames": pa.map_(pa.int64(), pa.uint64()),
    }
)
EPISODES = pa.schema(
    {
        **_EPISODE,
        "length": pa.int64(),
        "seconds": pa.float64(),
        "task": pa.string(),
        "tasks": pa.list_(pa.string()),
        "from_index": pa.int64(),
        "to_index": pa.int64(),
        "data_file": pa.string(),
        "row_from": pa.int64(),
        "row_to": pa.int64(),
        "size_bytes": pa.int64(),
    }
)
CLIPS = pa.schema(
    {
        **_EPISODE,
        "camera": pa.string(),
        "video_file": pa.string(),
        "from_frame": pa.int64(),
        "to_frame": pa.int64(),
        "from_s": pa.float64(),
        "to_s": pa.float64(),
    }
)
LINEAGE = pa.schema(
    {
        **_EPISODE,
        "step": pa.int64(),
        "from_dataset": pa.string(),
        "from_path": pa.string(),
        "from_episode": pa.int64(),
        "from_frame": pa.int64(),
        "to_frame": pa.int64(),
        "command": pa.string(),
        "version": pa.string(),
    }
)

RELATIONS = {
    "datasets": DATASETS,
    "features": FEATURES,
    "data_files": DATA_FILES,
    "tasks": TASKS,
    "declared": DECLARED,
    "placement": PLACEMENT,
    "episodes": EPISODES,
    "clips": CLIPS,
    "lineage": LINEAGE,
}

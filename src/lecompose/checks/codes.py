"""The table of everything that `check` can find, one code each; docs/checks.md is made of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lecompose import formats

Severity = Literal["error", "warning"]

_REWRITE = "lecompose merge DATASET -o OUT, which writes it again"
_FETCH = "fetch or record the file again; lecompose repair DATASET -o OUT saves the other episodes"
_INFO = "correct meta/info.json"
_STATS = "lecompose stats DATASET -o OUT, which computes them again"
_VIDEO = "record or encode the video again; lecompose repair DATASET -o OUT saves the other episodes"


@dataclass(frozen=True)
class Code:
    """One thing that must be true of a dataset: `what` and why it matters, and the remedy where it is not.

    An `error` makes readers lose data, mix it up or refuse it; with a `warning` they cope. A verdict needs
    every row of the relations in `whole`. The SQL is `sql/verify/` + `template`, mostly `name`; `values` are
    bound in it.
    """

    name: str
    severity: Severity
    what: str
    remedy: str
    whole: tuple[str, ...]
    values: Mapping[str, object]
    template: str


def _error(
    name: str,
    what: str,
    remedy: str,
    *whole: str,
    values: Mapping[str, object] | None = None,
    template: str = "",
) -> Code:
    return Code(name, "error", what, remedy, whole, values or {}, template or name)


def _warning(
    name: str, what: str, remedy: str, *whole: str, values: Mapping[str, object] | None = None
) -> Code:
    return Code(name, "warning", what, remedy, whole, values or {}, name)


# What is found while files are read.
READING = (
    _error(
        "info_readable",
        "meta/info.json exists and is a JSON object with features.",
        "fetch meta/info.json again",
    ),
    _error(
        "lfs_pulled",
        "Git LFS has fetched every file; none is only a pointer.",
        "git lfs pull, in the folder of the dataset",
    ),
    _error(
        "metadata_readable",
        "The other files in meta/ exist and can be read to the end.",
        "fetch the file again; after a crash, lecompose repair DATASET -o OUT reads the data files",
    ),
    _error(
        "text_encoding",
        "The JSON files in meta/ are UTF-8 without a byte order mark. LeRobot reads no others.",
        _REWRITE,
    ),
    _error("data_readable", "Every data file exists and is a whole parquet file.", _FETCH),
    _error(
        "info_version",
        "codebase_version is v2.0, v2.1 or v3.0. Readers read the dataset by it.",
        "set codebase_version in meta/info.json to what the folder holds",
    ),
    _warning(
        "version_newer",
        "lecompose knows the codebase_version. It reads other versions of v3 as v3.0.",
        "use a newer lecompose, or write v3.0 in meta/info.json",
    ),
    _error("info_fps", "fps is a number above 0. Times cannot be computed without it.", _INFO),
    _warning(
        "fps_whole",
        "fps is a whole number, unless --retime or --fps set it. LeRobot records only whole numbers.",
        _INFO,
    ),
    _error(
        "info_limits",
        "chunks_size is a whole number above 0, and in v3.0 the file sizes are numbers above 0. LeRobot"
        " computes paths with chunks_size, and refuses to load the dataset with other values.",
        _INFO,
    ),
    _warning("robot_type", "robot_type is text or null.", _INFO),
    _error(
        "feature_specs",
        "Every feature has a name, and info.json or the files tell its dtype and shape.",
        f"{_INFO}; lecompose repair DATASET -o OUT leaves the feature out",
    ),
    _error(
        "feature_filled",
        "info.json declares the dtype and the shape of every feature. LeRobot does not take them from the"
        " files.",
        _REWRITE,
    ),
    _warning(
        "feature_spelling",
        "Features are declared as LeRobot writes them: dtypes by their names, shapes as whole numbers, names"
        " as a list, camera properties in info.",
        _REWRITE,
    ),
    _warning(
        "picture_layout",
        "A camera's shape is height, width, channels or channels, height, width, with those names. LeRobot"
        " cannot train on it otherwise.",
        _REWRITE,
    ),
    _error("picture_size", "Pictures in data files have the declared size.", _REWRITE),
    _error(
        "pictures_empty",
        "Every picture of an image feature has bytes or a path. LeRobot cannot load a null.",
        "lecompose repair DATASET -o OUT, which leaves these episodes out; or record them again",
    ),
    _error(
        "pictures_alike",
        "All pictures of an image feature have one size. LeRobot cannot batch others. Without --decode the"
        " first of each row group is looked at.",
        "lecompose delete DATASET --episodes NUMBERS -o OUT, which leaves these episodes out; or record them"
        " again",
    ),
    _error(
        "video_exchanged",
        "No two video files of a camera have the numbers of frames that each other's episodes take. All that"
        " reads pictures refuses such files: they seem to be exchanged.",
        "lecompose repair DATASET -o OUT, which finds the files of episodes by their numbers of frames; or"
        " exchange the files",
    ),
    _warning("video_info", "What info.json says of a camera's videos is true of its files.", _REWRITE),
    _warning(
        "depth_marks",
        "A camera of depth maps, and no other, is marked by info.is_depth_map.",
        _REWRITE,
    ),
    _warning(
        "other_files",
        "All that lies in the dataset's folder is part of it. Operations leave out whatever else is there.",
        "keep the folder itself, or carry these files over by hand",
    ),
    _error(
        "episode_fields",
        "Each episode has its number, length, tasks and pointers, as whole numbers.",
        "correct the episode list; the data files have the lengths",
    ),
)

# One file of `sql/verify/` each, in the order in which a reader would trip over them.
PROMISES = (
    _warning("no_episodes", "The dataset has at least one episode.", "record an episode", "declared"),
    _error(
        "info_totals",
        "total_episodes, total_frames and total_tasks are true. LeRobot loads that many.",
        _REWRITE,
        "declared",
        "tasks",
    ),
    _warning(
        "info_splits",
        "splits, and in v2.x total_videos and total_chunks, are true.",
        _REWRITE,
        "declared",
    ),
    _error(
        "path_templates",
        "data_path and video_path lead to the files. In v3.0 they are the usual ones, which LeRobot's tools"
        " use whatever info.json says.",
        "rename the folder, or correct the path in meta/info.json",
        values={"data_path": formats.DATA_PATH, "video_path": formats.VIDEO_PATH},
    ),
    _error(
        "default_features",
        "timestamp, frame_index, episode_index, index and task_index are declared, with their types.",
        _INFO,
        values={
            "names": list(formats.DEFAULT_FEATURES),
            "dtypes": [spec["dtype"] for spec in formats.DEFAULT_FEATURES.values()],
        },
    ),
    _warning("feature_names", "A feature has as many names as dimensions.", _INFO),
    _error(
        "tasks_dense",
        "Row i of the task list is task i, with a text. Readers take the row number.",
        _REWRITE,
        "tasks",
    ),
    _warning("tasks_unique", "No two tasks have the same text. A search by text would find both.", _REWRITE),
    _error(
        "tasks_indexed",
        "v3.0: pandas takes the task strings for the index of tasks.parquet. LeRobot reads them there.",
        _REWRITE,
    ),
    _error("episodes_unique", "Each episode is listed once and has a number.", "correct the episode list"),
    _error(
        "episodes_dense",
        "Row i of the episode list is episode i, over its files in path order. Readers take the row number.",
        _REWRITE,
        "declared",
    ),
    _error(
        "episode_spans",
        "v3.0: dataset_from_index and dataset_to_index count up from 0 by the lengths, without a gap.",
        _REWRITE,
        "declared",
    ),
    _error(
        "episode_rows",
        "Each listed episode has as many rows as its length, together in one file, with frame_index from 0.",
        "lecompose repair DATASET -o OUT, which corrects lengths and leaves out torn episodes",
    ),
    _error(
        "episodes_listed",
        "Every row of the data files belongs to a listed episode. Readers use the others as frames, too.",
        "lecompose repair DATASET -o OUT, which lists those that are whole; merge leaves them out",
        "declared",
    ),
    _error(
        "index_dense",
        "A row's index is its position in the data files, in path order. Readers fetch rows by index.",
        "lecompose repair DATASET -o OUT, which writes it again",
        "placement",
    ),
    _error(
        "data_pointers",
        "An episode's metadata or number names the data file that has its rows.",
        _REWRITE,
    ),
    _error(
        "episode_pointers",
        "v3.0: meta/episodes/chunk_index and file_index name the file that has the row. LeRobot's tools"
        " open that file.",
        _REWRITE,
        values={"episodes_format": formats.path_format(formats.EPISODES_PATH, ("chunk_index", "file_index"))},
    ),
    _error(
        "frame_times",
        "The timestamp of frame i is i / fps, within LeRobot's tolerance. Readers find pictures by it.",
        "correct fps, or lecompose repair DATASET -o OUT, which corrects the times of jittery frames",
        "fps",
        values={"tolerance_s": formats.TOLERANCE_S},
    ),
    _error(
        "task_indices",
        "Every row has a task_index, and the task list has one text for it.",
        "lecompose repair DATASET -o OUT, which takes the texts that episodes list; or correct the task list",
        "tasks",
    ),
    _warning(
        "task_columns",
        "Other features with task numbers, called annotation.* or listed by meta/modality.json, have only"
        " numbers of the task list.",
        "add the tasks to the task list; --task-column FEATURE=no, with each command, if these are no tasks",
        "tasks",
    ),
    _warning(
        "episode_tasks",
        "An episode lists the tasks of all its frames, and only tasks of the task list.",
        _REWRITE,
        "tasks",
        "task_lists",
    ),
    _error(
        "columns",
        "Each data file has exactly the declared columns, with the declared types.",
        "declare the column in meta/info.json as the file has it, or remove it from the file",
    ),
    _warning(
        "huggingface_metadata",
        "Data files give Hugging Face `datasets` the declared type of every column, for the Hub's viewer.",
        _REWRITE,
    ),
    _error(
        "data_files_named",
        "v3.0: parquet files are chunk-NNN/file-NNN, from 000/000 without a gap. Readers read all of them.",
        "move other files out of the folder; lecompose merge DATASET -o OUT closes gaps",
    ),
    _warning(
        "files_listed",
        "Every data and video file belongs to an episode.",
        "lecompose repair DATASET -o OUT where episodes lack pictures: it may be theirs; remove it otherwise",
        "declared",
        "clips",
    ),
    _warning("row_groups", "Each row group of a data file is one whole episode.", _REWRITE),
    _warning(
        "episode_columns",
        "Statistics and video columns of episodes belong to declared features, and all files have the same.",
        _STATS,
    ),
    _error(
        "pictures_present",
        "Every picture that a data file names by path only is in the dataset.",
        _FETCH,
    ),
    _error(
        "pictures_embedded",
        "Pictures of image features are in the data files. LeRobot looks for paths where it is run.",
        "lecompose merge DATASET -o OUT, which puts them into its data files",
    ),
    _error(
        "video_named",
        "v3.0: each episode names a video file for each camera. Readers cannot find its pictures otherwise.",
        "lecompose repair DATASET -o OUT, which leaves the episode out, or the camera with --remove",
    ),
    _error(
        "video_present",
        "The video file of every episode and camera exists.",
        _FETCH,
        values={"fault": "missing"},
        template="video_fault",
    ),
    _error(
        "video_readable",
        "Every video file can be read.",
        _FETCH,
        values={"fault": "unreadable"},
        template="video_fault",
    ),
    _error(
        "video_spans",
        "An episode's clip lies inside its file, on whole frames, and is as long as its data. LeRobot does"
        " not read to_timestamp: where that alone is off, it gives the right pictures.",
        "lecompose repair DATASET -o OUT, which corrects pointers where the file has the frames, and saves"
        " the other episodes where it has not; record those again",
        "fps",
    ),
    _error(
        "video_overlap",
        "No frame of a video is that of two episodes or two cameras, unless an episode is there twice, with"
        " equal rows. Operations that read pictures refuse others: whose pictures these are is not known.",
        "lecompose repair DATASET -o OUT, which finds clips by the order of the episodes",
        "fps",
    ),
    _warning(
        "video_surplus",
        "Every frame of a video belongs to an episode. Readers never show other frames.",
        "look whether these are the episodes' videos; then lecompose merge DATASET -o OUT drops the rest",
        "declared",
        "clips_whole",
        "fps",
    ),
    _error(
        "video_grid",
        "Frame k of a video is shown at k / fps, and its header has the dataset's fps. Readers seek by time.",
        _VIDEO,
        "fps",
        values={"tolerance_s": formats.TOLERANCE_S},
    ),
    _error(
        "video_order",
        "v3.0: a camera's files, from 000/000, and their clips are in episode order.",
        "lecompose repair DATASET -o OUT, which corrects pointers; if only the order is wrong, merge",
        "fps",
    ),
    _error("video_size", "The frames of a video have the declared height and width.", _INFO),
    _warning(
        "video_alike",
        "All files of a camera have the same codec and pixel format.",
        "encode the odd files again",
    ),
    _warning("video_decoding_times", "No two frames of a video have the same decoding time.", _REWRITE),
    _warning(
        "video_audio",
        "A video has no sound. Operations drop it.",
        "keep the original files if the sound matters",
    ),
    _error(
        "stats_keys",
        "v3.0, v2.0: stats.json has the statistics of exactly the declared features, in their shapes."
        " Training normalises by them.",
        _STATS,
        "stats_facts",
    ),
    _error(
        "picture_stats",
        "Statistics of colours are from 0 to 1. LeRobot divides pictures by 255, and normalises by these.",
        "lecompose merge DATASET -o OUT, which divides them",
        "stats_facts",
        "episode_stats_facts",
    ),
    _warning(
        "stats_bookkeeping",
        "stats.json is true about index, frame_index, episode_index and task_index.",
        _STATS,
        "placement",
    ),
    _warning(
        "episode_stats",
        "An episode's statistics are true about its count, index, episode_index and task_index.",
        _STATS,
        "declared",
    ),
    _warning(
        "episode_stats_listed",
        "v2.1, v3.0: exactly the listed episodes have statistics.",
        _STATS,
        "declared",
        "episode_stats_facts",
    ),
)

DECODING = (
    _error(
        "pictures_decode",
        "With --decode: every picture of videos and image columns can be decoded.",
        "record or encode the video again, or leave its episodes out with lecompose delete",
    ),
)

CODES: dict[str, Code] = {code.name: code for code in (*READING, *PROMISES, *DECODING)}

"""What `check` holds a dataset against: a row a code, and docs/checks.md is made of these rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lecompose import formats

Severity = Literal["error", "warning"]

_ANEW = "lecompose merge DATASET -o OUT, which writes this anew"
_AGAIN = "fetch or record the file again; lecompose repair DATASET -o OUT saves the others"
_INFO = "correct meta/info.json"
_STATS = "lecompose stats DATASET -o OUT, which computes them anew"
_VIDEO = "record or encode the video again; lecompose repair DATASET -o OUT saves the others"


@dataclass(frozen=True)
class Code:
    """One thing that must hold of a dataset: `what`, why it matters, and what to do where it does not.

    An `error` makes a reader lose or mix something, or refuse; with a `warning` readers cope. `whole` are
    the relations of which no part may be missing for a verdict; `values` are bound in its SQL.
    """

    name: str
    severity: Severity
    what: str
    remedy: str
    whole: tuple[str, ...] = ()
    values: Mapping[str, object] = field(default_factory=dict)


def _error(
    name: str, what: str, remedy: str, *whole: str, values: Mapping[str, object] | None = None
) -> Code:
    return Code(name, "error", what, remedy, whole, values or {})


def _warning(
    name: str, what: str, remedy: str, *whole: str, values: Mapping[str, object] | None = None
) -> Code:
    return Code(name, "warning", what, remedy, whole, values or {})


# What is found while files are read.
READING = (
    _error(
        "info_readable", "meta/info.json is there: a JSON object with features.", "fetch meta/info.json again"
    ),
    _error(
        "lfs_pulled",
        "Every file is itself, not the Git LFS pointer that stands for it.",
        "git lfs pull, in the folder of the dataset",
    ),
    _error(
        "metadata_readable",
        "The other files in meta/ are there and can be read to the end.",
        "fetch the file again; what only a crash took is in the data files",
    ),
    _error("data_readable", "Every data file is there, and a whole parquet file.", _AGAIN),
    _error(
        "info_version",
        "codebase_version is v2.0, v2.1 or v3.0. Readers choose how to read by it.",
        "set codebase_version in meta/info.json to what the folder holds",
    ),
    _warning(
        "version_newer",
        "codebase_version is one that lecompose knows by that name. Others of v3 are read as v3.0.",
        "a newer lecompose, or v3.0 in meta/info.json",
    ),
    _error("info_fps", "fps is a number above 0. Without it no time can be told.", _INFO),
    _warning(
        "fps_whole",
        "fps is a whole number, unless --retime or --fps asked for another. LeRobot records no other.",
        _INFO,
    ),
    _error(
        "info_limits",
        "chunks_size is a whole number above 0, and so are, in v3.0, the sizes of files. LeRobot computes"
        " paths with the first, and refuses to load with others.",
        _INFO,
    ),
    _warning("robot_type", "robot_type is text, or null.", _INFO),
    _error("feature_specs", "Every feature has a name, a dtype that LeRobot knows, and a shape.", _INFO),
    _error(
        "episode_fields",
        "Each episode has its number, length, tasks and pointers, as whole numbers.",
        "correct the episode list; lengths can be counted in the data files",
    ),
)

# One file of `sql/verify/` each, in the order in which a reader would trip over them.
PROMISES = (
    _warning("no_episodes", "There is at least one episode.", "record one", "declared"),
    _error(
        "info_totals",
        "total_episodes, total_frames and total_tasks are those of the dataset. LeRobot loads so many.",
        _ANEW,
        "declared",
        "tasks",
    ),
    _warning(
        "info_splits",
        "splits, and in v2.x total_videos and total_chunks, fit the dataset.",
        _ANEW,
        "declared",
    ),
    _error(
        "path_templates",
        "data_path and video_path lead to the files. In v3.0 they are the ones that LeRobot's tools expect"
        " whatever info.json says.",
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
        "tasks_dense", "Row i of the task list is task i, with a text. Readers go by the row.", _ANEW, "tasks"
    ),
    _warning("tasks_unique", "No two tasks have the same text. Searching one by its text finds both.", _ANEW),
    _error(
        "tasks_indexed",
        "v3.0: the task strings are the index of tasks.parquet to pandas. LeRobot looks there.",
        _ANEW,
    ),
    _error(
        "episodes_unique", "No episode is listed twice, and each has a number.", "correct the episode list"
    ),
    _error(
        "episodes_dense",
        "Row i of the episode list, over its files in path order, is episode i. Readers go by the row.",
        _ANEW,
        "declared",
    ),
    _error(
        "episode_spans",
        "v3.0: dataset_from_index and dataset_to_index follow each other from 0, as the lengths say.",
        _ANEW,
        "declared",
    ),
    _error(
        "episode_rows",
        "Each listed episode has its length of rows, together in one file, frame_index running from 0.",
        "lecompose repair DATASET -o OUT, which corrects lengths and leaves out what is torn",
    ),
    _error(
        "episodes_listed",
        "No data file has rows of an episode that the list lacks. Readers take them for frames.",
        "lecompose repair DATASET -o OUT, which takes them in where it can; merge leaves them behind",
        "declared",
    ),
    _error(
        "index_dense",
        "A row's index is its position over the data files in path order. Readers fetch rows by it.",
        _ANEW,
        "placement",
    ),
    _error(
        "data_pointers",
        "The data file that an episode's metadata or number names is the one with its rows.",
        _ANEW,
    ),
    _error(
        "episode_pointers",
        "v3.0: meta/episodes/chunk_index and file_index name the file that the row is in. LeRobot's tools"
        " open it.",
        _ANEW,
        values={"episodes_format": formats.path_format(formats.EPISODES_PATH, ("chunk_index", "file_index"))},
    ),
    _error(
        "frame_times",
        "The timestamp of frame i is i / fps, within LeRobot's tolerance. Videos are read by it.",
        "correct fps; lecompose repair DATASET -o OUT times jittery frames anew",
        "fps",
        values={"tolerance_s": formats.TOLERANCE_S},
    ),
    _error(
        "task_indices",
        "Every row has a task_index for which the task list has one text.",
        "add the task to the task list",
        "tasks",
    ),
    _warning(
        "episode_tasks",
        "An episode lists the tasks of all its frames, and only tasks that the dataset knows.",
        _ANEW,
        "tasks",
        "task_lists",
    ),
    _error(
        "columns",
        "Each data file has the declared columns, with the declared types, and no other.",
        "declare the column in meta/info.json as it is, or remove it from the file",
    ),
    _warning(
        "huggingface_metadata",
        "Data files tell Hugging Face `datasets` the declared type of every column, for the Hub's viewer.",
        _ANEW,
    ),
    _error(
        "data_files_named",
        "v3.0: parquet files are chunk-NNN/file-NNN, from 000/000 without a gap. Readers take them all.",
        "move what is no data out of the folder; lecompose merge DATASET -o OUT closes gaps",
    ),
    _warning(
        "files_listed",
        "Every data and video file belongs to an episode.",
        "remove the file",
        "declared",
        "clips",
    ),
    _warning("row_groups", "Each row group of a data file is one whole episode.", _ANEW),
    _warning(
        "episode_columns",
        "Statistics and video columns of episodes belong to declared features, and are alike in all files.",
        _STATS,
    ),
    _error(
        "video_named",
        "v3.0: each episode names a video file for each camera, or the camera is hollow.",
        "lecompose repair DATASET -o OUT, which leaves the episode out, or with --remove the camera",
    ),
    _error("video_present", "The video file of every episode and camera is there.", _AGAIN),
    _error("video_readable", "Every video file can be read.", _AGAIN),
    _error(
        "video_spans",
        "An episode's clip lies inside its file, on whole frames, and is as long as its data.",
        _VIDEO,
        "fps",
    ),
    _warning(
        "video_surplus",
        "Every frame of a video belongs to an episode. Readers never show the others.",
        "lecompose merge DATASET -o OUT, which leaves them behind",
        "declared",
        "clips_whole",
        "fps",
    ),
    _error(
        "video_grid",
        "Frame k of a video is shown at k / fps, and its header has the dataset's fps. Readers go by time.",
        _VIDEO,
        "fps",
        values={"tolerance_s": formats.TOLERANCE_S},
    ),
    _error(
        "video_order",
        "v3.0: a camera's files, from 000/000, and the clips in them follow the episodes; none overlap.",
        "lecompose repair DATASET -o OUT, which corrects pointers; where only the order is off, merge",
        "fps",
    ),
    _error("video_size", "The frames of a video have the declared height and width.", _INFO),
    _warning(
        "video_alike", "All files of a camera have the same codec and pixel format.", "encode one kind again"
    ),
    _warning("video_decoding_times", "No two frames of a video have the same time of decoding.", _ANEW),
    _warning(
        "video_audio", "A video has no sound. No operation carries it.", "keep the originals, if it matters"
    ),
    _error(
        "stats_keys",
        "v3.0, v2.0: stats.json has each declared feature's statistics, in its shape, and no other. Training"
        " normalises by them.",
        _STATS,
        "stats_facts",
    ),
    _warning(
        "stats_bookkeeping",
        "stats.json is true about index, frames, episodes and tasks.",
        _STATS,
        "placement",
    ),
    _warning(
        "episode_stats",
        "An episode's statistics are true about its count and its numbering.",
        _STATS,
        "declared",
    ),
    _warning(
        "episode_stats_listed",
        "v2.1, v3.0: there are statistics of each episode, and of no other.",
        _STATS,
        "declared",
        "episode_stats_facts",
    ),
)

DECODING = (
    _error(
        "pictures_decode",
        "With --decode: every picture, of videos and of image columns, decodes.",
        "record or encode the video again, or leave its episodes out: lecompose delete",
    ),
)

# What a source must keep so that its episodes can be told apart and copied whole.
REQUIREMENTS = ("episodes_unique", "episode_rows", "frame_times", "task_indices")
# What a composition passes on as it is, and is therefore no promise of its output.
PASSED_ON = ("robot_type", "feature_names", "video_size", "video_alike")
# What no composition can carry.
REMARKS = ("episodes_listed",)

CODES: dict[str, Code] = {code.name: code for code in (*READING, *PROMISES, *DECODING)}

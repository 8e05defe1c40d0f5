"""The table of options that every operation which writes a dataset takes.

From it are made: the keyword arguments of the public functions, the options of the command line, and the
words in which a command is recorded in `meta/lineage.parquet`. It loads no library, for `--help` reads it.
"""

from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """What an option takes."""

    TEXT = auto()
    NUMBER = auto()
    COUNT = auto()
    CHOICE = auto()
    NAMES = auto()  # repeatable
    PAIRS = auto()  # left=right, repeatable
    TABLES = auto()  # name=file, repeatable; in Python tables, too
    QUANTILES = auto()
    SWITCH = auto()
    OBJECT = auto()  # of Python only


FEATURES, FILES, MACHINES, RESOURCES = "Features", "Videos and files", "Many machines", "Resources"


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option. `heading` is where `--help` lists it; None: among a command's own options.

    `spelled` is the word on the command line where the name is no word of Python's.
    A recorded option is part of the command that outputs remember: others change no byte of them.
    """

    name: str
    kind: Kind
    default: object = None
    heading: str | None = None
    help: str = ""
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    least: int | None = None
    is_recorded: bool = True
    spelled: str | None = None

    @property
    def flag(self) -> str:
        """The word on the command line; a switch that is on by default is turned off by it."""
        if self.spelled is not None:
            return self.spelled
        words = self.name.replace("_", "-")
        return f"--no-{words}" if self.default is True else f"--{words}"


OPTIONS = (
    Option(
        name="with_tables",
        kind=Kind.TABLES,
        default=(),
        heading=FEATURES,
        metavar="NAME=FILE",
        spelled="--with",  # a word of Python's
        help="A table of yours that SQL may ask beside ours: CSV with names in its first line, parquet, or"
        " JSON lines. Repeatable.",
    ),
    Option(
        name="robot_type",
        kind=Kind.TEXT,
        heading=FEATURES,
        metavar="NAME",
        help="The output's robot_type, where the sources' differ.",
    ),
    Option(
        name="fps",
        kind=Kind.TEXT,
        heading=FEATURES,
        metavar="N",
        help="The output's rate. The sources' rates are whole multiples of it: frames between are left out,"
        " and videos are encoded again.",
    ),
    Option(
        name="remove",
        kind=Kind.NAMES,
        default=(),
        heading=FEATURES,
        metavar="[NAME:]FEATURE",
        help="Leave out a feature or camera, of every source or of the one called NAME. Repeatable.",
    ),
    Option(
        name="rename",
        kind=Kind.PAIRS,
        default=(),
        heading=FEATURES,
        metavar="[NAME:]OLD=NEW",
        help="Another name for a feature or camera, of every source or of the one called NAME. Repeatable.",
    ),
    Option(
        name="add",
        kind=Kind.PAIRS,
        default=(),
        heading=FEATURES,
        metavar="FEATURE[:DTYPE[SHAPE]]=SQL",
        help="A new feature, as next.reward:float32 or speed:float32[6], from an SQL expression over a frame"
        " and its episode. Repeatable.",
    ),
    Option(
        name="set",
        kind=Kind.PAIRS,
        default=(),
        heading=FEATURES,
        metavar="[NAME:]FEATURE[N]=SQL",
        help="Another value for one dimension of a vector, counted from 1 as in SQL: action[6]=action[6]*100."
        " The SQL sees the source's own values. Repeatable.",
    ),
    Option(
        name="take",
        kind=Kind.PAIRS,
        default=(),
        heading=FEATURES,
        metavar="[NAME:]FEATURE=LIST",
        help="Keep only these dimensions of a vector, in this order, with their names: 1,3,5:7 are 1, 3, 5"
        " and 6. Repeatable.",
    ),
    Option(
        name="pad",
        kind=Kind.PAIRS,
        default=(),
        heading=FEATURES,
        metavar="[NAME:]FEATURE=N[:VALUE]",
        help="More dimensions for a vector, N in all, of one value (0), named pad_N. --set comes before"
        " --take, and that before --pad. Repeatable.",
    ),
    Option(
        name="features",
        kind=Kind.CHOICE,
        default="same",
        choices=("same", "common", "union"),
        heading=FEATURES,
        help="Where the sources' features differ: refuse, keep those that all have, or keep all and --fill.",
    ),
    Option(
        name="fill",
        kind=Kind.CHOICE,
        default="null",
        choices=("null", "zero"),
        heading=FEATURES,
        help="What --features union writes for a source that lacks a feature.",
    ),
    Option(
        name="cast",
        kind=Kind.PAIRS,
        default=(),
        heading=FEATURES,
        metavar="FEATURE=DTYPE",
        help="A dtype that cannot hold every value, as float32 for float64. Repeatable. A wider dtype that"
        " one of the sources has is taken without this option.",
    ),
    Option(
        name="task_column",
        kind=Kind.NAMES,
        default=(),
        heading=FEATURES,
        metavar="FEATURE[=no]",
        help="A feature whose values are task numbers, which go with the task list as task_index does. Those"
        " listed by meta/modality.json, called annotation.human.*, or called annotation.* and with tasks that"
        " no frame has, are found without it; =no says that one is not. Repeatable.",
    ),
    Option(
        name="data_mb",
        kind=Kind.NUMBER,
        default=100,
        heading=FILES,
        help="Size of a data file, MiB.",
    ),
    Option(
        name="video_mb",
        kind=Kind.NUMBER,
        default=200,
        heading=FILES,
        help="Size of a video file, MiB.",
    ),
    Option(
        name="chunk_files",
        kind=Kind.COUNT,
        default=1000,
        heading=FILES,
        help="Files in a chunk folder.",
    ),
    Option(
        name="concatenate_data",
        kind=Kind.SWITCH,
        default=True,
        heading=FILES,
        help="Write one data file for each data file of a source, whatever its size.",
    ),
    Option(
        name="concatenate_videos",
        kind=Kind.SWITCH,
        default=True,
        heading=FILES,
        help="Write one video file for each video file of a source, whatever its size.",
    ),
    Option(
        name="link",
        kind=Kind.SWITCH,
        default=False,
        heading=FILES,
        help="Hard-link video files that go whole into the output, instead of copying them: two names of one"
        " file. Where that cannot be, they are copied. Always so with --in-place.",
    ),
    Option(
        name="row_groups",
        kind=Kind.CHOICE,
        default="episode",
        choices=("episode", "packed"),
        heading=FILES,
        help="One parquet row group for each episode, as LeRobot writes, or few large ones: smaller files.",
    ),
    Option(
        name="rewrite_data",
        kind=Kind.SWITCH,
        default=False,
        heading=FILES,
        help="Decode data and encode it again, even where it could be copied: pictures in small pages, which"
        " are quick to read at random.",
    ),
    Option(
        name="reencode",
        kind=Kind.SWITCH,
        default=True,
        heading=FILES,
        help="Fail where the video of an episode cannot be cut at its start or end, instead of encoding it"
        " again.",
    ),
    Option(
        name="quantiles",
        kind=Kind.QUANTILES,
        default="0.01,0.1,0.5,0.9,0.99",
        heading=FILES,
        metavar="LIST",
        help="The quantiles that the statistics hold, in hundredths.",
    ),
    Option(
        name="skip_broken",
        kind=Kind.SWITCH,
        default=False,
        heading=FILES,
        help="Take what can be saved of damaged datasets, as repair does, and list what could not.",
    ),
    Option(
        name="overwrite",
        kind=Kind.SWITCH,
        default=False,
        help="Replace an existing dataset, once the new one is done.",
        is_recorded=False,
    ),
    Option(
        name="dry_run",
        kind=Kind.SWITCH,
        default=False,
        help="Show the plan and the files; write nothing.",
        is_recorded=False,
    ),
    Option(
        name="threads",
        kind=Kind.COUNT,
        least=1,
        heading=RESOURCES,
        help="Threads to use.  [default: all cores]",
        is_recorded=False,
    ),
    Option(
        name="memory",
        kind=Kind.TEXT,
        heading=RESOURCES,
        metavar="SIZE",
        help='Memory to stay within, as "4GB".  [default: 80% of the machine]',
        is_recorded=False,
    ),
    Option(
        name="runner",
        kind=Kind.TEXT,
        heading=MACHINES,
        metavar="NAME",
        help="Who carries the jobs out, one for each output file: threads of this process, ray (this"
        " machine's cluster, or a new one on it), ray://HOST:PORT, or slurm.  [default: threads]",
        is_recorded=False,
    ),
    Option(
        name="slurm",
        kind=Kind.TEXT,
        heading=MACHINES,
        metavar="OPTIONS",
        help='Options of sbatch, as "partition=cpu time=2:00:00 mem=4G". tasks=N and at-once=N limit the'
        " arrays.",
        is_recorded=False,
    ),
    Option(
        name="wait",
        kind=Kind.SWITCH,
        default=False,
        heading=MACHINES,
        help="With --runner slurm: stay until the output is in place, instead of leaving the rest to SLURM.",
        is_recorded=False,
    ),
    Option(name="progress", kind=Kind.OBJECT, is_recorded=False),
)

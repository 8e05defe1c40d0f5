"""`lecompose edit`: tasks, features, info."""

from typing import Any

import click

from lecompose.cli import options
from lecompose.cli.command import StrictCommand
from lecompose.cli.run_operation import run_operation


@click.group()
def edit() -> None:
    """Copy a dataset with other tasks, features or metadata.

    The new dataset goes to -o, or with --in-place into the place of the old one, once it is written and
    checked: an edit is done whole, or not at all. Videos are copied, not decoded.
    """


@edit.command(cls=StrictCommand)
@options.source
@click.option("--task", metavar="TEXT", help="The task of every frame.")
@click.option(
    "--episode",
    "episodes",
    metavar="EPISODES=TEXT",
    multiple=True,
    help='The task of some episodes, as in "0,3:7=wave"; overrides the task for all. Repeatable.',
)
@click.option(
    "--replace",
    metavar="OLD=NEW",
    multiple=True,
    help="A new text for a task, wherever it stands. Repeatable.",
)
@click.option(
    "--sql",
    metavar="SQL",
    help='An expression over `episodes`, for each task of each episode, as in "trim(lower(task))". Where it'
    " is null the task stays.",
)
@options.output_or_in_place
@options.layout
@options.engine
@options.as_json
def tasks(source: str, **request: Any) -> None:
    """Give episodes other tasks.

    \b
    Examples:
      lecompose edit tasks day/ -o fixed/ --task "Pick up the cup"
      lecompose edit tasks day/ -o fixed/ --episode "0,3:7=Open the drawer" --episode "8=Close it"
      lecompose edit tasks day/ --in-place --replace "pick cup=Pick up the cup"
      lecompose edit tasks day/ -o fixed/ --sql "case when length < 50 then 'short: ' || task end"
    """
    run_operation("edit_tasks", source, **request)


@edit.command(cls=StrictCommand)
@options.source
@options.output_or_in_place
@options.layout
@options.engine
@options.as_json
def features(source: str, **request: Any) -> None:
    """Remove, rename, cast and add features; set, take and pad dimensions of vectors.

    --remove and --rename are of cameras, too. --add takes an SQL expression over the columns of `frames`,
    with those of the frame's episode beside them (length, task, your own); a window sees other frames.
    Without a dtype it is bool, int64, float32, float64 or string by the type in SQL. A feature that is
    removed and added is computed from what it was. Statistics are those of the new values.

    --set, --take and --pad are of single dimensions, which count from 1, as in SQL; their names go with
    them. Whatever their order on the command line: features are removed; of vectors dimensions are set, then
    taken, then padded; then features are renamed and cast, and new ones added. All SQL sees the source's
    values.

    \b
    Examples:
      lecompose edit features day/ -o slim/ --remove observation.images.wrist
      lecompose edit features day/ -o paid/ \\
        --add "next.reward:float32=case when frame_index = length - 1 then 1 else 0 end"
      lecompose edit features day/ -o fast/ \\
        --add "delta=action[1] - first(action[1]) over (partition by src_episode order by frame_index)"
      lecompose edit features day/ -o moves/ --add "delta:float32[6]=action - lag(action)"
      lecompose edit features day/ -o percent/ --set "action[6]=action[6]*100"
      lecompose edit features day/ -o wide/ --pad observation.state=7 --pad action=7:0.5
      lecompose edit features day/ -o arm/ --take action=1:6 --take observation.state=1:6
    """
    run_operation("edit_features", source, **request)


@edit.command(cls=StrictCommand)
@options.source
@click.option(
    "--add",
    metavar="COLUMN[:DTYPE]=SQL",
    multiple=True,
    help="A column, or other values for one: an expression over `episodes`, as success:bool=length > 100."
    " Repeatable.",
)
@click.option("--remove", metavar="COLUMN", multiple=True, help="Leave out a column. Repeatable.")
@click.option("--null", "allow_null", is_flag=True, help="Let episodes have no value.")
@options.output_or_in_place
@options.layout_of_episodes
@options.engine
@options.as_json
def episodes(source: str, **request: Any) -> None:
    """Make, change and remove per-episode columns of meta/episodes.

    They stand beside LeRobot's own columns, survive every command, and are read by query, filter,
    split --by, sort and sample. Without a dtype the SQL's type decides.

    \b
    Examples:
      lecompose edit episodes day/ --in-place --add "long:bool=length > 300" --remove note
      lecompose edit episodes day/ -o rated/ --with labels=labels.csv \\
        --add "success:bool=(select l.success from labels l where l.episode = src_episode)"
    """
    run_operation("edit_episodes", source, **request)


@edit.command(cls=StrictCommand)
@options.source
@click.option(
    "--retime",
    metavar="FPS",
    help="The rate at which the frames were really recorded. All frames stay, with new times.",
)
@options.output_or_in_place
@options.layout
@options.engine
@options.as_json
def info(source: str, **request: Any) -> None:
    """Say other things of the whole dataset: the robot (--robot-type), the rate (--retime).

    \b
    Example:
      lecompose edit info day/ --in-place --robot-type so101 --retime 15
    """
    run_operation("edit_info", source, **request)

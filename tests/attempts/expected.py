"""What must come of an operation on a broken dataset, told by the tables alone."""

from dataclasses import dataclass

from support.independent import read

from attempts.operations import Operation
from attempts.place import Place

# Without these nothing can be known.
HOPELESS = (
    *("no info.json", "cut info.json", "pointer for info.json", "info.json is a list", "no features"),
    *("no fps", "fps in words", "fractional fps", "no data file at all", "no episodes"),
    *("another storage format", "numbers that no declared one is near"),
)
# What nobody can put right without knowing better, and no reader minds.
PASSED_ON = frozenset(
    (
        "video_size",
        "video_alike",
        "feature_names",
        "robot_type",
        "episode_stats_listed",
        "pictures_alike",
        "pictures_empty",
        "task_columns",
    )
)
# What is broken is a part of one episode, which cannot be had without it: what is saved then.
SAVED = {
    (0, 1): (
        *("data without a footer", "empty data file", "a web page for data", "pointer for data"),
        *("damaged pages", "missing data file", "data of other types", "a scalar in a list"),
        *("times in lists", "undeclared column", "frame_index with a gap", "empty video"),
        *("truncated video", "pointer for video", "missing video", "video too short"),
        *("a frame_index missing", "a task_index missing"),
        *("pictures that are gone", "a null in place of a picture"),
    ),
    (0, 2): ("hollow camera",),
}
# What sets it apart from a sound one, so that the two do not go together: its features, or the robot.
UNLIKE = ("robot_type that is no text", "names of the wrong length", "names by position")
# The same where the feature that is broken is left out first.
UNLIKE_ONCE_SAVED = ("declared column that is not there",)
# The break put other ones there.
OTHER_PICTURES = (
    *("video of another size", "camera of two codecs", "video too long", "audio track"),
    *("equal decoding times", "uneven frame times", "video of another rate"),
)
OTHER_TASKS = ("unknown task", "duplicate tasks")


@dataclass(frozen=True)
class Expected:
    """Whether it may work, and the exit codes with which it may be refused: none where it has to work."""

    works: bool
    codes: frozenset[int]


def expected(operation: Operation, place: Place) -> Expected:
    merge = place.broken.merge
    told = EXCEPTIONS.get((operation.name, place.broken.name))
    if told is not None:
        return told
    if operation.in_place and place.version != "v3.0":
        return refused(2, merge)
    if operation.reads and operation.name.startswith("check"):
        return WORKS
    if operation.saves and place.broken.name in HOPELESS:
        return refused(3)
    unlike = UNLIKE + (UNLIKE_ONCE_SAVED if operation.saves else ())
    if operation.then and place.broken.name in unlike:
        return refused(2)
    if operation.saves:
        return WORKS
    if not isinstance(merge, int):
        return WORKS
    return refused(merge) if takes_it(operation, place) else Expected(True, frozenset((merge,)))


def refused(*codes: int | str) -> Expected:
    return Expected(False, frozenset(code for code in codes if isinstance(code, int)))


WORKS = Expected(True, frozenset())
TIMED_ANEW = ("times off the grid", "a timestamp missing", "fractional fps")
EXCEPTIONS: dict[tuple[str, str], Expected] = {
    # The times that are wrong are not taken.
    **{("edit info --retime", name): WORKS for name in TIMED_ANEW},
    # As many frames as rows, which are then matched by number.
    **{("edit info --retime", name): WORKS for name in ("uneven frame times", "video of another rate")},
    # Told before the data is looked at: 29.97 is not a whole multiple of 15, nor 30.
    **{(name, "fractional fps"): refused(2) for name in ("merge --fps", "merge with another")},
    **{("append", name): refused(2) for name in ("fractional fps", "no episodes")},
    # Pictures are measured, of which one is not there.
    **{
        (name, "a null in place of a picture"): refused(3)
        for name in ("compose of pieces", "trim", "cut", "drop frames", "stats")
    },
    # It is not in the list any more.
    ("delete the broken one", "crash before the last episode"): refused(2),
    # Bytes of the data and statistics of episodes are only read when they are copied.
    **{
        ("merge --dry-run", name): WORKS
        for name in ("damaged pages", "broken stats.json", "broken episodes_stats.jsonl")
    },
}


def takes_it(operation: Operation, place: Place) -> bool:
    """Whether an operation that writes copies what is broken; where that cannot be told it may work."""
    if operation.reads or operation.spares or operation.name == "remove the broken feature":
        return False
    if place.victim is None:
        return True
    source = read(place.whole)
    picks = operation.picks(source, place)
    return not isinstance(picks, int) and any(place.victim in rows for rows in picks.values())


def saved_rows(place: Place) -> list[int]:
    """The rows of the undamaged episode list that can be saved."""
    if place.broken.name == "files that no episode names":
        return [0, 1, 2, 2]  # which are those of a copy
    if place.broken.name == "hollow camera" and place.version == "v3.0":
        return [0, 1, 2]  # the frames are there
    for rows, names in SAVED.items():
        if place.broken.name in names:
            return list(rows)
    return list(range(len(read(place.whole).episodes)))

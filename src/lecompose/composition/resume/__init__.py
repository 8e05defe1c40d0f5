"""The hidden folder beside a destination that outputs are made in, and what a run that was killed left in it.

Its name follows from the destination's, so that the next run finds it:

    .NAME.lecompose/lock             held while a run lives
                    manifest.jsonl   for which request, and every file that is finished
                    outputs/         the outputs
                    replaced/        datasets on their way out, where names cannot be exchanged
                    scratch/         spilt and remuxed

Nothing else in there is touched.
"""

from lecompose.composition.resume.atomic_rename import Move, move_back, move_into_place
from lecompose.composition.resume.staging import Staging
from lecompose.composition.resume.staging_folder import settle, workspace

__all__ = [
    "Move",
    "Staging",
    "move_back",
    "move_into_place",
    "settle",
    "workspace",
]

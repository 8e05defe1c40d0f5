"""Decide of all clips of a plan which are copied, which are encoded, and in what order they follow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lecompose.composition.jobs import ClipSpan, EncodeClipJob
from lecompose.composition.layout.copy_or_encode import (
    OrderedClip,
    UncutClip,
    choose_encodings,
    cut_clips,
    find_splices,
    make_encode_jobs,
    order_clips,
    refuse_reencoding,
)
from lecompose.composition.layout.probe_clips import Probed
from lecompose.composition.output_spec import OutputSpec
from lecompose.engine import Engine
from lecompose.errors import MediaError
from lecompose.files import mp4


@dataclass(frozen=True)
class CutClips:
    """All clips in their order, those that cannot be copied as they are, and the jobs that encode these."""

    ordered: Sequence[OrderedClip] = ()
    uncut: tuple[UncutClip, ...] = ()
    encode_jobs: Mapping[ClipSpan, EncodeClipJob] = field(default_factory=dict)


def decide_cuts(
    engine: Engine,
    output_spec: OutputSpec,
    probed: Sequence[Probed],
    videos: Mapping[str, mp4.Video],
    *,
    reencode: bool,
    scratch: Path,
) -> CutClips:
    """Return the clips of a plan as they are cut out of the videos that were probed.

    The pieces of one episode have to stand in one file. Where some are copied and others encoded, and the
    two cannot be, all of them are encoded.

    Raises:
        MediaError: if clips would have to be encoded again and cannot, or must not as `reencode` is off.
    """
    if not probed:
        return CutClips()
    uncut = cut_clips(engine, output_spec, probed)
    if not reencode:
        refuse_reencoding(uncut)
    splices, heads = find_splices(output_spec, videos, uncut, scratch=scratch)
    if splices:
        uncut = cut_clips(engine, output_spec, probed, splices=splices)
    encodings = choose_encodings(output_spec, videos, uncut)
    ordered = order_clips(engine, output_spec, encodings)
    parted = _find_parted(ordered)
    if parted:
        uncut = cut_clips(engine, output_spec, probed, splices=splices, whole=parted)
        if not reencode:
            refuse_reencoding(uncut)
        encodings = choose_encodings(output_spec, videos, uncut)
        ordered = order_clips(engine, output_spec, encodings)
        _refuse_parted(ordered)
    jobs = make_encode_jobs(output_spec, uncut, encodings, heads, threads=engine.threads)
    return CutClips(ordered, tuple(uncut), jobs)


def _find_parted(ordered: Sequence[OrderedClip]) -> list[tuple[str, str, int]]:
    """Return the episodes of which a piece cannot follow the one before it in a file."""
    found = [(c.out_dataset, c.camera, c.out_episode) for c in ordered if c.joins and c.must_break]
    return list(dict.fromkeys(found))


def _refuse_parted(ordered: Sequence[OrderedClip]) -> None:
    parted = _find_parted(ordered)
    if parted:
        raise MediaError(
            "pieces of one episode whose videos cannot be in one file",
            hint="without --join, or --remove CAMERA",
            parts=[f'output "{output}", episode {n}, camera "{camera}"' for output, camera, n in parted],
        )

"""What becomes of vectors that are not of the declared length: the feature goes, or the episodes do."""

from collections.abc import Collection
from dataclasses import replace

from lecompose.checks.footers import Footers
from lecompose.checks.repair.features import Features
from lecompose.checks.repair.find_sound_episodes import Dropped, Salvage
from lecompose.checks.vector_lengths import OddLists, find_odd_lists
from lecompose.dataset.catalog import Source
from lecompose.dataset.list_lengths import describe_odd
from lecompose.formats import Feature, feature


def leave_out_odd_vectors(
    features: Features, salvage: Salvage, footers: Footers, *, source: Source, without: Collection[str]
) -> tuple[Features, Salvage]:
    """Return features and episodes without lists of other lengths than declared.

    Where all rows have one other shape, the feature is declared with it. Where most episodes have odd lists,
    the feature is left out; where few have, these episodes are.
    """
    files = {path: footers[path] for path in features.files if path in footers}
    for held in features.features:
        odd = OddLists(frozenset(), None) if held.name in without else find_odd_lists(held, files)
        here = odd.episodes & {e.episode for e in salvage.episodes}
        if here and odd.shape:
            features = _declare_shape(features, held, odd.shape)
        elif 2 * len(here) > len(salvage.episodes):
            kept = tuple(f for f in features.features if f.name != held.name)
            note = (
                f'feature "{held.name}" is left out with its data: {describe_odd(held.shape)} in'
                f" {len(here)} of {len(salvage.episodes)} episodes"
            )
            features = replace(features, features=kept, notes=(*features.notes, note))
        elif here:
            reason = f'feature "{held.name}": {describe_odd(held.shape)}'
            salvage = salvage.without(Dropped(source.name, episode, reason) for episode in sorted(here))
    return features, salvage


def _declare_shape(features: Features, held: Feature, shape: tuple[int, ...]) -> Features:
    """Return the features, one of them with the shape that its data has; names of another count go."""
    spec = {**held.spec, "shape": list(shape), "names": None}
    declared = tuple(feature(f.name, spec) if f.name == held.name else f for f in features.features)
    note = f'feature "{held.name}" was declared as {held.dtype} {list(held.shape)}, and is {list(shape)}'
    return replace(features, features=declared, notes=(*features.notes, note))

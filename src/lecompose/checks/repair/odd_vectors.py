"""What becomes of vectors that are not of the declared length: the feature goes, or the episodes do."""

from collections.abc import Collection
from dataclasses import replace

from lecompose.checks.footers import Footers
from lecompose.checks.repair.episodes import Dropped, Salvage
from lecompose.checks.repair.features import Features
from lecompose.checks.vector_lengths import describe_odd, find_odd_episodes
from lecompose.dataset.catalog import Source


def leave_out_odd_vectors(
    features: Features, salvage: Salvage, footers: Footers, *, source: Source, without: Collection[str]
) -> tuple[Features, Salvage]:
    """Return features and episodes without vectors of other lengths than declared.

    Where most episodes have such, the feature is left out; where few have, these episodes are.
    """
    files = {path: footers[path] for path in features.files if path in footers}
    for feature in features.features:
        odd = frozenset() if feature.name in without else find_odd_episodes(feature, files, source.stored)
        here = odd & {e.episode for e in salvage.episodes}
        if 2 * len(here) > len(salvage.episodes):
            kept = tuple(f for f in features.features if f.name != feature.name)
            note = (
                f'feature "{feature.name}" is left out with its data: {describe_odd(feature)} in'
                f" {len(here)} of {len(salvage.episodes)} episodes"
            )
            features = replace(features, features=kept, notes=(*features.notes, note))
        elif here:
            reason = f'feature "{feature.name}": {describe_odd(feature)}'
            salvage = salvage.without(Dropped(source.name, episode, reason) for episode in sorted(here))
    return features, salvage

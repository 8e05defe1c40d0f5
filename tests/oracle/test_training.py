"""A policy learns from a merged dataset what it learns from the datasets that went in."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.lerobot_reads import RECORDING

import lecompose

pytestmark = pytest.mark.oracle

OTHER = {**RECORDING, "seed": 9, "frames": (4, 6)}
STEPS, BATCH, CHUNK = 24, 4, 4
TIMES = {"action": [step / 30 for step in range(CHUNK)]}
NUMBERING = {"index", "episode_index", "task_index"}  # those of the merged dataset are its own


def test_act_learns_the_same(recorded: Callable[..., Path], tmp_path: Path) -> None:
    from torch.utils.data import ConcatDataset

    sources = [recorded(**RECORDING), recorded(**OTHER)]
    lecompose.merge(sources, out=tmp_path / "merged")
    merged, apart = loaded(tmp_path / "merged"), ConcatDataset([loaded(root) for root in sources])
    for one, other in zip(batches(merged), batches(apart), strict=True):
        assert one.keys() == other.keys() > NUMBERING
        assert all(same(one[name], other[name]) for name in one.keys() - NUMBERING)
    losses = learned(merged, merged.meta)
    with lecompose.open(sources) as opened:
        lies = opened.to_torch(delta_timestamps=TIMES)
    assert losses == learned(lies, merged.meta)
    assert np.allclose(losses, learned(apart, merged.meta), rtol=1e-6)
    assert np.mean(losses[-4:]) < np.mean(losses[:4])


def loaded(root: Path) -> Any:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    return LeRobotDataset("lecompose/test", root=root, delta_timestamps=TIMES)


def batches(dataset: Any) -> Iterator[dict[str, Any]]:
    """The same rows each time: they are drawn by a seed."""
    import torch
    from torch.utils.data import DataLoader, RandomSampler

    drawn = RandomSampler(dataset, True, STEPS * BATCH, generator=torch.Generator().manual_seed(1))
    return iter(DataLoader(dataset, batch_size=BATCH, sampler=drawn))


def same(one: Any, other: Any) -> bool:
    import torch

    return bool(torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other)


def learned(dataset: Any, meta: Any) -> list[float]:
    """The loss of each step of a small ACT policy."""
    import torch
    from lerobot.configs.types import FeatureType
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.policies.act.modeling_act import ACTPolicy
    from lerobot.policies.act.processor_act import make_act_pre_post_processors
    from lerobot.utils.feature_utils import dataset_to_policy_features

    features = dataset_to_policy_features(meta.features)
    outputs = {name: feature for name, feature in features.items() if feature.type is FeatureType.ACTION}
    config = ACTConfig(
        input_features={name: feature for name, feature in features.items() if name not in outputs},
        output_features=outputs,
        device="cpu",
        push_to_hub=False,
        chunk_size=CHUNK,
        n_action_steps=CHUNK,
        pretrained_backbone_weights=None,
        dim_model=32,
        n_heads=2,
        dim_feedforward=64,
        n_encoder_layers=1,
        n_vae_encoder_layers=1,
        latent_dim=8,
    )
    torch.manual_seed(0)
    policy = ACTPolicy(config)
    prepare, _ = make_act_pre_post_processors(config, dataset_stats=meta.stats)
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-3)
    losses = []
    for batch in batches(dataset):
        loss, _ = policy.forward(prepare(batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    return losses


@pytest.mark.parametrize("workers", [0, 2])
def test_weighted_batches(workers: int, recorded: Callable[..., Path]) -> None:
    from torch.utils.data import DataLoader

    sources = {"a": recorded(**RECORDING), "b": recorded(**OTHER)}
    with lecompose.open(sources) as opened:
        dataset = opened.to_torch(weights={"a": 0.75, "b": 0.25}, seed=3)
    loader = DataLoader(dataset, batch_size=4, sampler=dataset.sampler, num_workers=workers, drop_last=True)
    held = [batch["dataset_index"].tolist() for batch in loader]
    assert len(held) == len(dataset) // 4
    assert all(sorted(numbers) == [0, 0, 0, 1] for numbers in held)
    assert opened_sampler(sources) is None


def opened_sampler(sources: dict[str, Path]) -> Any:
    with lecompose.open(sources) as opened:
        return opened.to_torch().sampler

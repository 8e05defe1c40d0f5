"""Values as LeRobot's reader gives them: its dtypes, shapes and units.

Source: LeRobot 0.6.1.
"""

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from lecompose.errors import SourceBroken
from lecompose.formats import DEPTH_CODES, Feature, depth_scale

_MOST_MM = 2**16 - 1


def cell(feature: Feature, value: Any) -> Any:
    """One value of a column; None where it is missing.

    Shape: numbers as declared, a picture (channels, height, width).
    """
    if value is None or isinstance(value, str):
        return value
    if feature.dtype == "image":
        return _picture(feature, value)
    if feature.is_language:
        return [_spoken(row) for row in value]
    return _tensor(np.asarray(value))


def stacked(feature: Feature, values: Sequence[Any] | np.ndarray) -> Any:
    """Values of a column behind each other; a list of what is no tensor."""
    if isinstance(values, np.ndarray) or all(isinstance(value, np.ndarray | np.generic) for value in values):
        return _tensor(np.asarray(values))
    cells = [cell(feature, value) for value in values]
    return torch.stack(cells) if all(isinstance(value, torch.Tensor) for value in cells) else cells


def _tensor(values: np.ndarray) -> torch.Tensor:
    """Numbers as PyTorch makes them of Python's: int64, the default dtype for fractions, bool."""
    if values.dtype.kind == "f":
        return torch.from_numpy(np.array(values)).to(torch.get_default_dtype())
    if values.dtype == np.uint64 or values.dtype == object:
        return torch.tensor(values.tolist())  # which says so where a number is too large
    return torch.from_numpy(np.array(values, bool if values.dtype.kind == "b" else np.int64))


def _spoken(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a language column; its calls are JSON in the file."""
    calls = row.get("tool_calls")
    return row if calls is None else row | {"tool_calls": [json.loads(call) for call in calls]}


# Pictures ---------------------------------------------------------------------------------------


def _picture(feature: Feature, data: bytes) -> torch.Tensor:
    """A picture file. Shape: (channels, height, width); 0 to 1, of depth the numbers that are stored.

    Errors: SourceBroken where it is none.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as picture:
            pixels = np.array(picture, np.float32 if picture.mode.startswith("I;16") else None)
    except (OSError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise SourceBroken("a picture cannot be read", reason=error, feature=feature.name) from error
    planes = torch.from_numpy(np.ascontiguousarray(np.atleast_3d(pixels).transpose(2, 0, 1)))
    if planes.dtype == torch.uint8:
        return planes.to(torch.get_default_dtype()).div(255)
    return planes.to(torch.get_default_dtype()) if planes.dtype == torch.bool else planes


def lengths(feature: Feature, codes: torch.Tensor, unit: str) -> torch.Tensor:
    """What the codes of a depth video stand for. Units: metres, or whole millimetres."""
    scale = depth_scale(feature)
    first, last = scale.ends
    metres = codes.to(torch.float32) * ((last - first) / (DEPTH_CODES - 1)) + first
    if scale.is_log:
        metres = metres.exp() - scale.shift
    metres = metres.clamp(scale.low, scale.high)
    return metres if unit == "m" else (metres * 1000).round().clamp(0, _MOST_MM)


def in_unit(feature: Feature, depth: torch.Tensor, unit: str) -> torch.Tensor:
    """Stored depths in a unit; as they are where the dataset does not say which one they have."""
    stored = feature.info.get("depth_unit")
    if stored in (None, unit):
        return depth
    return depth * 1000 if stored == "m" else depth / 1000

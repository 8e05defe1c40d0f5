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


def convert_cell(feature: Feature, value: Any) -> Any:
    """Return one value of a column as a tensor, or as it is if it is text or missing.

    Shape: numbers as declared, a picture (channels, height, width).
    """
    if value is None or isinstance(value, str):
        return value
    if feature.dtype == "image":
        return _decode_picture(feature, value)
    if feature.is_language:
        return [_parse_calls(row) for row in value]
    return _tensor(np.asarray(value))


def stack_cells(feature: Feature, values: Sequence[Any] | np.ndarray) -> Any:
    """Return values of a column stacked; a list, if they are not tensors."""
    if isinstance(values, np.ndarray) or all(isinstance(value, np.ndarray | np.generic) for value in values):
        return _tensor(np.asarray(values))
    cells = [convert_cell(feature, value) for value in values]
    return torch.stack(cells) if all(isinstance(value, torch.Tensor) for value in cells) else cells


def _tensor(values: np.ndarray) -> torch.Tensor:
    """Return numbers with the dtypes that PyTorch gives Python's: int64, bool, its default for fractions."""
    if values.dtype.kind == "f":
        return torch.from_numpy(np.array(values)).to(torch.get_default_dtype())
    if values.dtype == np.uint64 or values.dtype == object:
        return torch.tensor(values.tolist())  # which says so where a number is too large
    return torch.from_numpy(np.array(values, bool if values.dtype.kind == "b" else np.int64))


def _parse_calls(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of a language column with its tool calls, which are JSON in the file, parsed."""
    calls = row.get("tool_calls")
    return row if calls is None else row | {"tool_calls": [json.loads(call) for call in calls]}


# Pictures ---------------------------------------------------------------------------------------


def _decode_picture(feature: Feature, data: bytes) -> torch.Tensor:
    """Return a picture, 0 to 1, or the stored numbers of depth. Shape: (channels, height, width).

    Raises:
        SourceBroken: if it is not a picture.
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


def decode_depths(feature: Feature, codes: torch.Tensor, unit: str) -> torch.Tensor:
    """Return the lengths that codes of a depth video stand for. Units: metres, or whole millimetres."""
    scale = depth_scale(feature)
    first, last = scale.ends
    metres = codes.to(torch.float32) * ((last - first) / (DEPTH_CODES - 1)) + first
    if scale.is_log:
        metres = metres.exp() - scale.shift
    metres = metres.clamp(scale.low, scale.high)
    return metres if unit == "m" else (metres * 1000).round().clamp(0, _MOST_MM)


def convert_unit(feature: Feature, depth: torch.Tensor, unit: str) -> torch.Tensor:
    """Return stored depths in a unit; unchanged, if the dataset does not declare theirs."""
    stored = feature.info.get("depth_unit")
    if stored in (None, unit):
        return depth
    return depth * 1000 if stored == "m" else depth / 1000

"""Pictures of videos at times, by torchcodec where there is one, and by PyAV."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
import torch

from lecompose.errors import MediaError, RequestError
from lecompose.files import mp4
from lecompose.training.file_stamps import Seen
from lecompose.training.lru_cache import Recent

# A decoder takes some megabytes; a worker has a few files in use at a time.
_OPEN_FILES = 32
BACKENDS = ("torchcodec", "pyav")


class Decoder(Protocol):
    """How pictures come out of a video."""

    def pictures(self, path: Path, times: Sequence[float], *, depth: bool) -> torch.Tensor:
        """The pictures nearest to these times. Shape: (times, channels, height, width).

        Units: seconds; RGB of 8 bits, depth as the codes that are stored.
        Errors: MediaError where one is further away than is tolerated, or does not decode; SourceBroken.
        """
        ...


def decoder(backend: str | None, tolerance_s: float, files: Seen) -> Decoder:
    """The decoder asked for, or the best one that is installed, for these files.

    Errors: RequestError for one that is not.
    """
    if backend not in (None, *BACKENDS, "video_reader"):
        raise RequestError(f'video_backend "{backend}"', hint=f"one of {', '.join(BACKENDS)}")
    exact = Exact(tolerance_s, files)
    if backend in ("pyav", "video_reader"):
        return exact
    try:
        from torchcodec.decoders import VideoDecoder
    except (ImportError, RuntimeError, OSError) as error:  # it also looks for FFmpeg's libraries
        if backend is None:
            return exact
        told = str(error).strip().partition("\n")[0]
        raise RequestError("torchcodec cannot be used", reason=told, hint='video_backend="pyav"') from error
    return Fast(exact, tolerance_s, files, VideoDecoder)


@dataclass(frozen=True)
class Exact:
    """PyAV: decodes from the keyframe before, or from the first one where that one cannot be reached."""

    tolerance_s: float
    files: Seen
    _times: "Recent[Path, _Times]" = field(default_factory=lambda: Recent(_times, _OPEN_FILES))

    def pictures(self, path: Path, times: Sequence[float], *, depth: bool) -> torch.Tensor:
        """As of `Decoder`."""
        self.files.refuse_changed(str(path))  # it is opened each time
        file = self._times[path]
        numbers, places = np.unique(self._wanted(path, file.seconds, times), return_inverse=True)
        found = list(mp4.decode_frames(path, file.shown, numbers.tolist(), depth=depth))
        return torch.from_numpy(np.stack([found[n].transpose(2, 0, 1) for n in places]))

    def _wanted(self, path: Path, seconds: np.ndarray, times: Sequence[float]) -> np.ndarray:
        """The numbers of the frames shown at these times."""
        if len(seconds) == 0:
            raise MediaError("it has no frames", path=path)
        right = np.searchsorted(seconds, times).clip(max=len(seconds) - 1)
        left = (right - 1).clip(min=0)
        numbers = np.where(np.abs(seconds[left] - times) <= np.abs(seconds[right] - times), left, right)
        distance = np.abs(seconds[numbers] - times)
        if distance.max() >= self.tolerance_s:
            worst = int(distance.argmax())
            raise MediaError(
                f"no frame within {self.tolerance_s:g} s of {times[worst]:.4f} s, the nearest is"
                f" at {seconds[numbers[worst]]:.4f} s",
                hint="lecompose check",
                path=path,
            )
        return numbers


@dataclass(frozen=True)
class _Times:
    """When the frames of a file are shown. Units: `seconds` of each frame."""

    shown: mp4.DisplayTimes
    seconds: np.ndarray


def _times(path: Path) -> _Times:
    shown = mp4.read_display_times(path)
    return _Times(shown, np.array(shown.ticks, np.float64) * float(shown.time_base))


@dataclass(frozen=True)
class Fast:
    """torchcodec, for which a frame is the number that follows from its time; what it misses PyAV decodes.

    It seeks by decoding times, and lands behind some frames of HEVC; that is seen by the times it tells.
    """

    exact: Exact
    tolerance_s: float
    files: Seen
    make: Any
    _open: Recent[Path, "_Opened"] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_open", Recent(self._opened, _OPEN_FILES))

    def _opened(self, path: Path) -> "_Opened":
        self.files.refuse_changed(str(path))
        return _Opened(self.make, path)

    def pictures(self, path: Path, times: Sequence[float], *, depth: bool) -> torch.Tensor:
        """As of `Decoder`."""
        found = None if depth else self._found(path, times)
        return self.exact.pictures(path, times, depth=depth) if found is None else found

    def _found(self, path: Path, times: Sequence[float]) -> torch.Tensor | None:
        """The pictures, where each is shown at its time."""
        try:
            opened = self._open[path]
            with opened.lock:
                frames = opened.decoder.get_frames_at([round(time * opened.fps) for time in times])
        except (RuntimeError, ValueError, IndexError, TypeError):
            return None  # PyAV reads it, or says what is wrong
        # Within half a frame none is nearer.
        distance = np.abs(frames.pts_seconds.numpy() - times).max()
        return frames.data if distance < min(self.tolerance_s, 0.5 / opened.fps) else None


class _Opened:
    """A decoder that one thread uses at a time."""

    def __init__(self, make: Any, path: Path) -> None:
        self.decoder = make(str(path), seek_mode="approximate")
        self.fps = float(self.decoder.metadata.average_fps)
        self.lock = Lock()

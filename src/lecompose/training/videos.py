"""Pictures of videos at given times, decoded by torchcodec if it is installed, and by PyAV."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
import torch

from lecompose.errors import MediaError, RequestError
from lecompose.files import mp4
from lecompose.training.file_stamps import FileStamps
from lecompose.training.lru_cache import LruCache

# A decoder takes some megabytes; a worker has a few files in use at a time.
_OPEN_FILES = 32
BACKENDS = ("torchcodec", "pyav")


class Decoder(Protocol):
    """Decodes pictures of videos."""

    def pictures(self, path: Path, times: Sequence[float], *, depth: bool) -> torch.Tensor:
        """Return the pictures nearest to these times. Shape: (times, channels, height, width).

        Units: seconds; RGB of 8 bits, depth as the codes that are stored.

        Raises:
            MediaError: if a picture is further away than the tolerance, or cannot be decoded.
            SourceBroken: if the file is missing or has changed.
        """
        ...


def choose_decoder(backend: str | None, tolerance_s: float, files: FileStamps) -> Decoder:
    """Return the decoder named `backend`, or the best one that is installed, for these files.

    Raises:
        RequestError: if it is not installed, or there is no such decoder.
    """
    if backend not in (None, *BACKENDS, "video_reader"):
        raise RequestError(f'video_backend "{backend}"', hint=f"one of {', '.join(BACKENDS)}")
    exact = PyAVDecoder(tolerance_s, files)
    if backend in ("pyav", "video_reader"):
        return exact
    try:
        from torchcodec.decoders import VideoDecoder
    except (ImportError, RuntimeError, OSError) as error:  # it also looks for FFmpeg's libraries
        if backend is None:
            return exact
        told = str(error).strip().partition("\n")[0]
        raise RequestError("torchcodec cannot be used", reason=told, hint='video_backend="pyav"') from error
    return TorchcodecDecoder(exact, tolerance_s, files, VideoDecoder)


@dataclass(frozen=True)
class PyAVDecoder:
    """Decodes from the keyframe before a picture, or from the first one if that cannot be reached."""

    tolerance_s: float
    files: FileStamps
    _times: "LruCache[Path, _Times]" = field(default_factory=lambda: LruCache(_read_times, _OPEN_FILES))

    def pictures(self, path: Path, times: Sequence[float], *, depth: bool) -> torch.Tensor:
        """Return what `Decoder` promises."""
        self.files.refuse_changed(str(path))  # it is opened each time
        file = self._times[path]
        numbers, places = np.unique(self._find_frames(path, file.seconds, times), return_inverse=True)
        found = list(mp4.decode_frames(path, file.shown, numbers.tolist(), depth=depth))
        return torch.from_numpy(np.stack([found[n].transpose(2, 0, 1) for n in places]))

    def _find_frames(self, path: Path, seconds: np.ndarray, times: Sequence[float]) -> np.ndarray:
        """Return the numbers of the frames shown at these times."""
        if len(seconds) == 0:
            raise MediaError("it has no frames", path=path)
        right = np.searchsorted(seconds, times).clip(max=len(seconds) - 1)
        left = (right - 1).clip(min=0)
        numbers = np.where(np.abs(seconds[left] - times) <= np.abs(seconds[right] - times), left, right)
        distance = np.abs(seconds[numbers] - times)
        if distance.max() > self.tolerance_s:
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
    """When the frames of a file are shown. Units: `seconds` for each frame."""

    shown: mp4.DisplayTimes
    seconds: np.ndarray


def _read_times(path: Path) -> _Times:
    shown = mp4.read_display_times(path)
    return _Times(shown, np.array(shown.ticks, np.float64) * float(shown.time_base))


@dataclass(frozen=True)
class TorchcodecDecoder:
    """Decodes by torchcodec, which takes the number of a frame from its time; PyAV decodes what it misses.

    torchcodec seeks by decoding times, and misses some frames of HEVC; the times that it returns show it.
    """

    exact: PyAVDecoder
    tolerance_s: float
    files: FileStamps
    make: Any
    _open: LruCache[Path, "_OpenVideo"] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_open", LruCache(self._open_video, _OPEN_FILES))

    def _open_video(self, path: Path) -> "_OpenVideo":
        self.files.refuse_changed(str(path))
        return _OpenVideo(self.make, path)

    def pictures(self, path: Path, times: Sequence[float], *, depth: bool) -> torch.Tensor:
        """Return what `Decoder` promises."""
        found = None if depth else self._decode(path, times)
        return self.exact.pictures(path, times, depth=depth) if found is None else found

    def _decode(self, path: Path, times: Sequence[float]) -> torch.Tensor | None:
        """Return the pictures, or None if one is not shown at its time."""
        try:
            opened = self._open[path]
            with opened.lock:
                frames = opened.decoder.get_frames_at([round(time * opened.fps) for time in times])
        except (RuntimeError, ValueError, IndexError, TypeError):
            return None  # PyAV reads it, or says what is wrong
        # Within half a frame none is nearer.
        distance = np.abs(frames.pts_seconds.numpy() - times).max()
        return frames.data if distance < min(self.tolerance_s, 0.5 / opened.fps) else None


class _OpenVideo:
    """A decoder that one thread uses at a time."""

    def __init__(self, make: Any, path: Path) -> None:
        self.decoder = make(str(path), seek_mode="approximate")
        self.fps = float(self.decoder.metadata.average_fps)
        self.lock = Lock()

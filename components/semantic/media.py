"""Images and videos that came from outside: a file is opened within bounds and read, or refused with a reason that can be counted."""

import errno
import hashlib
import os
import stat
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import IO, Literal

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream
from PIL import Image, ImageOps
from PIL.Image import Image as Picture
from pydantic import PositiveInt

from components.progress import track
from components.schema import node

LEAST = 8  # pixels a side: what is smaller is a counting pixel or a spacer, and shows nothing
MOST = 50_000_000  # pixels, of an image or of a frame: bounds the memory of decoding
SIDE = 768  # pixels that the shorter side of a big image keeps at least
FRAME = 384  # pixels of a frame's longer side at most
AHEAD = 300  # frames decoded in search of one place in a video
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
# Demuxers are named by what the file begins with, never guessed by FFmpeg: some, such as playlists, open other files.
CONTAINERS = {
    "mov": (4, (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")),
    "matroska": (0, (b"\x1a\x45\xdf\xa3",)),
    "avi": (8, (b"AVI ",)),
    "flv": (0, (b"FLV\x01",)),
    "gif": (0, (b"GIF87a", b"GIF89a")),
    "mpeg": (0, (b"\x00\x00\x01\xba",)),
    "mpegts": (188, (b"\x47",)),
}


class Refused(Exception):  # noqa: N818 - not a fault of the program: the item goes without
    """Why a file is not read; the reason names no path, so that equal reasons can be counted."""


@dataclass(frozen=True)
class Files:
    """A column of paths, looked through.

    Attributes:
        root: what the paths are relative to; most: bytes that a file may have.
        paths: of the files that can be opened, by the item's index, ascending; keys: sha256 of their bytes, in the same order.
        refused: why the others can't be, by the item's index; an item without a path is in neither.
    """

    root: Path
    most: int
    paths: dict[int, str]
    keys: list[bytes]
    refused: dict[int, str]

    @classmethod
    def among(cls, root: Path, paths: Sequence[str | None], most: int, label: str) -> "Files":
        """Open every path once, to hash what it holds."""
        found: dict[int, str] = {}
        keys: list[bytes] = []
        refused: dict[int, str] = {}
        there = [(item, path) for item, path in enumerate(paths) if path is not None and path.strip()]
        for item, path in track(there, f"looking through {label}s"):
            try:
                with opened(root, path, most) as file:
                    keys.append(hashlib.file_digest(file, "sha256").digest())
            except Refused as error:
                refused[item] = str(error)
            else:
                found[item] = path
        return cls(root, most, found, keys, refused)


@node
class Media:
    """Where the paths of the catalogue's images and videos start from, and how many MiB a file may have."""

    root: Path
    image: PositiveInt = 32
    video: PositiveInt = 1024

    def files(self, name: Literal["image", "video"], paths: Sequence[str | None]) -> Files:
        """Look through the catalogue's column `name`."""
        return Files.among(self.root, paths, getattr(self, name) * 2**20, name)


@contextmanager
def opened(root: Path, path: str, most: int) -> Generator[BufferedReader]:
    """Open a regular file below `root` by a path relative to it, following no symbolic link on the way.

    Raises:
        Refused: the path leads elsewhere, or there is no regular file of 1 to `most` bytes.
    """
    try:
        handle = _descend(root, _parts(path))
    except FileNotFoundError:
        raise Refused("no such file") from None
    except PermissionError:
        raise Refused("no permission to read it") from None
    except NotADirectoryError:
        raise Refused("a symbolic link, or a file in the place of a folder") from None
    except UnicodeEncodeError:
        raise Refused("no path") from None
    except OSError as error:
        raise Refused("a symbolic link" if error.errno == errno.ELOOP else f"can't be opened ({os.strerror(error.errno or 0)})") from None
    try:
        _bounded(os.fstat(handle), most)
    except Refused:
        os.close(handle)
        raise
    with os.fdopen(handle, "rb") as file:
        yield file


def image(file: IO[bytes]) -> Picture:
    """Decode an image to RGB, upright; of an animated one the first frame.

    What it is, is told by its content, not by its name.

    Raises:
        Refused: it is of no format that is read, damaged, too small, or has more than `MOST` pixels.
    """
    with warnings.catch_warnings(action="ignore"):
        try:
            with Image.open(file, formats=FORMATS) as found:
                _sized(*found.size)
                found.draft("RGB", (SIDE, SIDE))
                found.load()
                return _plain(found)
        except Image.UnidentifiedImageError:
            raise Refused(f"no image of the formats {', '.join(FORMATS)}") from None
        except Image.DecompressionBombError:
            raise Refused(f"more than {MOST // 10**6} million pixels") from None
        except Refused:
            raise
        except Exception:  # noqa: BLE001 - its decoders raise what they like on damaged bytes
            raise Refused("truncated or damaged") from None


def frames(file: IO[bytes], count: int) -> list[Picture]:
    """Decode `count` frames of a video, in the middle of as many equal spans of time, to RGB; a short one repeats frames.

    Raises:
        Refused: no container that is read, no video stream, no length, no frame, damaged, or frames out of bounds.
    """
    container = _container(file)
    try:
        with av.open(file, "r", format=container, options={"max_pixels": str(MOST)}) as found:
            if not found.streams.video:
                raise Refused("no video stream")
            return _sampled(found, found.streams.video[0], count)
    except (av.error.FFmpegError, ValueError, OverflowError):
        raise Refused("truncated or damaged") from None


def _bounded(about: os.stat_result, most: int) -> None:
    if not stat.S_ISREG(about.st_mode):
        raise Refused("a folder" if stat.S_ISDIR(about.st_mode) else "no regular file")
    if not 0 < about.st_size <= most:
        raise Refused(f"more than {most // 2**20} MiB" if about.st_size else "empty")


def _parts(path: str) -> tuple[str, ...]:
    if "://" in path:
        raise Refused("an address; only files below the dataset's root are read")
    if "\0" in path:
        raise Refused("no path")
    pure = PurePosixPath(path.strip())
    if pure.is_absolute():
        raise Refused("an absolute path; give it relative to the dataset's root")
    if ".." in pure.parts:
        raise Refused("a path with .. in it")
    return pure.parts


def _descend(root: Path, parts: tuple[str, ...]) -> int:
    """Open `parts` one below the other; a symbolic link is an OSError, a named pipe does not block."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for place, part in enumerate(parts):
        try:
            inner = os.open(part, flags | (os.O_DIRECTORY if place < len(parts) - 1 else 0), dir_fd=handle)
        finally:
            os.close(handle)
        handle = inner
    return handle


def _sized(width: int, height: int) -> None:
    if min(width, height) < LEAST:
        raise Refused(f"less than {LEAST} pixels wide or high")
    if width * height > MOST:
        raise Refused(f"more than {MOST // 10**6} million pixels")


def _plain(picture: Picture) -> Picture:
    """Make what was decoded a small upright RGB picture; what is transparent becomes white."""
    if picture.mode in {"RGBA", "LA", "PA", "RGBa"} or "transparency" in picture.info:
        layer = _less(picture.convert("RGBA"))
        plain = Image.new("RGB", layer.size, "white")
        plain.paste(layer, mask=layer.getchannel("A"))
    else:
        plain = _less(_levelled(picture).convert("RGB"))
    turned = picture.getexif().get(0x0112, 1)
    plain.getexif()[0x0112] = turned if turned in range(1, 9) else 1
    return ImageOps.exif_transpose(plain)


def _levelled(picture: Picture) -> Picture:
    """Bring sixteen bits a pixel to eight: Pillow would cut off what is above 255."""
    return picture.convert("I").point(lambda value: value / 256, "L") if picture.mode.startswith("I") else picture


def _less(picture: Picture) -> Picture:
    return picture.reduce(max(1, min(picture.size) // SIDE))


def _container(file: IO[bytes]) -> str:
    head = file.read(189)
    file.seek(0)
    for name, (place, marks) in CONTAINERS.items():
        if any(head[place:].startswith(mark) for mark in marks) and (name != "mpegts" or head[:1] == b"\x47"):
            return name
    raise Refused("no video container that is read")


def _sampled(container: InputContainer, stream: VideoStream, count: int) -> list[Picture]:
    """Take frames at the middles of `count` spans; a container without a length, or that can't be sought, is read from its start."""
    context = stream.codec_context
    if not context:
        raise Refused("of a codec that is not read")
    _sized(context.width, context.height)
    context.options = {"max_pixels": str(MOST)}
    stream.thread_type = "NONE"
    length = _length(container, stream)
    if length is None:
        return _spread([_shown(frame) for frame, _ in zip(container.decode(stream), range(AHEAD), strict=False)], count)
    start = stream.start_time or 0
    return [_shown(_at(container, stream, start + int(length * (place + 0.5) / count))) for place in range(count)]


def _length(container: InputContainer, stream: VideoStream) -> int | None:
    """How long the stream is, in its own time base; None where this is not told, or of no use."""
    if container.format.name == "gif":
        return None
    if stream.duration:
        return stream.duration
    return int(container.duration / av.time_base / stream.time_base) if container.duration and stream.time_base else None


def _at(container: InputContainer, stream: VideoStream, time: int) -> av.VideoFrame:
    """Decode the frame that is shown at a time: the last one that begins no later."""
    container.seek(time, stream=stream)
    last = None
    for frame, _ in zip(container.decode(stream), range(AHEAD), strict=False):
        if last is not None and frame.pts is not None and frame.pts > time:
            break
        last = frame
    if last is None:
        raise Refused("truncated, or no frame can be decoded")
    return last


def _shown(frame: av.VideoFrame) -> Picture:
    _sized(frame.width, frame.height)
    scale = min(1.0, FRAME / max(frame.width, frame.height))
    return frame.to_image(width=max(1, round(frame.width * scale)), height=max(1, round(frame.height * scale)))


def _spread(taken: list[Picture], count: int) -> list[Picture]:
    if not taken:
        raise Refused("truncated, or no frame can be decoded")
    return [taken[int(len(taken) * (place + 0.5) / count)] for place in range(count)]

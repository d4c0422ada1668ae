"""Images and videos for tests, made as they are needed."""

import io
import struct
import zlib
from pathlib import Path

import av
import numpy as np
from PIL import Image


def picture(colour=(200, 30, 30), size=(40, 30), mode="RGB"):
    return Image.new(mode, size, colour)


def encoded(image, kind="PNG", **options):
    held = io.BytesIO()
    image.save(held, kind, **options)
    return held.getvalue()


def png(width, height, rows=b""):
    """A PNG that says it has this size, with whatever rows."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def film(shots, kind="mp4", codec="mpeg4", rate=8):
    """Encode RGB arrays (height, width, 3) as a video."""
    held = io.BytesIO()
    with av.open(held, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = shots[0].shape[:2]
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        for shot in shots:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shot, format="rgb24")))
        container.mux(stream.encode())
    return held.getvalue()


def sound(kind="mp4", codec="aac"):
    """Encode a second of silence, without a picture."""
    held = io.BytesIO()
    with av.open(held, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
        frame.rate = 8000
        for place in range(8):
            frame.pts = place * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return held.getvalue()


def shades(count, size=32):
    """Frames from black to white."""
    return [np.full((size, size, 3), int(255 * place / max(1, count - 1)), dtype=np.uint8) for place in range(count)]


def put(root: Path, name: str, data: bytes) -> str:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return name

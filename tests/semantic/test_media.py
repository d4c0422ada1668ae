import io
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from components.semantic import media
from components.semantic.media import Files, Refused, frames, image, opened
from tests.semantic.pictures import encoded, film, picture, png, put, shades, sound

BYTES = 2**25
RED = (200, 30, 30)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><script>alert(1)</script></svg>'


def halves(size=(40, 20)):
    """Left half red, right half blue."""
    made = picture(RED, size)
    made.paste((30, 30, 200), (size[0] // 2, 0, *size))
    return made


def animated(kind):
    return encoded(picture(RED), kind, save_all=True, append_images=[picture((0, 255, 0))] * 3, duration=50)


def rotated(turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    return encoded(halves(), "JPEG", quality=95, exif=exif)


def see(data):
    return image(io.BytesIO(data))


def near(found, wanted, most=12):
    return np.abs(np.array(found, dtype=int) - np.array(wanted)).max() <= most


READ = {
    "jpeg": encoded(picture(), "JPEG"),
    "png": encoded(picture()),
    "webp": encoded(picture(), "WEBP", lossless=True),
    "gif": encoded(picture(), "GIF"),
    "bmp": encoded(picture(), "BMP"),
    "animated gif": animated("GIF"),
    "animated webp": animated("WEBP"),
    "animated png": animated("PNG"),
    "cmyk jpeg": encoded(picture().convert("CMYK"), "JPEG"),
    "palette": encoded(picture().quantize(8)),
    "palette with a transparent colour": encoded(picture().quantize(8), transparency=7),
    "transparent layer": encoded(picture((*RED, 255), mode="RGBA")),
    "progressive": encoded(picture(), "JPEG", progressive=True),
    "garbage in exif": encoded(picture(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xffgarbage"),
    "bytes behind the end": encoded(picture()) + b"PK\x03\x04" + b"<script>alert(1)</script>",
    "long and narrow": encoded(picture(size=(9, 5000))),
    "of many pixels": encoded(picture(size=(6000, 5000)), "JPEG"),
}


@pytest.mark.parametrize("name", READ)
def test_sound_images_are_read_by_their_content(name, tmp_path):
    path = put(tmp_path, "named.svg.exe", READ[name])
    with opened(tmp_path, path, BYTES) as file:
        found = image(file)
    assert found.mode == "RGB"
    assert near(found.getpixel((4, 4)), RED)
    assert min(found.size) < 2 * media.SIDE


@pytest.mark.parametrize(("mode", "fill", "grey"), [("L", 128, 128), ("1", 1, 255), ("I;16", 128 * 256, 128), ("LA", (128, 255), 128)])
def test_grey_images_are_read_at_their_brightness(mode, fill, grey):
    assert near(see(encoded(picture(fill, mode=mode))).getpixel((3, 3)), (grey,) * 3, 1)


def test_what_is_transparent_becomes_white():
    assert see(encoded(picture((0, 0, 0, 0), mode="RGBA"))).getpixel((3, 3)) == (255, 255, 255)


@pytest.mark.parametrize(("turn", "red"), [(1, (5, 10)), (3, (35, 10)), (6, (10, 5)), (8, (10, 35))])
def test_images_are_turned_upright(turn, red):
    found = see(rotated(turn))
    assert found.size == ((40, 20) if turn in {1, 3} else (20, 40))
    assert near(found.getpixel(red), RED, 30)


def deep():
    """A PNG whose text is a bomb: 100 MB from 100 kB."""
    import struct
    import zlib

    data = b"key\0\0" + zlib.compress(b"a" * 100_000_000)
    text = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    plain = encoded(picture())
    return plain[:33] + text + plain[33:]


BAD = {
    "empty": (b"", "empty"),
    "one pixel": (encoded(picture(size=(1, 1))), "less than 8 pixels"),
    "a line": (encoded(picture(size=(500, 1))), "less than 8 pixels"),
    "30k x 30k": (png(30_000, 30_000, b"\0" * 1000), "million pixels"),
    "8k x 8k": (png(8_000, 8_000, b"\0" * 1000), "million pixels"),
    "more rows than a number": (png(2**31 - 1, 2**31 - 1), "million pixels"),
    "text bomb": (deep(), "damaged"),
    "half a jpeg": (encoded(halves((400, 400)), "JPEG")[:1500], "damaged"),
    "half a png": (encoded(Image.effect_noise((90, 90), 50))[:3000], "damaged"),
    "half a gif": (encoded(Image.effect_noise((90, 90), 50), "GIF")[:3000], "damaged"),
    "half a webp": (encoded(Image.effect_noise((90, 90), 50), "WEBP")[:1000], "damaged"),
    "a head alone": (encoded(picture(), "JPEG")[:4], "no image of the formats|damaged"),
    "rows missing": (png(100, 100, b"\0" * 30), "damaged"),
    "wrong checksum": (encoded(picture()).replace(b"IDAT", b"IDAX"), "no image of the formats|damaged"),
    "svg": (SVG, "no image of the formats"),
    "svg named png": (b"<?xml version='1.0'?>" + SVG, "no image of the formats"),
    "html": (b"<!doctype html><img src=x onerror=alert(1)>", "no image of the formats"),
    "zip": (b"PK\x03\x04" + b"\0" * 500, "no image of the formats"),
    "pdf": (b"%PDF-1.7\n" + b"\0" * 500, "no image of the formats"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "no image of the formats"),
    "tiff": (encoded(picture(), "TIFF"), "no image of the formats"),
    "noise": (np.random.default_rng(1).bytes(5000), "no image of the formats"),
    "a video": (film(shades(4)), "no image of the formats"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_images_are_refused_with_a_reason(name, tmp_path):
    data, reason = BAD[name]
    path = put(tmp_path, "a.png", data)
    with pytest.raises(Refused, match=reason), opened(tmp_path, path, BYTES) as file:
        image(file)


def surroundings(root):
    """A dataset with a good image, and paths in it that are none."""
    put(root, "set/good.png", encoded(picture()))
    put(root, "outside.png", encoded(picture()))
    put(root, "elsewhere/inner.png", encoded(picture()))
    inside = root / "set"
    (inside / "link.png").symlink_to(inside / "good.png")
    (inside / "out.png").symlink_to(root / "outside.png")
    (inside / "dangling.png").symlink_to(inside / "none.png")
    (inside / "loop.png").symlink_to(inside / "loop.png")
    (inside / "folder").symlink_to(root / "elsewhere")
    (inside / "real").mkdir()
    os.mkfifo(inside / "pipe.png")
    return inside


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("none.png", "no such file"),
        ("none/none.png", "no such file"),
        ("link.png", "symbolic link"),
        ("out.png", "symbolic link"),
        ("dangling.png", "symbolic link"),
        ("loop.png", "symbolic link"),
        ("folder/inner.png", "symbolic link"),
        ("good.png/inner.png", "file in the place of a folder"),
        ("real", "a folder"),
        (".", "a folder"),
        ("pipe.png", "no regular file"),
        ("../outside.png", r"with \.\. in it"),
        ("real/../../outside.png", r"with \.\. in it"),
        ("/etc/hostname", "absolute"),
        ("https://example.org/a.png", "an address"),
        ("file:///etc/hostname", "an address"),
        ("a\0b.png", "no path"),
        ("a" * 5000, "can't be opened"),
        ("\ud800.png", "no path"),
    ],
)
def test_paths_that_lead_elsewhere_are_refused(tmp_path, path, reason):
    root = surroundings(tmp_path)
    with pytest.raises(Refused, match=reason), opened(root, path, BYTES):
        pass


def test_files_out_of_bounds_or_closed_to_us_are_refused(tmp_path, monkeypatch):
    put(tmp_path, "a.png", b"x" * 2**20 + b"x")
    with pytest.raises(Refused, match="more than 1 MiB"), opened(tmp_path, "a.png", 2**20):
        pass
    real = os.open
    monkeypatch.setattr(os, "open", lambda name, *given, **more: _closed() if name == "a.png" else real(name, *given, **more))
    with pytest.raises(Refused, match="no permission"), opened(tmp_path, "a.png", 2**30):
        pass


def _closed():
    raise PermissionError


def test_a_column_is_looked_through(tmp_path):
    root = surroundings(tmp_path)
    found = Files.among(root, ["good.png", None, "none.png", "pipe.png", " ", " good.png "], BYTES, "image")
    assert found.paths == {0: "good.png", 5: " good.png "}
    assert found.keys[0] == found.keys[1]
    assert found.refused == {2: "no such file", 3: "no regular file"}


def test_memory_is_bounded_whatever_a_file_says(tmp_path):
    code = (
        "import re, resource, sys; from pathlib import Path; from components.semantic.media import *\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30,) * 2)\n"
        "for path in sys.argv[2:]:\n"
        "    try:\n"
        "        with opened(Path(sys.argv[1]), path, 2**25) as file: print(image(file).size)\n"
        "    except Refused as error: print(error)\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) // 1024)"  # ru_maxrss counts the parent's
    )
    names = [
        put(tmp_path, f"{place}.png", BAD[name][0]) for place, name in enumerate(("30k x 30k", "text bomb", "more rows than a number"))
    ]
    big = put(tmp_path, "big.png", encoded(picture(size=(7000, 7000), mode="RGBA", colour=(*RED, 9)), compress_level=1))
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path), *names, big], capture_output=True, text=True, check=True)
    lines = ended.stdout.splitlines()
    assert len(lines) == 5
    assert int(lines[-1]) < 1200


@pytest.mark.parametrize(
    ("kind", "codec"),
    [("mp4", "mpeg4"), ("mov", "mpeg4"), ("matroska", "mpeg4"), ("avi", "mpeg4"), ("mpegts", "mpeg2video"), ("gif", "gif")],
)
def test_frames_are_taken_evenly_over_the_length(kind, codec):
    taken = frames(io.BytesIO(film(shades(50), kind, codec, rate=25)), 5)
    off = 70 if kind == "mpegts" else 25  # it has no index: a place is found to some frames
    assert [shot.getpixel((9, 9))[0] for shot in taken] == pytest.approx([25, 77, 128, 180, 230], abs=off)


def test_a_short_video_repeats_frames_and_a_long_one_is_sought():
    assert len(frames(io.BytesIO(film(shades(1))), 4)) == 4
    long = frames(io.BytesIO(film(shades(900, 16))), 3)
    assert [shot.getpixel((4, 4))[0] for shot in long] == pytest.approx([42, 128, 213], abs=15)


MP4 = film(shades(50))
SHUT = {
    "no video stream": (sound(), "no video stream"),
    "empty": (b"", "no video container"),
    "no frame": (MP4[: MP4.index(b"mdat") + 4], "truncated"),
    "noise behind a head": (MP4[:40] + np.random.default_rng(1).bytes(5000), "truncated"),
    "cut": (MP4[: len(MP4) // 2], "truncated"),
    "a playlist": (b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", "no video container"),
    "a list to join": (b"ffconcat version 1.0\nfile /etc/passwd\n", "no video container"),
    "a session": (b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n", "no video container"),
    "text": (b"no video at all" * 100, "no video container"),
    "an image": (encoded(picture()), "no video container"),
    "wide frames": (film([np.zeros((2, 2, 3), dtype=np.uint8)]), "less than 8 pixels"),
    "matroska head alone": (b"\x1a\x45\xdf\xa3" + b"\0" * 500, "truncated"),
}


@pytest.mark.parametrize("name", SHUT)
def test_bad_videos_are_refused_with_a_reason(name):
    data, reason = SHUT[name]
    with pytest.raises(Refused, match=reason):
        frames(io.BytesIO(data), 4)


def test_garbled_bytes_never_crash():
    draw = np.random.default_rng(7)
    for data, read in ((MP4, lambda file: frames(file, 3)), (READ["jpeg"], image), (READ["webp"], image), (animated("GIF"), image)):
        for _ in range(60):
            garbled = bytearray(data)
            for place in draw.integers(12, len(data), 6):
                garbled[place] = draw.integers(256)
            try:
                read(io.BytesIO(bytes(garbled)))
            except Refused:
                continue

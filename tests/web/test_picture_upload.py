"""POST /api/images, the process behind it, and the faces of those who have no picture."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import httpx
import numpy as np
import pytest

from aichat.core import Character
from aichat.web.html import avatars
from aichat.web.html.character_pictures import face_of
from aichat.web.services.uploads import painter
from support.audio_files import wav
from support.in_process_server import Server
from support.picture_files import JPEG, PNG, WEBP, Pixels, a_picture, encoded, png_chunk


def bomb(side: int) -> bytes:
    """A small PNG that claims to be, and is, very large."""
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((side // 8 + 1) * side), 9)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + png_chunk(b"IDAT", rows)
        + png_chunk(b"IEND", b"")
    )


SECRET = b"GPS 48.8584 N, taken at home"
EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0" + SECRET
TURNED = JPEG[:2] + b"\xff\xe1" + struct.pack(">H", len(EXIF) + 2) + EXIF + JPEG[2:]
TALKATIVE = PNG[:33] + png_chunk(b"tEXt", b"Comment\0" + SECRET) + PNG[33:]


def upload(server: Server, file: bytes) -> httpx.Response:
    files = {"file": ("../../me.png", file)}
    return httpx.post(f"{server.url}/api/images", files=files, trust_env=False, timeout=60)


def kept(server: Server, file: bytes) -> tuple[bytes, Pixels]:
    answer = upload(server, file)
    assert answer.status_code == 201, answer.text
    shown = httpx.get(server.url + answer.json()["image_url"], trust_env=False)
    assert shown.headers["content-type"] == "image/webp"
    assert "immutable" in shown.headers["cache-control"]
    assert shown.headers["x-content-type-options"] == "nosniff"
    return shown.content, painter.decode(shown.content)


@pytest.mark.parametrize("file", [PNG, JPEG, WEBP], ids=["png", "jpeg", "webp"])
def test_a_picture_of_every_kind_is_kept_small(server: Server, file: bytes) -> None:
    made, pixels = kept(server, file)
    assert pixels.shape == (384, 512, 4)
    assert len(made) < 5_000
    assert pixels[20, 20] == pytest.approx([0, 200, 0, 255], abs=12)
    assert pixels[-20, -20] == pytest.approx([200, 0, 0, 255], abs=12)


def test_a_picture_for_a_message_is_kept_larger(server: Server) -> None:
    file = encoded(a_picture(2_000, 1_000), "mjpeg", "yuvj420p")
    files, form = {"file": ("tea.jpg", file)}, {"use": "message"}
    answer = httpx.post(f"{server.url}/api/images", files=files, data=form, trust_env=False)
    shown = httpx.get(server.url + answer.json()["image_url"], trust_env=False)
    assert painter.decode(shown.content, 4_000).shape == (800, 1_600, 4)


def test_a_small_picture_keeps_its_size_and_what_is_clear(server: Server) -> None:
    pixels = a_picture(40, 30)
    pixels[:, 20:, 3] = 0
    _, shown = kept(server, encoded(pixels, "png", "rgba"))
    assert shown.shape == (30, 40, 4)
    assert (shown[15, 5, 3], shown[15, 35, 3]) == (255, 0)


def test_a_picture_comes_out_upright_and_tells_nothing_of_its_taker(server: Server) -> None:
    made, pixels = kept(server, TURNED)
    assert pixels.shape == (512, 384, 4)
    assert pixels[20, -20] == pytest.approx([0, 200, 0, 255], abs=12)  # it was upper left
    assert SECRET not in made
    assert SECRET not in kept(server, TALKATIVE)[0]


REFUSED = {
    "nothing": b"",
    "text": b"not a picture" * 50,
    "a page": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "a gif": b"GIF89a" + bytes(500),
    "a sound": wav(np.zeros(48_000, np.float32)),
    "half a png": PNG[: len(PNG) // 2],
    "a png of noise": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20,
    "a jpeg of noise": b"\xff\xd8\xff" + bytes(range(256)) * 20,
    "a webp of noise": b"RIFF" + bytes(4) + b"WEBP" + bytes(range(256)) * 20,
    "a bomb": bomb(30_000),
}


@pytest.mark.parametrize("file", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_picture_is_refused_in_words(server: Server, file: bytes) -> None:
    answer = upload(server, file)
    assert answer.status_code == 400, answer.text
    assert [one["field"] for one in answer.json()["extra"]] == ["file"]
    for secret in ("Traceback", ".py", "/tmp", "libav"):
        assert secret not in answer.text


def test_a_file_that_is_too_large_is_refused(server: Server) -> None:
    assert "12 MB" in upload(server, PNG + bytes(12_000_000)).json()["detail"]
    assert upload(server, bytes(13_000_000)).status_code == 413


@pytest.mark.parametrize("key", ["x", "0" * 64 + ".wav", "..%2f..%2fetc%2fpasswd", "0" * 64])
def test_only_pictures_are_at_the_address_of_pictures(server: Server, key: str) -> None:
    assert httpx.get(f"{server.url}/images/{key}", trust_env=False).status_code == 404


def test_the_painter_opens_nothing() -> None:
    setup = (
        f"import sys; sys.path.insert(0, {str(Path(painter.__file__).parent)!r})\n"
        "import painter; painter.warm_up(); painter.limits.limit()\nopen('/etc/passwd')"
    )
    done = subprocess.run([sys.executable, "-I", "-c", setup], capture_output=True, text=True)
    assert "Too many open files" in done.stderr


def test_no_damaged_picture_brings_the_painter_down() -> None:
    """A thousand bytes turned at random: a picture, or a refusal, and never anything else."""
    fuzz = f"""
import random, sys
sys.path.insert(0, {str(Path(painter.__file__).parent)!r})
import painter
painter.av.logging.set_level(None)
files, ends = eval(sys.stdin.read()), []
for seed in range(120):
    chance = random.Random(seed)
    file = bytearray(chance.choice(files))
    for _ in range(chance.randrange(1, 30)):
        file[chance.randrange(len(file))] = chance.randrange(256)
    try:
        painter.encode(painter.decode(bytes(file)))
        ends.append("picture")
    except painter.limits.Refused:
        ends.append("refused")
print(ends.count("picture"), ends.count("refused"))
"""
    done = subprocess.run(
        [sys.executable, "-c", fuzz],
        input=repr([PNG, JPEG, WEBP]), capture_output=True, text=True, check=True,
    )  # fmt: skip
    pictures, refusals = map(int, done.stdout.split())
    assert pictures + refusals == 120
    assert refusals > 10


# -- faces ---------------------------------------------------------------------------------------


def test_a_face_is_drawn_from_the_name_and_is_the_same_each_time(server: Server) -> None:
    address = avatars.address('Zoë <b>"Ann"</b> & Söhne')
    first, again = (httpx.get(server.url + address, trust_env=False) for _ in range(2))
    assert first.headers["content-type"].startswith("image/svg+xml")
    assert first.content == again.content
    drawn = ElementTree.fromstring(first.text)
    assert drawn.attrib["aria-label"] == 'Zoë <b>"Ann"</b> & Söhne'
    assert "script" not in first.text


def test_people_look_different() -> None:
    assert len({avatars.svg(f"Ann {n}") for n in range(12)}) == 12


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Olivia Barns", "OB"),
        ("Mark", "M"),
        ("Zoë van der Berg", "ZB"),
        ("李", "李"),
        ("42", "?"),
        ("", "?"),
    ],
)
def test_a_face_shows_the_first_letters(name: str, letters: str) -> None:
    assert avatars.initials(name) == letters


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("ground", [ground for ground, _ in avatars.GROUNDS])
def test_the_letters_can_be_read(ground: str) -> None:
    assert contrast(ground, "#ffffff") > 5


@pytest.mark.parametrize(
    "url",
    [None, "", "https://else.example/a.png", "//evil/a.png", "/\\evil/a.png", "/\t/evil/a.png"],
)
def test_who_has_no_picture_of_ours_gets_a_face(url: str | None) -> None:
    shown = face_of(Character("ann-001", "Ann", image_url=url))
    assert urlsplit(shown).path == "/avatars/ann.svg"


def test_who_has_a_picture_shows_it() -> None:
    assert face_of(Character("a", "A", image_url="/images/x.webp")) == "/images/x.webp"

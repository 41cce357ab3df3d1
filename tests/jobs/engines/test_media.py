import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from services.jobs.engines.media import MAX_BYTES, open_picture, probe_image
from services.jobs.engines.protocol import InvalidInput


def saved(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


def refusal(path: Path, **options) -> str:
    with pytest.raises(InvalidInput) as refused:
        probe_image(path, **options)
    assert refused.value.message
    return refused.value.code


def bomb(path: Path, side: int) -> Path:
    """A PNG of side x side black pixels, a few kilobytes on disk."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"\0" * ((side // 8 + 1) * side), 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize(
    ("suffix", "form"), [("png", "png"), ("jpg", "jpeg"), ("jpeg", "jpeg"), ("webp", "webp"), ("gif", "gif")]
)
def test_each_format_is_probed_from_its_bytes(tmp_path, suffix, form):
    path = saved(tmp_path / f"a.{suffix}", Image.new("RGB", (40, 30), "red"))
    assert probe_image(path) == {"kind": "image", "format": form, "width": 40, "height": 30, "animated": False}
    assert probe_image(path.rename(tmp_path / "upload"))["format"] == form


@pytest.mark.parametrize("side", [9_000, 12_000, 20_000])
def test_a_bomb_is_too_large(tmp_path, side):
    path = bomb(tmp_path / "bomb.png", side)
    assert path.stat().st_size < 100_000
    assert refusal(path) == "INPUT_TOO_LARGE"


def test_a_very_long_strip_is_too_large(tmp_path):
    assert refusal(saved(tmp_path / "strip.png", Image.new("1", (20_000, 10)))) == "INPUT_TOO_LARGE"


def test_a_file_over_the_size_limit_is_not_even_opened(tmp_path):
    path = tmp_path / "big.png"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert refusal(path) == "INPUT_TOO_LARGE"


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused(tmp_path, suffix, kept):
    noise = np.random.default_rng(1).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    path = saved(tmp_path / f"a.{suffix}", Image.fromarray(noise))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    assert refusal(path) == "UNSUPPORTED_MEDIA"


def test_a_disguised_file_is_refused(tmp_path):
    lying_name = saved(tmp_path / "a.png", Image.new("RGB", (9, 9)), format="JPEG")
    assert refusal(lying_name) == "UNSUPPORTED_MEDIA"
    honest = saved(tmp_path / "b.png", Image.new("RGB", (9, 9)))
    assert refusal(honest, content_type="image/webp") == "UNSUPPORTED_MEDIA"
    assert probe_image(honest, content_type="image/png")["format"] == "png"


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.4", b"\x89PNG\r\n\x1a\n"]
)
def test_what_is_no_picture_is_refused(tmp_path, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    assert refusal(path) == "UNSUPPORTED_MEDIA"


def test_formats_outside_the_list_are_refused(tmp_path):
    assert refusal(saved(tmp_path / "a.bmp", Image.new("RGB", (9, 9)))) == "UNSUPPORTED_MEDIA"
    assert refusal(saved(tmp_path / "a.tiff", Image.new("RGB", (9, 9)))) == "UNSUPPORTED_MEDIA"


def test_a_rotated_photo_is_measured_and_opened_the_right_way_up(tmp_path):
    photo = Image.new("RGB", (60, 40), "blue")
    photo.paste("red", (0, 0, 60, 10))
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "phone.jpg", photo, exif=exif, quality=95)
    assert (probe_image(path)["width"], probe_image(path)["height"]) == (40, 60)
    upright = open_picture(path)
    assert upright.size == (40, 60)
    assert upright.getpixel((36, 30))[0] > 200
    assert upright.getpixel((5, 30))[2] > 200


def test_an_animation_is_read_as_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    path = saved(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    assert probe_image(path)["animated"] is True
    assert open_picture(path).convert("RGB").getpixel((5, 5))[0] > 200


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_colour_mode_opens_as_eight_bit_rgb(tmp_path, mode):
    opened = open_picture(saved(tmp_path / "a.png", Image.new(mode, (8, 8))))
    assert opened.mode in ("RGB", "RGBA")


def test_cmyk_opens_as_rgb(tmp_path):
    opened = open_picture(saved(tmp_path / "a.jpg", Image.new("CMYK", (8, 8), (0, 255, 255, 0))))
    assert opened.mode == "RGB"
    assert opened.getpixel((4, 4))[0] > 200


def test_sixteen_bit_grey_keeps_its_middle_tones(tmp_path):
    grey = Image.fromarray(np.full((8, 8), 32768, dtype=np.uint16))
    assert abs(open_picture(saved(tmp_path / "a.png", grey)).getpixel((4, 4))[0] - 128) <= 1


def test_transparency_survives_opening(tmp_path):
    opened = open_picture(saved(tmp_path / "a.png", Image.new("RGBA", (8, 8), (255, 0, 0, 0))))
    assert opened.getpixel((1, 1))[3] == 0

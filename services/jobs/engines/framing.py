"""Fitting a picture into a frame of another shape, and the little that every such tool asks about it."""

from typing import Annotated, Literal

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps
from pydantic import Field

Colour = Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$", examples=["#ffffff"])]
Focus = Literal["centre", "top", "bottom", "left", "right"]

_CENTRES: dict[str, tuple[float, float]] = {
    "centre": (0.5, 0.5),
    "top": (0.5, 0.0),
    "bottom": (0.5, 1.0),
    "left": (0.0, 0.5),
    "right": (1.0, 0.5),
}
_SMOOTH = 4  # Corners are drawn this much larger and scaled down, as Pillow's own shapes have hard edges.


def opaque(picture: Image.Image, ground: str = "#ffffff") -> Image.Image:
    """The picture on a colour, as its transparent parts would look on a page."""
    if picture.mode != "RGBA":
        return picture.convert("RGB")
    page = Image.new("RGBA", picture.size, ground)
    return Image.alpha_composite(page, picture).convert("RGB")


def filled(picture: Image.Image, size: tuple[int, int], focus: Focus = "centre") -> Image.Image:
    """Scaled to cover the frame; what stands over is cut, least of all at the focus."""
    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS, centering=_CENTRES[focus])


def whole_size(picture: Image.Image, size: tuple[int, int]) -> tuple[int, int]:
    """The largest size of the picture's own shape inside the frame, at least a pixel each way."""
    scale = min(size[0] / picture.width, size[1] / picture.height)
    return max(1, round(picture.width * scale)), max(1, round(picture.height * scale))


def whole(picture: Image.Image, size: tuple[int, int], ground: str) -> Image.Image:
    """All of the picture, in the middle of a frame of one colour."""
    return _centred(picture, Image.new("RGB", size, ground))


def whole_on_blur(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """All of the picture, over a blurred and dimmed enlargement of itself."""
    # A blur keeps no detail, so it is made on a small copy: the cost no longer grows with the frame.
    small = (max(1, size[0] // 8), max(1, size[1] // 8))
    soft = filled(opaque(picture), small).filter(ImageFilter.GaussianBlur(max(2, min(small) / 14)))
    ground = ImageEnhance.Brightness(soft).enhance(0.72).resize(size, Image.Resampling.BICUBIC)
    return _centred(picture, ground)


def _centred(picture: Image.Image, page: Image.Image) -> Image.Image:
    shown = picture.resize(whole_size(picture, page.size), Image.Resampling.LANCZOS, reducing_gap=3.0)
    place = ((page.width - shown.width) // 2, (page.height - shown.height) // 2)
    page.paste(shown, place, shown if shown.mode == "RGBA" else None)
    return page


def paste_rounded(page: Image.Image, picture: Image.Image, place: tuple[int, int], radius: int) -> None:
    """Paste with round corners of `radius` pixels; a radius beyond half the shorter edge is cut to it."""
    radius = min(radius, min(picture.size) // 2)
    page.paste(picture, place, corners(picture.size, radius) if radius else None)


def corners(size: tuple[int, int], radius: int) -> Image.Image:
    """A mask that is opaque but for smooth round corners."""
    mask = Image.new("L", size, 255)
    disc = Image.new("L", (2 * radius * _SMOOTH,) * 2, 0)
    ImageDraw.Draw(disc).ellipse((0, 0, disc.width - 1, disc.height - 1), fill=255)
    disc = disc.resize((2 * radius, 2 * radius), Image.Resampling.BOX)
    right, bottom = size[0] - radius, size[1] - radius
    for left, top in ((0, 0), (right, 0), (0, bottom), (right, bottom)):
        corner = (radius if left else 0, radius if top else 0)
        mask.paste(disc.crop((*corner, corner[0] + radius, corner[1] + radius)), (left, top))
    return mask

"""From SVG that we wrote ourselves to pixels. User text never goes into SVG: it is drawn by `typeset`."""

import io

import resvg_py
from PIL import Image


def rasterise(svg: str, width: int, height: int) -> Image.Image:
    """An RGBA picture of exactly this size; system fonts are not consulted, so every machine draws the same."""
    data = resvg_py.svg_to_bytes(svg_string=svg, width=width, height=height, skip_system_fonts=True)
    drawn = Image.open(io.BytesIO(bytes(data))).convert("RGBA")
    return drawn if drawn.size == (width, height) else drawn.resize((width, height), Image.Resampling.LANCZOS)


def svg(body: str, width: float = 1080, height: float = 1080, *, defs: str = "") -> str:
    """A document of `width` by `height` units around `body`; `rasterise` stretches it to the picture."""
    box = f'viewBox="0 0 {width:g} {height:g}" preserveAspectRatio="none"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}><defs>{defs}</defs>{body}</svg>'


def covering(body: str, side: float, width: int, height: int) -> str:
    """A square drawing of `side` units that fills a picture of another shape; its edges are cut, it isn't stretched."""
    box = f'width="{width}" height="{height}" viewBox="0 0 {side:g} {side:g}" preserveAspectRatio="xMidYMid slice"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}>{body}</svg>'

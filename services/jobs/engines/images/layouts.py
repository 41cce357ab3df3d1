"""The layouts: where the art, the coloured areas and each text of a poster go.

A layout is a function from a Page to a Composition. Lengths are in `unit`, a thousandth of the page's shorter side,
so that one layout serves a square, a story and a cover.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from services.jobs.engines.images.palettes import Palette
from services.jobs.engines.images.words import Copy
from services.jobs.engines.shapes import circle, path, rect
from services.jobs.engines.typeset import Box, Style

LayoutId = Literal["horizon", "card", "split", "headline", "window", "swiss", "badge", "banner"]
Role = Literal["kicker", "title", "subtitle", "footer"]
Shape = Literal["rect", "arch", "circle"]
Align = Literal["start", "center"]
Valign = Literal["top", "middle", "bottom"]


@dataclass(frozen=True)
class Page:
    width: int
    height: int
    palette: Palette
    copy: Copy

    @property
    def unit(self) -> float:
        return min(self.width, self.height) / 1000

    @property
    def wide(self) -> bool:
        return self.width > 1.15 * self.height

    @property
    def tall(self) -> bool:
        return self.height > 1.15 * self.width


@dataclass(frozen=True)
class Slot:
    """One text's place; its colour is the first of `colours` that is readable there."""

    role: Role
    box: Box
    style: Style
    colours: tuple[str, ...]


@dataclass(frozen=True)
class Composition:
    """A poster before its words: the ground, the art in its shape, flat areas over it as SVG, the text places."""

    ground: str
    art: Box
    shape: Shape
    overlay: str
    slots: list[Slot]


def _style(page: Page, face: str, weight: int, largest: float, **more: Any) -> Style:
    made = Style(face, weight, largest=round(largest * page.unit), smallest=max(7, round(9 * page.unit)))
    return replace(made, **more)


def _small(page: Page, align: Align, largest: float = 30) -> Style:
    return _style(page, "grotesk", 600, largest, tracking=0.14, upper=True, leading=1.35, align=align)


def _body(page: Page, align: Align, largest: float = 44) -> Style:
    return _style(page, "montserrat", 500, largest, leading=1.34, align=align)


def _weight(text: str) -> float:
    """How much room a text wants: wide scripts count double."""
    return sum(2 if ord(letter) > 0x2E7F else 1 for letter in text)


def _stack(
    page: Page, area: Box, title: Style, align: Align, colours: tuple[str, ...], valign: Valign = "middle"
) -> list[Slot]:
    """The texts that exist, one under another in `area`; the title gets the most and long subtitles take more."""
    copy, palette = page.copy, page.palette
    styles = {
        "kicker": (0.55, _small(page, align)),
        "title": (4.0, replace(title, align=align)),
        "subtitle": (0.9 + _weight(copy.subtitle) / 70, _body(page, align)),
        "footer": (0.6 + _weight(copy.footer) / 160, _small(page, align)),
    }
    present: list[Role] = [role for role in ("kicker", "title", "subtitle", "footer") if getattr(copy, role)]
    leans: dict[Role, Valign] = {"kicker": "top", "title": valign, "subtitle": "top", "footer": "bottom"}
    total = sum(styles[role][0] for role in present)
    gap = min(38 * page.unit, area.height * 0.075)
    y, free, slots = area.y, area.height - gap * (len(present) - 1), []
    for role in present:
        share, style = styles[role]
        height = free * share / total
        order = (palette.accents[0], *colours) if role == "kicker" else colours
        slots.append(Slot(role, Box(area.x, y, area.width, height), replace(style, valign=leans[role]), order))
        y += height + gap
    return slots


def horizon(page: Page) -> Composition:
    """Art to every edge, darkened towards the foot, where the words stand."""
    unit, deep = page.unit, page.palette.ink
    margin = 75 * unit
    share = 0.66 if page.wide else (0.42 if page.tall else 0.5)
    area = Box(margin, page.height * (1 - share), page.width - 2 * margin, page.height * share - margin)
    if page.wide:
        area = area._replace(width=page.width * 0.62)
    fade = (
        f'<linearGradient id="f" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="{deep}" stop-opacity="0"/>'
        f'<stop offset=".36" stop-color="{deep}" stop-opacity=".78"/>'
        f'<stop offset="1" stop-color="{deep}" stop-opacity=".95"/>'
        "</linearGradient>"
    )
    top = page.height * (1 - share) - 170 * unit
    shade = f"<defs>{fade}</defs>" + rect(0, top, page.width, page.height - top, "url(#f)")
    title = _style(page, "montserrat", 900, 150, leading=1.04)
    slots = _stack(page, area, title, "start", (page.palette.paper, page.palette.ink), "bottom")
    return Composition(deep, Box(0, 0, page.width, page.height), "rect", shade, slots)


def card(page: Page) -> Composition:
    """A paper card on the art, with a fine inner line and a serif title."""
    unit, palette = page.unit, page.palette
    width = page.width * (0.6 if page.wide else 0.78)
    height = page.height * (0.78 if page.wide else (0.52 if page.tall else 0.64))
    x, y = (page.width - width) / 2, (page.height - height) / 2
    line, inner = 22 * unit, 78 * unit
    flat = rect(x + 10 * unit, y + 14 * unit, width, height, palette.ink, 6 * unit, 'opacity=".28"')
    flat += rect(x, y, width, height, palette.paper, 6 * unit)
    border = f'stroke="{palette.ink}" stroke-width="{2.5 * unit:.2f}"'
    flat += rect(x + line, y + line, width - 2 * line, height - 2 * line, "none", 2 * unit, border)
    area = Box(x + inner, y + inner, width - 2 * inner, height - 2 * inner)
    title = _style(page, "playfair", 800, 132, leading=1.06)
    slots = _stack(page, area, title, "center", (palette.ink, palette.paper))
    return Composition(palette.ground, Box(0, 0, page.width, page.height), "rect", flat, slots)


def split(page: Page) -> Composition:
    """Art on one half, words on a flat ground on the other."""
    unit, palette = page.unit, page.palette
    margin = 72 * unit
    if page.wide:
        art = Box(page.width * 0.54, 0, page.width * 0.46, page.height)
        area = Box(margin, margin, art.x - 2 * margin, page.height - 2 * margin)
    else:
        art = Box(0, 0, page.width, page.height * 0.54)
        area = Box(margin, art.height + margin * 0.8, page.width - 2 * margin, page.height * 0.46 - margin * 1.7)
    bar = rect(area.x, art.bottom - 7 * unit, 150 * unit, 14 * unit, palette.accents[0])
    title = _style(page, "anton", 800, 170, leading=1.12, upper=True)
    slots = _stack(page, area, title, "start", (palette.paper, palette.ink), "top")
    return Composition(palette.deep, art, "rect", "" if page.wide else bar, slots)


def headline(page: Page) -> Composition:
    """Type as large as it goes, with a strip of art underneath."""
    unit, palette = page.unit, page.palette
    margin = 64 * unit
    strip = page.height * (0.24 if page.wide else 0.27)
    art = Box(0, page.height - strip, page.width, strip)
    area = Box(margin, margin, page.width - 2 * margin, page.height - strip - 2 * margin)
    rule = rect(0, art.y - 8 * unit, page.width, 8 * unit, palette.ink)
    title = _style(page, "anton", 800, 420, leading=1.1, upper=True)
    slots = _stack(page, area, title, "start", (palette.ink, palette.paper), "top")
    return Composition(palette.accents[0], art, "rect", rule, slots)


def window(page: Page) -> Composition:
    """Art seen through an arch, on paper, with an italic title."""
    unit, palette = page.unit, page.palette
    margin = 80 * unit
    if page.wide:
        art = Box(margin, margin, page.height * 0.72, page.height - 2 * margin)
        area = Box(art.right + margin, margin, page.width - art.right - 2 * margin, page.height - 2 * margin)
    else:
        side = page.width * (0.62 if page.tall else 0.5)
        art = Box((page.width - side) / 2, margin, side, page.height * 0.53)
        area = Box(margin, art.bottom + margin * 0.6, page.width - 2 * margin, page.height - art.bottom - margin * 1.4)
    inset = 28 * unit
    frame = rect(
        inset,
        inset,
        page.width - 2 * inset,
        page.height - 2 * inset,
        "none",
        0,
        f'stroke="{palette.ink}" stroke-width="{3 * unit:.2f}"',
    )
    title = _style(page, "playfair-italic", 700, 128, leading=1.08)
    slots = _stack(page, area, title, "start" if page.wide else "center", (palette.ink, palette.paper))
    return Composition(palette.paper, art, "arch", frame, slots)


def swiss(page: Page) -> Composition:
    """A grid, rules, a grotesque title at the top left and the art in a disc that leaves the page."""
    unit, palette = page.unit, page.palette
    margin = 70 * unit
    if page.wide:
        side = page.height * 1.02
        art = Box(page.width - side * 0.86, page.height * 0.1, side, side)
        area = Box(margin, margin * 1.4, art.x - 1.6 * margin, page.height - 2.4 * margin)
    else:
        side = page.width * 0.84
        art = Box(page.width - side * 0.8, page.height - side * 0.8, side, side)
        area = Box(margin, margin * 1.4, page.width - 2 * margin, art.y - margin * 1.5)
    rule = rect(margin, margin * 0.85, page.width - 2 * margin, 6 * unit, palette.ink)
    title = _style(page, "grotesk", 700, 190, leading=1.02)
    slots = _stack(page, area, title, "start", (palette.ink, palette.paper), "top")
    return Composition(palette.paper, art, "circle", rule, slots)


def badge(page: Page) -> Composition:
    """A round seal in the middle of the art."""
    unit, palette = page.unit, page.palette
    x, y, radius = page.width / 2, page.height / 2, 415 * unit
    seal = circle(x, y, radius, palette.deep) + circle(
        x,
        y,
        radius - 26 * unit,
        "none",
        f'stroke="{palette.paper}" stroke-width="{4 * unit:.2f}" stroke-dasharray="{3 * unit:.1f} {11 * unit:.1f}"',
    )
    seal += circle(x, y, radius - 46 * unit, "none", f'stroke="{palette.accents[0]}" stroke-width="{5 * unit:.2f}"')
    # The largest rectangle of this shape that stays inside the inner ring, so that no corner of it crosses the line.
    half_width, half_height = (radius - 60 * unit) * 0.8, (radius - 60 * unit) * 0.6
    area = Box(x - half_width, y - half_height, 2 * half_width, 2 * half_height)
    title = _style(page, "anton", 800, 190, leading=1.12, upper=True)
    slots = _stack(page, area, title, "center", (palette.paper, palette.ink))
    return Composition(palette.ground, Box(0, 0, page.width, page.height), "rect", seal, slots)


def banner(page: Page) -> Composition:
    """A ribbon across the art with swallow-tail ends."""
    unit, palette = page.unit, page.palette
    height = page.height * (0.62 if page.wide else 0.42)
    y, notch, side = (page.height - height) / 2, 34 * unit, 44 * unit
    right, middle = page.width - side, y + height / 2
    ribbon = f"M{side} {y} H{right} L{right - notch} {middle} L{right} {y + height} H{side} L{side + notch} {middle}z"
    flat = path(ribbon, palette.ink, f'opacity=".3" transform="translate(0 {12 * unit:.1f})"') + path(
        ribbon, palette.paper
    )
    flat += "".join(
        rect(side + 2 * notch, edge, page.width - 2 * side - 4 * notch, 4 * unit, palette.accents[1])
        for edge in (y + 26 * unit, y + height - 30 * unit)
    )
    area = Box(side + 3 * notch, y + 52 * unit, page.width - 2 * side - 6 * notch, height - 104 * unit)
    title = _style(page, "montserrat", 800, 150, leading=1.06)
    slots = _stack(page, area, title, "center", (palette.ink, palette.paper))
    return Composition(palette.ground, Box(0, 0, page.width, page.height), "rect", flat, slots)


LAYOUTS: dict[LayoutId, Callable[[Page], Composition]] = {
    "horizon": horizon,
    "card": card,
    "split": split,
    "headline": headline,
    "window": window,
    "swiss": swiss,
    "badge": badge,
    "banner": banner,
}

"""The palettes, and which words call for which."""

from dataclasses import dataclass
from typing import Literal

PaletteId = Literal[
    "lagoon",
    "roast",
    "signal",
    "midnight",
    "meadow",
    "blossom",
    "mono",
    "citrus",
    "terracotta",
    "neon",
    "nordic",
    "plum",
]


@dataclass(frozen=True)
class Palette:
    """`ground` and `deep` carry areas, `paper` and `ink` carry text, the three accents carry the art."""

    id: PaletteId
    ground: str
    deep: str
    paper: str
    ink: str
    accents: tuple[str, str, str]
    words: frozenset[str]


def _palette(id_: PaletteId, colours: str, words: str) -> Palette:
    ground, deep, paper, ink, *accents = colours.split()
    return Palette(id_, ground, deep, paper, ink, (accents[0], accents[1], accents[2]), frozenset(words.split()))


PALETTES: dict[PaletteId, Palette] = {
    palette.id: palette
    for palette in (
        _palette("lagoon", "#0f8b8d #0b4f6c #f4fbf8 #06283d #ffd166 #ef6f6c #7fd8be",
                 "ocean sea beach summer surf swim water boat travel island holiday wave sail 海 夏 旅"),
        _palette("roast", "#6f4e37 #2f1b12 #fbf3e7 #23130b #d9a066 #b5651d #f0d9b5",
                 "coffee espresso cafe bakery bread chocolate breakfast brunch barber whisky book library 咖啡 茶"),
        _palette("signal", "#f2f0ea #b3201a #fffdf8 #141414 #f25a45 #141414 #f7b801",
                 "sale discount offer launch now new black friday deal opening hiring urgent vote 优惠 セール"),
        _palette("midnight", "#16204a #0a0f2c #f5f1e3 #0a0f2c #f6c453 #6c7bd9 #e98a7b",
                 "night moon star stars space galaxy sleep dream jazz cinema film halloween winter midnight 夜 星 月"),
        _palette("meadow", "#3f7d58 #1d4532 #f6f5e6 #12291d #e8c547 #9ccc65 #f2a65a",
                 "nature plant garden forest green eco spring earth vegan farm hike organic climate tree yoga 春 自然"),
        _palette("blossom", "#f7b7c3 #a83253 #fff6f4 #3b1020 #f0708f #ffd6a5 #9d4edd",
                 "love wedding valentine beauty flower baby pink spa fashion romance mother 愛 爱 花"),
        _palette("mono", "#e9e7e2 #1b1b1b #fafaf7 #111111 #1b1b1b #8d8a83 #c9c5bb",
                 "minimal design architecture photography exhibition gallery art studio portfolio museum 展"),
        _palette("citrus", "#ffb627 #b23a16 #fff8e7 #3a1505 #ff6b35 #f7e733 #2a9d8f",
                 "food lemon orange fruit juice kitchen recipe lunch market fresh taco pizza sun picnic kids 食"),
        _palette("terracotta", "#d9825b #8c3b2a #fdf1e4 #33130c #f2c078 #7a9e7e #5b2333",
                 "craft pottery desert wine autumn harvest yoga home interior mexico spain italy 秋"),
        _palette("neon", "#1b0b3b #0b0420 #f7f2ff #0b0420 #ff2e88 #21e6c1 #ffd319",
                 "party festival dj techno music concert club game gaming cyber ai tech code hack rave 音楽 音乐"),
        _palette("nordic", "#c7d6dd #2d4654 #f7fafa #14252e #e07a5f #81b29a #3d5a80",
                 "finance business report conference workshop health clinic school course winter snow data team 会议"),
        _palette("plum", "#5a2a5e #2b1131 #fbf0f7 #220b28 #f29ca3 #f7c948 #8e6bbf",
                 "theatre opera perfume magic gala poetry luxury dance velvet ballet story"),
    )
}  # fmt: skip

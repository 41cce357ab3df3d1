"""A drawn character: flat shapes that we made ourselves, in several heads of hair and many colours."""

import random
from dataclasses import dataclass
from typing import Literal

from services.jobs.engines.avatar.mouths import Mouth

Hair = Literal["short", "long", "bun", "curly"]

# How far eyes are closed in the drawings that there are of them.
LIDS = (0.0, 0.5, 1.0)
HAIRS: tuple[Hair, ...] = ("short", "long", "bun", "curly")
# Skin with its shadow; lips are drawn a little redder than it.
_SKINS = (
    ("#f6cfb4", "#e5b093"),
    ("#e8b48e", "#d09a72"),
    ("#c98d63", "#b0754c"),
    ("#8f5d3e", "#764a30"),
    ("#5e3c2b", "#4b2e21"),
)
_HAIR_COLOURS = ("#2b1b17", "#5a3825", "#a5602c", "#d9a441", "#1f2430", "#8a3b3b")
_CLOTHES = ("#e4572e", "#2e86ab", "#4c9f70", "#6a4c93", "#f2b134", "#22333b")
_GROUNDS = (
    ("#ffe8d6", "#ffd2ad"),
    ("#d7ecff", "#b3d7fb"),
    ("#e4f3df", "#c5e5bb"),
    ("#efe2fb", "#dac3f4"),
    ("#fff3c9", "#ffe397"),
)


@dataclass(frozen=True)
class Character:
    """Everything about a figure that stays the same through a film."""

    hair: Hair
    skin: tuple[str, str]
    hair_colour: str
    clothes: str
    ground: tuple[str, str]


def character_of(seed: int, hair: Hair | None) -> Character:
    """The same figure for the same seed."""
    rng = random.Random(f"character {seed}")
    styled = rng.choice(HAIRS)
    return Character(
        hair or styled, rng.choice(_SKINS), rng.choice(_HAIR_COLOURS), rng.choice(_CLOTHES), rng.choice(_GROUNDS)
    )


def drawing(who: Character, *, lids: float, size: tuple[int, int]) -> str:
    """The whole picture but the mouth, as SVG, with the eyes closed so far; the figure stands in the middle of a square, whatever the picture's shape."""
    width, height = size
    left, top, square = _square(size)
    figure = f'<g transform="translate({left:g} {top:g}) scale({square / 1000:g})">{_figure(who, lids)}</g>'
    # The body goes on below the square in an upright picture.
    body = f'<rect x="{left + square * 0.13:g}" y="{top + square * 0.99:g}" width="{square * 0.74:g}" height="{height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<defs><radialGradient id="g" cx="0.5" cy="0.45" r="0.75"><stop offset="0" stop-color="{who.ground[0]}"/>'
        f'<stop offset="1" stop-color="{who.ground[1]}"/></radialGradient></defs>'
        f'<rect width="{width}" height="{height}" fill="url(#g)"/>{body} fill="{who.clothes}"/>{figure}</svg>'
    )


def _figure(who: Character, lids: float) -> str:
    skin, shade = who.skin
    return "".join(
        (
            _HAIR_BEHIND[who.hair].format(colour=who.hair_colour),
            f'<path d="M130 1000 Q140 800 360 765 L640 765 Q860 800 870 1000Z" fill="{who.clothes}"/>',
            f'<path d="M405 640 L405 770 Q500 850 595 770 L595 640Z" fill="{shade}"/>',
            '<path d="M372 766 Q500 905 628 766 L660 776 Q500 960 340 776Z" fill="#ffffff" fill-opacity="0.85"/>',
            f'<circle cx="283" cy="470" r="46" fill="{shade}"/><circle cx="717" cy="470" r="46" fill="{shade}"/>',
            f'<path d="M285 400 Q285 190 500 190 Q715 190 715 400 L712 500 Q700 730 500 735 Q300 730 288 500Z" fill="{skin}"/>',
            '<ellipse cx="365" cy="560" rx="44" ry="28" fill="#ff6b6b" fill-opacity="0.22"/>',
            '<ellipse cx="635" cy="560" rx="44" ry="28" fill="#ff6b6b" fill-opacity="0.22"/>',
            f'<path d="M492 480 Q474 545 500 552 Q516 554 522 546" fill="none" stroke="{shade}" stroke-width="11" stroke-linecap="round"/>',
            _eyes(who, lids),
            _HAIR_BEFORE[who.hair].format(colour=who.hair_colour),
        )
    )


def _eyes(who: Character, lids: float) -> str:
    brows = "".join(
        f'<path d="M{x - 46} 398 Q{x} 370 {x + 46} 398" fill="none" stroke="{who.hair_colour}" stroke-width="14" '
        'stroke-linecap="round"/>'
        for x in (400, 600)
    )
    if lids >= 1:
        shut = (f'<path d="M{x - 36} 462 Q{x} 484 {x + 36} 462" fill="none"/>' for x in (400, 600))
        return f'{brows}<g stroke="#2a1a16" stroke-width="10" stroke-linecap="round">{"".join(shut)}</g>'
    open_ = (
        f'<ellipse cx="{x}" cy="460" rx="35" ry="34" fill="#ffffff"/><circle cx="{x}" cy="459" r="23" fill="#2a1a16"/>'
        f'<circle cx="{x + 8}" cy="450" r="8" fill="#ffffff"/><path d="M{x - 40} 452 Q{x} 412 {x + 40} 452" fill="none" '
        'stroke="#2a1a16" stroke-width="9" stroke-linecap="round"/>'
        for x in (400, 600)
    )
    return brows + "".join(open_) + (_lowered(who, lids) if lids else "")


def _lowered(who: Character, lids: float) -> str:
    """Skin over the upper part of each eye, with the lashes at its edge."""
    edge = 426 + 68 * lids
    return "".join(
        f'<path d="M{x - 46} 452 Q{x} 396 {x + 46} 452 L{x + 40} {edge} Q{x} {edge + 16} {x - 40} {edge}Z" fill="{who.skin[0]}"/>'
        f'<path d="M{x - 40} {edge} Q{x} {edge + 16} {x + 40} {edge}" fill="none" stroke="#2a1a16" stroke-width="9" '
        'stroke-linecap="round"/>'
        for x in (400, 600)
    )


def mouth_place(size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """The top left corner and the size of the box in which the mouth is drawn, in pixels of the whole picture."""
    left, top, square = _square(size)
    x, y, width, height = (value * square / 1000 for value in (500 - _BOX[0] / 2, 632 + _BOX_TOP, *_BOX))
    return (round(left + x), round(top + y)), (round(width), round(height))


def _square(size: tuple[int, int]) -> tuple[float, float, int]:
    square = min(size)
    return (size[0] - square) / 2, (size[1] - square) * 0.55, square


# The mouth's box in the figure's own units, and where its top is above the middle of the lips.
_BOX, _BOX_TOP = (260, 200), -60


def mouth_drawing(mouth: Mouth) -> str:
    """Lips as SVG; closed, they are a friendly line."""
    box = f'viewBox="{-_BOX[0] / 2:g} {_BOX_TOP} {_BOX[0]} {_BOX[1]}" width="{_BOX[0]}" height="{_BOX[1]}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}>{_lips(mouth)}</svg>'


def _lips(mouth: Mouth) -> str:
    half, deep = 40 + 56 * mouth.wide, 80 * mouth.opened
    if deep < 9 and mouth.teeth < 0.5:
        return (
            f'<path d="M{-half:.1f} -6 Q0 {20 + deep:.1f} {half:.1f} -6" fill="none" stroke="#9c3a3f" stroke-width="13" '
            'stroke-linecap="round"/>'
        )
    top = -8 - deep * 0.35
    inside = f"M{-half:.1f} 0 Q{-half * 0.5:.1f} {top:.1f} 0 {top:.1f} Q{half * 0.5:.1f} {top:.1f} {half:.1f} 0 "
    inside += f"Q{half * 0.75:.1f} {deep + 12:.1f} 0 {deep + 12:.1f} Q{-half * 0.75:.1f} {deep + 12:.1f} {-half:.1f} 0Z"
    raised = deep * (0.62 - 0.4 * mouth.tongue)
    teeth = 14 + 12 * mouth.teeth
    return (
        f'<clipPath id="m"><path d="{inside}"/></clipPath><path d="{inside}" fill="#571c26"/>'
        f'<g clip-path="url(#m)"><ellipse cx="0" cy="{raised + 26:.1f}" rx="{half * 0.7:.1f}" ry="26" fill="#e0707a"/>'
        f'<rect x="{-half * 0.8:.1f}" y="{top - 4:.1f}" width="{half * 1.6:.1f}" height="{teeth:.1f}" rx="8" fill="#ffffff"/></g>'
        f'<path d="{inside}" fill="none" stroke="#9c3a3f" stroke-width="11" stroke-linejoin="round"/>'
    )


_HAIR_BEHIND: dict[Hair, str] = {
    "short": "",
    "long": '<path d="M235 440 Q205 130 500 120 Q795 130 765 440 L800 820 Q700 860 640 790 L360 790 Q300 860 200 820Z" fill="{colour}"/>',
    "bun": '<circle cx="500" cy="105" r="92" fill="{colour}"/>',
    "curly": '<g fill="{colour}"><circle cx="290" cy="330" r="110"/><circle cx="710" cy="330" r="110"/>'
    '<circle cx="265" cy="480" r="84"/><circle cx="735" cy="480" r="84"/></g>',
}
_HAIR_BEFORE: dict[Hair, str] = {
    "short": '<path d="M272 430 Q250 160 500 150 Q750 160 728 430 Q712 330 640 300 Q520 330 400 268 Q310 300 272 430Z" fill="{colour}"/>',
    "long": '<path d="M268 425 Q250 150 500 145 Q750 150 732 425 Q715 320 560 238 Q420 330 300 350 Q282 380 268 425Z" fill="{colour}"/>',
    "bun": '<path d="M272 420 Q255 160 500 155 Q745 160 728 420 Q690 250 500 246 Q310 250 272 420Z" fill="{colour}"/>',
    "curly": '<g fill="{colour}"><circle cx="340" cy="250" r="96"/><circle cx="450" cy="205" r="104"/><circle cx="565" cy="205" r="104"/>'
    '<circle cx="665" cy="250" r="96"/><circle cx="300" cy="330" r="60"/><circle cx="700" cy="330" r="60"/></g>',
}

"""Procedural art: motifs drawn from a seed in a palette's colours, chosen by the prompt's words.

A motif is a function of (random, palette) to SVG of 1000 by 1000 units; it is drawn to cover its area, so its
important parts stay near the middle.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from services.jobs.engines.images.palettes import Palette
from services.jobs.engines.shapes import circle, gradient, path, rect

Draw = Callable[[random.Random, Palette], str]


@dataclass(frozen=True)
class Motif:
    id: str
    words: frozenset[str]
    draw: Draw


def _wavy(rng: random.Random, y: float, height: float, fill: str) -> str:
    phase, turns = rng.uniform(0, 6.3), rng.uniform(1.2, 2.6)
    points = [(x, y + height * math.sin(phase + turns * 6.283 * x / 1000)) for x in range(0, 1001, 25)]
    line = " ".join(f"L{x} {level:.1f}" for x, level in points)
    return path(f"M0 1000 {line} L1000 1000z", fill)


def sunset(rng: random.Random, palette: Palette) -> str:
    """A striped sun over the sea."""
    x, y, radius = rng.uniform(350, 650), rng.uniform(330, 430), rng.uniform(200, 270)
    drawn = rect(0, 0, 1000, 1000, palette.ground) + circle(x, y, radius * 1.45, palette.accents[2], 'opacity=".35"')
    drawn += circle(x, y, radius, palette.accents[0])
    for step in range(6):
        drawn += rect(x - radius, y + radius * (0.1 + 0.15 * step), radius * 2, 5 + 5 * step, palette.ground)
    colours = (palette.accents[1], palette.deep, palette.accents[2], palette.deep, palette.ink)
    return drawn + "".join(_wavy(rng, 620 + 85 * row, 30, colour) for row, colour in enumerate(colours))


def peaks(rng: random.Random, palette: Palette) -> str:
    """Ridges one behind the other under a low sun."""
    drawn = rect(0, 0, 1000, 1000, palette.accents[0]) + rect(0, 0, 1000, 420, palette.paper, more='opacity=".35"')
    drawn += circle(rng.uniform(250, 750), rng.uniform(240, 360), rng.uniform(90, 140), palette.paper)
    colours = (palette.accents[2], palette.accents[1], palette.ground, palette.deep, palette.ink)
    return drawn + "".join(_ridge(rng, 440 + 115 * row, 150 - 12 * row, colour) for row, colour in enumerate(colours))


def _ridge(rng: random.Random, y: float, height: float, fill: str) -> str:
    x, up, line = -40.0, True, f"M-40 1000 L-40 {y:.0f}"
    while x < 1040:
        x += rng.uniform(60, 150)
        line += f" L{x:.0f} {y + (-1 if up else 0.5) * rng.uniform(0.3, 1) * height:.0f}"
        up = not up
    return path(f"{line} L1040 1000z", fill)


def tiles(rng: random.Random, palette: Palette) -> str:
    """Quarter circles, half circles and triangles on a grid, as the Bauhaus liked them."""
    count = rng.choice((4, 5, 6))
    side = 1000 / count
    drawn = rect(0, 0, 1000, 1000, palette.paper)
    for row in range(count):
        for column in range(count):
            drawn += f'<g transform="translate({column * side:g} {row * side:g})">{_tile(rng, side, palette)}</g>'
    return drawn


def _tile(rng: random.Random, side: float, palette: Palette) -> str:
    colours = [palette.ground, palette.deep, *palette.accents]
    back, front, dot = rng.sample([*dict.fromkeys(colours)], 3)
    turn = rng.choice((0, 90, 180, 270))
    shape = rng.choice(("quarter", "half", "triangle", "rings", "leaf", "plain"))
    figures = {
        "quarter": path(f"M0 0 H{side} A{side} {side} 0 0 1 0 {side}z", front),
        "half": path(f"M0 {side / 2} A{side / 2} {side / 2} 0 0 1 {side} {side / 2}z", front),
        "triangle": path(f"M0 {side} L{side} {side} L{side} 0z", front),
        "rings": circle(side / 2, side / 2, side * 0.42, front) + circle(side / 2, side / 2, side * 0.2, dot),
        "leaf": path(f"M0 0 A{side} {side} 0 0 1 {side} {side} A{side} {side} 0 0 1 0 0z", front),
        "plain": circle(side / 2, side / 2, side * 0.12, front),
    }
    turned = f'<g transform="rotate({turn} {side / 2:g} {side / 2:g})">{figures[shape]}</g>'
    return rect(0, 0, side + 0.6, side + 0.6, back) + turned


def rays(rng: random.Random, palette: Palette) -> str:
    """A burst of light from one point."""
    x, y, count = rng.uniform(300, 700), rng.uniform(350, 650), rng.choice((12, 16, 20))
    drawn = rect(0, 0, 1000, 1000, palette.ground)
    tones = (palette.accents[0], palette.accents[1])
    for index in range(count):
        start, end = (6.2832 * (index + offset) / count for offset in (0, 0.5))
        corners = [(x + 1500 * math.cos(angle), y + 1500 * math.sin(angle)) for angle in (start, end)]
        drawn += path(f"M{x:.0f} {y:.0f} " + " ".join(f"L{a:.0f} {b:.0f}" for a, b in corners) + "z", tones[index % 2])
    for radius, colour in ((210, palette.paper), (170, palette.deep), (110, palette.accents[2])):
        drawn += circle(x, y, radius, colour)
    return drawn


def orbits(rng: random.Random, palette: Palette) -> str:
    """Planets on their rings among stars."""
    drawn = rect(0, 0, 1000, 1000, palette.deep)
    for _ in range(140):
        spark = circle(
            rng.uniform(0, 1000), rng.uniform(0, 1000), rng.choice((1.5, 2, 3)), palette.paper, 'opacity=".7"'
        )
        drawn += spark
    x, y = rng.uniform(380, 620), rng.uniform(400, 600)
    drawn += circle(x, y, 105, palette.accents[0]) + circle(x - 22, y - 22, 76, palette.paper, 'opacity=".22"')
    for index in range(5):
        radius, angle = 175 + 85 * index, rng.uniform(0, 6.28)
        drawn += circle(x, y, radius, "none", f'stroke="{palette.paper}" stroke-width="2.5" opacity=".45"')
        planet = (x + radius * math.cos(angle), y + radius * math.sin(angle))
        drawn += circle(*planet, rng.uniform(18, 46), palette.accents[index % 3])
        drawn += circle(planet[0] - 6, planet[1] - 6, 9, palette.paper, 'opacity=".5"')
    return drawn


def leaves(rng: random.Random, palette: Palette) -> str:
    """Branches that grow in from the edges around a quiet middle."""
    drawn = rect(0, 0, 1000, 1000, palette.ground) + circle(500, 500, 300, palette.accents[0], 'opacity=".9"')
    for index in range(9):
        angle = 40 * index + rng.uniform(-12, 12)
        tone = (palette.deep, palette.accents[1], palette.accents[2])[index % 3]
        branch = _branch(tone, palette.ink, rng.uniform(0.85, 1.25))
        drawn += f'<g transform="translate(500 500) rotate({angle:.0f}) translate(0 -700) scale(1 1)">{branch}</g>'
    return drawn


def _branch(fill: str, vein: str, scale: float) -> str:
    drawn = path("M0 0 Q20 200 0 420", more=f'stroke="{vein}" stroke-width="7" opacity=".55"')
    for step in range(6):
        leaf = path("M0 0 C40 -70 130 -80 170 -20 C120 40 50 40 0 0z", fill)
        y, size = 60 + 66 * step, scale * (1.1 - 0.1 * step)
        for side in (1, -1):
            drawn += f'<g transform="translate(4 {y}) scale({side * size:.2f} {size:.2f}) rotate(28)">{leaf}</g>'
    return drawn


def skyline(rng: random.Random, palette: Palette) -> str:
    """A town at dusk with its windows lit."""
    drawn = f"<defs>{gradient('sky', palette.accents[1], palette.accents[0])}</defs>" + rect(
        0, 0, 1000, 1000, "url(#sky)"
    )
    drawn += circle(rng.uniform(250, 750), 330, 130, palette.paper, 'opacity=".9"')
    for row, tone in enumerate((palette.accents[2], palette.ground, palette.deep)):
        x = -30.0
        while x < 1000:
            width, height = rng.uniform(70, 150), rng.uniform(200, 460) - 90 * row
            top = 1000 - height - 150 + row * 60
            drawn += rect(x, top, width, 1000 - top, tone)
            drawn += _windows(rng, x, top, width, palette.accents[0]) if row else ""
            x += width + rng.choice((0, 0, 18))
    return drawn


def _windows(rng: random.Random, x: float, top: float, width: float, lit: str) -> str:
    drawn = ""
    for row in range(12):
        for column in range(int(width // 26) - 1):
            if rng.random() < 0.45:
                drawn += rect(x + 16 + column * 26, top + 20 + row * 34, 12, 18, lit, more='opacity=".85"')
    return drawn


def arches(rng: random.Random, palette: Palette) -> str:
    """Nested arches, side by side."""
    drawn = rect(0, 0, 1000, 1000, palette.accents[2])
    tones = [palette.ground, palette.accents[0], palette.accents[1], palette.deep, palette.paper]
    for column in range(2):
        order = rng.sample(tones, 5)
        for row in range(2):
            x, y = 250 + 500 * column, 250 + 500 * row + (250 if column else 0) - 125
            drawn += "".join(_arch(x, y, 245 - 44 * step, tone) for step, tone in enumerate(order))
        rng.shuffle(tones)
    return drawn


def _arch(x: float, y: float, radius: float, fill: str) -> str:
    return path(f"M{x - radius} {y + 250} V{y} A{radius} {radius} 0 0 1 {x + radius} {y} V{y + 250}z", fill)


def confetti(rng: random.Random, palette: Palette) -> str:
    """Paper scraps in the air."""
    drawn = rect(0, 0, 1000, 1000, palette.ground) + circle(500, 500, 330, palette.deep, 'opacity=".55"')
    tones = [*palette.accents, palette.paper, palette.deep]
    for _ in range(130):
        x, y, size, turn = rng.uniform(0, 1000), rng.uniform(0, 1000), rng.uniform(10, 34), rng.uniform(0, 360)
        tone = rng.choice(tones)
        shape = rng.choice(
            (
                circle(0, 0, size * 0.6, tone),
                rect(-size, -size / 3, size * 2, size * 0.66, tone, 4),
                path(f"M0 {-size} L{size} {size} L{-size} {size}z", tone),
                path(
                    f"M{-size * 2} 0 q{size} {-size * 1.6} {size * 2} 0 t{size * 2} 0",
                    more=f'stroke="{tone}" stroke-width="9"',
                ),
            )
        )
        drawn += f'<g transform="translate({x:.0f} {y:.0f}) rotate({turn:.0f})">{shape}</g>'
    return drawn


def dots(rng: random.Random, palette: Palette) -> str:
    """A halftone that swells towards one corner."""
    x0, y0, step = rng.choice((0, 1000)), rng.choice((0, 1000)), rng.choice((36, 44))
    drawn = rect(0, 0, 1000, 1000, palette.ground)
    for row in range(int(1000 / step) * 2):
        for column in range(int(1000 / step) + 2):
            x, y = column * step + (step / 2 if row % 2 else 0), row * step * 0.5
            near = max(0.0, 1 - math.hypot(x - x0, y - y0) / 1350)
            drawn += circle(x, y, max(1.2, near**1.5 * step * 0.72), palette.accents[0 if near < 0.55 else 1])
    return drawn


def ribbons(rng: random.Random, palette: Palette) -> str:
    """Parallel bands that flow across, like sound or silk."""
    drawn, tones = rect(0, 0, 1000, 1000, palette.deep), [palette.ground, *palette.accents, palette.paper]
    bend, lift, start = rng.uniform(150, 330), rng.uniform(-260, 260), rng.uniform(240, 420)
    for index in range(12):
        y = start + 44 * index - 60
        rise, fall = f"250 {y - bend:.0f} 420 {y + bend:.0f} 620 {y + lift / 3:.0f}", f"900 {y - bend + lift:.0f}"
        curve = f"M-60 {y:.0f} C{rise} S{fall} 1060 {y + lift:.0f}"
        drawn += path(curve, more=f'stroke="{tones[index % len(tones)]}" stroke-width="34"')
    return drawn


def circuit(rng: random.Random, palette: Palette) -> str:
    """Traces and nodes on a dark board."""
    drawn = rect(0, 0, 1000, 1000, palette.deep)
    for _ in range(46):
        x, y = rng.randrange(0, 25) * 40 + 20, rng.randrange(0, 25) * 40 + 20
        long, side, tone = rng.choice((120, 200, 320)), rng.choice((-1, 1)), rng.choice(palette.accents)
        trace = f"M{x} {y} h{long} l{60} {60 * side} v{long * 0.6 * side:.0f}"
        drawn += path(trace, more=f'stroke="{tone}" stroke-width="7" opacity=".85" stroke-linecap="round"')
        drawn += circle(x, y, 13, palette.deep, f'stroke="{tone}" stroke-width="7"')
    return drawn + circle(500, 500, 150, palette.ground) + circle(500, 500, 104, palette.accents[0])


def _motif(draw: Draw, words: str) -> Motif:
    return Motif(draw.__name__, frozenset(words.split()), draw)


MOTIFS: tuple[Motif, ...] = (
    _motif(sunset, "ocean sea beach summer surf swim island holiday sail boat sunset travel 海 夏"),
    _motif(peaks, "mountain hike climb ski snow trail outdoor adventure winter camp run marathon 山 冬"),
    _motif(tiles, "design architecture art exhibition museum gallery studio minimal workshop craft"),
    _motif(rays, "sale launch new opening offer announcing vote win deal now discount energy 优惠"),
    _motif(
        orbits,
        "space star stars stargazing observatory moon galaxy planet science astronomy universe telescope 星 月 夜",
    ),
    _motif(leaves, "nature plant garden forest green eco spring earth vegan tea farm organic yoga climate 春 茶"),
    _motif(skyline, "city town street urban night jazz lisbon york paris london tokyo berlin cinema film 城"),
    _motif(arches, "coffee bakery food wine home interior wedding brunch pottery bread cafe 咖啡 食"),
    _motif(confetti, "party birthday festival kids carnival celebrate congratulations year fun 祝 新年 生日"),
    _motif(dots, "pop comic retro punk magazine talk podcast news interview"),
    _motif(ribbons, "music concert dance jazz song silk sound wave radio flow voice band vinyl 音楽 音乐"),
    _motif(circuit, "ai tech code data hack startup robot computer cyber software developer game 会议"),
)

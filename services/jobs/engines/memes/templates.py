"""The drawn templates: which scene, where its captions go, and how they look there."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from services.jobs.engines.memes import comparisons, scenes
from services.jobs.engines.shapes import INK
from services.jobs.engines.typeset import Box, Style
from services.jobs.engines.vector import rasterise

OUTLINED = Style("anton", weight=800, largest=140, smallest=9, leading=1.16, outline=0.055, upper=True)
PRINTED = Style("montserrat", weight=800, largest=92, smallest=9, leading=1.14)
ABOVE, BELOW = Box(0.04, 0.03, 0.92, 0.21), Box(0.04, 0.76, 0.92, 0.21)


@dataclass(frozen=True)
class Slot:
    """Where one caption goes, in parts of the picture's width and height."""

    box: Box
    style: Style
    colour: str = "#ffffff"

    def within(self, width: int, height: int) -> Box:
        return Box(self.box.x * width, self.box.y * height, self.box.width * width, self.box.height * height)


@dataclass(frozen=True)
class Template:
    """A drawing and its captions' places; `ratio` is height over width."""

    id: str
    title: str
    draw: Callable[[], str]
    slots: tuple[Slot, ...]
    ratio: float = 1.0


def outlined(box: Box, valign: str) -> Slot:
    return Slot(box, Style(**{**OUTLINED.__dict__, "valign": valign}))


def _printed(x: float, y: float, width: float, height: float, largest: int = 92) -> Slot:
    return Slot(Box(x, y, width, height), Style(**{**PRINTED.__dict__, "largest": largest}), INK)


CLASSIC = (outlined(ABOVE, "top"), outlined(BELOW, "bottom"))

TEMPLATES: dict[str, Template] = {
    template.id: template
    for template in (
        Template("midnight-raccoon", "Caught at the fridge", scenes.midnight_raccoon, CLASSIC),
        Template("laptop-cat", "The cat has the keyboard", scenes.laptop_cat, CLASSIC),
        Template("snail-rocket", "A snail with a rocket", scenes.snail_rocket, CLASSIC),
        Template(
            "listening-duck",
            "The duck listens",
            scenes.listening_duck,
            (_printed(0.055, 0.085, 0.6, 0.165, 64), _printed(0.505, 0.318, 0.44, 0.092, 64)),
        ),
        Template(
            "first-hill",
            "The hill and the mountain",
            comparisons.first_hill,
            (outlined(Box(0.03, 0.86, 0.8, 0.125), "bottom"), outlined(Box(0.4, 0.36, 0.57, 0.3), "middle")),
        ),
        Template(
            "unfair-scale",
            "The feather outweighs the elephant",
            comparisons.unfair_scale,
            (outlined(Box(0.02, 0.8, 0.44, 0.18), "middle"), outlined(Box(0.55, 0.57, 0.43, 0.2), "middle")),
        ),
        Template(
            "calm-then-panic",
            "Calm, then panic",
            comparisons.calm_then_panic,
            (_printed(0.53, 0.035, 0.44, 0.43), _printed(0.53, 0.535, 0.44, 0.43)),
        ),
        Template(
            "growing-plant",
            "It grows",
            comparisons.growing_plant,
            (
                _printed(0.5, 0.025, 0.465, 0.283, 80),
                _printed(0.5, 0.358, 0.465, 0.283, 80),
                _printed(0.5, 0.692, 0.465, 0.283, 80),
            ),
            ratio=1.25,
        ),
    )
}


@lru_cache(maxsize=32)
def drawn(name: str, width: int) -> Image.Image:
    """The template without captions, RGB. The object is shared: callers draw on a copy."""
    template = TEMPLATES[name]
    return rasterise(template.draw(), width, round(width * template.ratio)).convert("RGB")


def warm(width: int = 1080) -> None:
    for name in TEMPLATES:
        drawn(name, width)

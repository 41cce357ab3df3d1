"""Which picture is shown when, how it moves, and how one gives way to the next."""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image

from services.jobs.engines import framing
from services.jobs.engines.film.planes import blank, moved, of_picture, planes
from services.jobs.engines.film.spoken import RATE
from services.jobs.engines.film.still import Still
from services.jobs.engines.images import engine as images
from services.jobs.engines.images.engine import ImageOptions
from services.jobs.engines.speech.voices import Word
from services.jobs.engines.vector import covering, rasterise

Transition = Literal["fade", "slide", "zoom", "cut"]

SIZE = (1080, 1920)
# Pictures are held larger than the frame, so that there is something to move over.
_ROOM = 1.16
_HELD = (1252, 2228)  # SIZE with that room, in even numbers.
_TURN = 0.45  # Seconds that a transition takes.
_MOST_GENERATED = 6
_SCENE_SECONDS = 4.0


@dataclass(frozen=True)
class Scene:
    """A picture of `_HELD` size, shown from `start` to `end` seconds, moving one way."""

    picture: Still
    start: float
    end: float
    motion: tuple[tuple[float, float, float], tuple[float, float, float]]


def number_of(seconds: float, pictures: int) -> int:
    """How many scenes a film has: all that was sent, or as many as its length asks for."""
    return pictures or max(1, min(_MOST_GENERATED, round(seconds / _SCENE_SECONDS)))


def scenes_of(pictures: Sequence[Image.Image], words: Sequence[Word], seconds: float, seed: int) -> list[Scene]:
    """The pictures in their order; they change where a sentence begins, or else a word, near their even share."""
    cuts = [0.0, *cuts_of(words, len(pictures), seconds), seconds]
    rng = random.Random(seed)
    held = [Still(of_picture(_held(picture))) for picture in pictures]
    return [
        Scene(picture, start, end, _motion(rng)) for picture, start, end in zip(held, cuts[:-1], cuts[1:], strict=True)
    ]


def cuts_of(words: Sequence[Word], number: int, seconds: float) -> list[float]:
    """When each picture but the first appears, rising."""
    share = seconds / number
    begins = [word.start for before, word in itertools.pairwise(words) if word.sentence != before.sentence]
    cuts: list[float] = []
    for index in range(1, number):
        ideal, after = index * share, cuts[-1] if cuts else 0.0
        near = [time for time in begins if abs(time - ideal) < share * 0.45]
        near = near or [word.start for word in words if abs(word.start - ideal) < share * 0.3]
        cut = min(near, key=lambda time: abs(time - ideal)) if near else ideal
        cuts.append(round(max(cut - _TURN / 2, after + share * 0.2), 3))
    return cuts


def _held(picture: Image.Image) -> Image.Image:
    """Filling the frame where little is lost by it, else whole on a blurred copy of itself."""
    shape = picture.width / picture.height
    if 0.42 <= shape <= 0.95:
        return framing.filled(framing.opaque(picture), _HELD)
    inner = framing.whole_on_blur(framing.opaque(picture), SIZE)
    return inner.resize(_HELD, Image.Resampling.BICUBIC)


def generated(prompt: str, number: int, seed: int) -> list[Image.Image]:
    """Art for the words, drawn by the images tool's rules, all in one palette."""
    designs = images.designs(prompt[: images.MAX_PROMPT], ImageOptions(size="story", n=4), seed)
    palette, made = designs[0].palette, []
    for index in range(number):
        motif = designs[index % len(designs)].motif
        drawing = motif.draw(random.Random(f"{seed}:{index}"), palette)
        art = rasterise(covering(drawing, 1000, *_HELD), *_HELD)
        made.append(framing.opaque(art, palette.ground))
    return made


def _motion(rng: random.Random) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Where the frame's middle is (shares of what is left over) and the zoom, at the start and at the end."""
    near, far = (1.0, 0.0, 0.0), (_ROOM, rng.uniform(-0.8, 0.8), rng.uniform(-0.8, 0.8))
    # Out as often as in, so that a film of many pictures breathes.
    return (near, far) if rng.random() < 0.5 else (far, near)


def frames(scenes: Sequence[Scene], transition: Transition, count: int) -> Iterator[Any]:
    """Every frame of the film, laid out as `planes` says."""
    current = 0
    for number in range(count):
        time = number / RATE
        while current + 1 < len(scenes) and time >= scenes[current + 1].start:
            current += 1
        shown = _shown(scenes[current], time)
        into = time - scenes[current].start
        if current and transition != "cut" and into < _TURN:
            shown = _turned(_shown(scenes[current - 1], time), shown, _eased(into / _TURN), transition)
        yield shown


def _shown(scene: Scene, time: float) -> Any:
    """The moving picture at this moment, interpolated between pixels: without that, slow motion trembles."""
    share = _eased((time - scene.start) / max(0.1, scene.end + _TURN - scene.start), gentle=True)
    zoom, x, y = (one + (other - one) * share for one, other in zip(*scene.motion, strict=True))
    # `zoom` 1 shows all that is held; more shows less of it.
    scale = zoom / _ROOM
    across, down = ((held * scale - side) / 2 for held, side in zip(_HELD, SIZE, strict=True))
    return scene.picture.seen(scale, (across * (1 + x), down * (1 + y)), SIZE)


def _eased(share: float, *, gentle: bool = False) -> float:
    share = min(1.0, max(0.0, share))
    smooth = share * share * (3 - 2 * share)
    return 0.5 * (share + smooth) if gentle else smooth


def _turned(old: Any, new: Any, share: float, transition: Transition) -> Any:
    import cv2  # noqa: PLC0415 - of the engines' own packages

    if transition == "slide":
        return _slid(old, new, share)
    if transition == "zoom":
        grown = 1 + 0.25 * share
        left, top = (side * (1 - grown) / 2 for side in SIZE)
        old = moved(old, ((grown, 0, left), (0, grown, top)), SIZE)
    return cv2.addWeighted(old, 1 - share, new, share, 0)


def _slid(old: Any, new: Any, share: float) -> Any:
    made = blank(SIZE)
    edge = round(SIZE[0] * share / 2) * 2
    for number, (target, before, after) in enumerate(zip(planes(made), planes(old), planes(new), strict=True)):
        at = edge // 2 if number else edge
        target[:] = np.concatenate([before[:, at:], after[:, :at]], axis=1)
    return made

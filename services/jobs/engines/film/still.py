"""A picture that a film looks at through a moving window, at places between its pixels.

An affine warp does that too, and takes half as long again: it knows nothing of pictures that are only moved and scaled.
Resizing is quick, but takes whole pixels. So a slightly larger copy is made of a window in whole pixels, chosen so that
the wanted view is a part of it, in whole pixels as well, and off by less than anybody sees.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from services.jobs.engines.film.planes import blank, planes

# How much larger than the view a copy may be. More pixels are more choice, and more work.
_SPARE = 48
# Around the picture its edge is repeated, so that there is a choice at the edge as well.
_MARGIN = 64
# In pixels of the picture; a warp itself goes by steps of 0.03. At few scales, like 1, no window comes as near.
_CLOSE = 0.06


class _Window(NamedTuple):
    """`length` pixels from `start` are resized to `copied`, of which the view begins at `skipped`."""

    start: int
    length: int
    copied: int
    skipped: int

    def of(self, source: Any) -> Any:
        return source[self.start : self.start + self.length]

    def view(self, copy: Any, pixels: int) -> Any:
        return copy[self.skipped : self.skipped + pixels]


class Still:
    """A frame, laid out as `planes` says, ready to be looked at many times."""

    def __init__(self, frame: Any) -> None:
        import cv2  # noqa: PLC0415 - of the engines' own packages

        edges = [_MARGIN] * 4
        self._planes = [cv2.copyMakeBorder(plane, *edges, cv2.BORDER_REPLICATE) for plane in planes(frame)]

    def seen(self, scale: float, corner: tuple[float, float], size: tuple[int, int]) -> Any:
        """A frame of `size`: the picture scaled down, its `corner` (in scaled pixels) at the top left.

        The view may reach a few pixels over the picture's edge, and no further.
        """
        made = blank(size)
        for number, (source, target) in enumerate(zip(self._planes, planes(made), strict=True)):
            _look(source, target, 1 / scale, tuple(at * (0.5 if number else 1) / scale for at in corner))
        return made


def _look(source: Any, target: Any, step: float, first: tuple[float, ...]) -> None:
    """Fill the target with every `step`th pixel of the source from `first`, its margin not counted."""
    import cv2  # noqa: PLC0415 - of the engines' own packages

    height, width = target.shape
    x, y = (_window(step, at + _MARGIN, view) for at, view in zip(first, (width, height), strict=True))
    if x is None or y is None:
        matrix = np.array([[step, 0, first[0] + _MARGIN], [0, step, first[1] + _MARGIN]])
        cv2.warpAffine(source, matrix, (width, height), target, cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        return
    part = x.of(y.of(source).T).T
    copy = cv2.resize(part, (x.copied, y.copied), interpolation=cv2.INTER_LINEAR)
    target[:] = x.view(y.view(copy, height).T, width).T


def _window(step: float, first: float, view: int) -> _Window | None:
    """The best for `view` pixels, each `step` pixels of the picture behind the one before; None if none is close."""
    copied, skipped = _choices(view)
    length = np.rint(copied * step)
    own = length / copied
    # Resizing maps the middles of pixels: what is at `skipped` in the copy was here in its window.
    start = first - ((skipped + 0.5) * own - 0.5)
    whole = np.rint(start)
    near = whole - start
    error = np.maximum(np.abs(near), np.abs(near + (own - step) * (view - 1)))
    best = int(np.argmin(error))
    if error[best] > _CLOSE:
        return None
    return _Window(int(whole[best]), int(length[best]), int(copied[best]), int(skipped[best]))


@lru_cache(maxsize=8)
def _choices(view: int) -> tuple[Any, Any]:
    """Every size of a copy with every place in it."""
    spare, skipped = (side.ravel() for side in np.mgrid[: _SPARE + 1, : _SPARE + 1])
    kept = skipped <= spare
    return spare[kept] + view, skipped[kept]

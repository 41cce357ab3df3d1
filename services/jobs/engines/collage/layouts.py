"""Where the pictures of a collage go, as boxes in parts of the sheet."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise

from services.jobs.engines.typeset import Box

_LEAD = 0.62  # The share of the sheet that the first picture of a `feature` takes.


def mosaic(ratios: Sequence[float], sheet: float) -> list[Box]:
    """Rows or columns that keep the pictures' own shapes; of all ways to break them, the one that cuts least.

    `ratios` are width over height of the pictures in their order, `sheet` of the sheet. Inside a row every picture
    is as wide as its shape wants; the rows are then stretched alike to fill the sheet, and that stretch is the loss.
    """
    upright = [1 / ratio for ratio in ratios]
    rows = min(_splits(len(ratios)), key=lambda split: _loss(ratios, split, sheet))
    columns = min(_splits(len(ratios)), key=lambda split: _loss(upright, split, 1 / sheet))
    if _loss(ratios, rows, sheet) <= _loss(upright, columns, 1 / sheet):
        return _rows(ratios, rows)
    return [_transposed(box) for box in _rows(upright, columns)]


def _splits(count: int) -> Iterator[list[tuple[int, int]]]:
    """Every way to break a sequence into runs that keep its order."""
    for chosen in range(1 << (count - 1)):
        cuts = [0, *(index for index in range(1, count) if chosen >> (index - 1) & 1), count]
        yield list(pairwise(cuts))


def _loss(ratios: Sequence[float], split: list[tuple[int, int]], sheet: float) -> float:
    """How far the rows must be stretched, and how uneven they are: a sliver beside a giant is no collage."""
    heights = [1 / sum(ratios[start:end]) for start, end in split]
    stretch = abs(math.log(sum(heights) * sheet))
    areas = [ratio * height**2 for height, run in zip(heights, split, strict=True) for ratio in ratios[slice(*run)]]
    return stretch + 0.25 * math.log(max(areas) / min(areas))


def _rows(ratios: Sequence[float], split: list[tuple[int, int]]) -> list[Box]:
    heights = [1 / sum(ratios[start:end]) for start, end in split]
    boxes: list[Box] = []
    for (start, end), top, height in zip(split, accumulate(heights, initial=0.0), heights, strict=False):
        lefts = accumulate(ratios[start:end], initial=0.0)
        share = [(left * height, ratio * height) for left, ratio in zip(lefts, ratios[start:end], strict=False)]
        boxes += [Box(left, top / sum(heights), width, height / sum(heights)) for left, width in share]
    return boxes


def _transposed(box: Box) -> Box:
    return Box(box.y, box.x, box.height, box.width)


def grid(ratios: Sequence[float], sheet: float) -> list[Box]:
    """Cells as near to square as the sheet allows; a last row that isn't full is stretched to the edge."""
    count = len(ratios)
    columns = min(range(1, count + 1), key=lambda wide: _cell_loss(wide, count, sheet))
    rows = math.ceil(count / columns)
    boxes = []
    for index in range(count):
        row = index // columns
        wide = min(columns, count - row * columns)
        boxes.append(Box(index % columns / wide, row / rows, 1 / wide, 1 / rows))
    return boxes


def _cell_loss(columns: int, count: int, sheet: float) -> float:
    rows = math.ceil(count / columns)
    return abs(math.log(sheet * rows / columns)) + 0.3 * (rows * columns - count) / columns


def feature(ratios: Sequence[float], sheet: float) -> list[Box]:
    """The first picture large, the others in a strip along the sheet's longer side."""
    others = len(ratios) - 1
    strip = [Box(_LEAD, index / others, 1 - _LEAD, 1 / others) for index in range(others)]
    boxes = [Box(0, 0, _LEAD, 1), *strip]
    return boxes if sheet > 1 else [_transposed(box) for box in boxes]


def row(ratios: Sequence[float], _sheet: float) -> list[Box]:
    return [Box(index / len(ratios), 0, 1 / len(ratios), 1) for index in range(len(ratios))]


def column(ratios: Sequence[float], sheet: float) -> list[Box]:
    return [_transposed(box) for box in row(ratios, sheet)]


LAYOUTS: dict[str, Callable[[Sequence[float], float], list[Box]]] = {
    "mosaic": mosaic,
    "grid": grid,
    "feature": feature,
    "row": row,
    "column": column,
}

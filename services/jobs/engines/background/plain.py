"""Finding a plain background: what colour it has along the edges, and how far in it reaches.

This knows nothing of people or things. It follows one colour, or a soft gradient, in from the edges of the picture.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from services.jobs.engines.protocol import InvalidInput

# The colours of the edges are told on a small copy: a background has no detail.
SMALL_SIDE = 384
# How much of the picture's edge must agree for it to be one background; a subject may be cut off by some of it.
AGREEING = 0.6
# Beyond the tolerance a pixel is partly subject over this much distance more at least, as edges of things are soft.
SOFTNESS = 24.0
# A pixel this near to the most distant one beside it is all subject: the noise of a JPEG must not make holes.
SURELY_SUBJECT = 0.75

Floats = NDArray[np.float32]


def subject_mask(picture: Image.Image, tolerance: float) -> Image.Image:
    """White where the subject is, black where the background, grey between. Raises InvalidInput if it isn't plain.

    `tolerance` is a distance of colours, 0 to 255. Background that the subject encloses stays: it isn't reached.
    """
    small = picture.copy()
    small.thumbnail((SMALL_SIDE, SMALL_SIDE))
    pixels = np.asarray(small, dtype=np.float32)
    colours = _corner_colours(pixels, tolerance)
    reached = _reached(_distances(pixels, colours) > tolerance)
    if reached.mean() > 0.995:
        raise InvalidInput("There is nothing before the background.", field="input_files")
    distance = _distances(np.asarray(picture, dtype=np.float32), colours)
    ramp = np.maximum(_highest_around(distance) * SURELY_SUBJECT - tolerance, SOFTNESS)
    opaque = np.clip((distance - tolerance) / ramp, 0, 1)
    near = _grown(reached, picture.size)
    return Image.fromarray((np.where(near, opaque, 1) * 255).astype(np.uint8))


def _corner_colours(pixels: Floats, tolerance: float) -> Floats:
    """A plane of colour through the edge's pixels that agree, as its values in the four corners."""
    height, width, _ = pixels.shape
    rows, columns = np.mgrid[0:height, 0:width]
    edge = np.ones((height, width), dtype=bool)
    edge[2:-2, 2:-2] = False
    places = np.stack([np.ones(edge.sum()), rows[edge] / max(1, height - 1), columns[edge] / max(1, width - 1)], axis=1)
    plane = _fitted(places, pixels[edge], tolerance)
    corners = np.array([[1, 0, 0], [1, 0, 1], [1, 1, 0], [1, 1, 1]])
    return (corners @ plane).reshape(2, 2, 3).astype(np.float32)


def _fitted(places: NDArray[np.float64], colours: Floats, tolerance: float) -> NDArray[np.float64]:
    """Fit, leave out what is far from it, fit again: what the subject covers of the edge must not count."""
    plane = np.vstack([np.median(colours, axis=0), np.zeros((2, 3))])
    for reach in (4.0, 2.0, 1.0):
        near = np.linalg.norm(places @ plane - colours, axis=1) <= tolerance * reach
        if near.mean() < AGREEING:
            raise InvalidInput("The background isn't plain: its edges differ too much.", field="input_files")
        plane = np.linalg.lstsq(places[near], colours[near], rcond=None)[0]
    return plane


def _distances(pixels: Floats, corners: Floats) -> Floats:
    height, width, _ = pixels.shape
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    right = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    top = corners[0, 0] + right * (corners[0, 1] - corners[0, 0])
    left = down * (corners[1, 0] - corners[0, 0])
    distances: Floats = np.sqrt(((pixels - top - left) ** 2).sum(axis=2))
    return distances


def _highest_around(distance: Floats) -> Floats:
    """The distance of the subject proper beside each pixel: on a soft edge, old background shines through in part."""
    levels = Image.fromarray(distance.clip(0, 255).astype(np.uint8))
    return np.asarray(levels.filter(ImageFilter.MaxFilter(5)), dtype=np.float32)


def _reached(subject: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where one comes from outside of the picture without crossing the subject."""
    # What is filled must be a copy: a picture that lends an array's memory is only read.
    framed = Image.fromarray(np.pad(np.where(subject, 255, 0), 1).astype(np.uint8)).copy()
    ImageDraw.floodfill(framed, (0, 0), 128)
    reached: NDArray[np.bool_] = np.asarray(framed)[1:-1, 1:-1] == 128
    return reached


def _grown(reached: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """In full size, and a little further, as the soft edge lies between what was told apart on the small copy."""
    mask = Image.fromarray(np.where(reached, 255, 0).astype(np.uint8)).filter(ImageFilter.MaxFilter(5))
    near: NDArray[np.bool_] = np.asarray(mask.resize(size, Image.Resampling.BILINEAR)) > 127
    return near

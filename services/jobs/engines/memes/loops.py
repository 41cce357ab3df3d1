"""An animated picture made ready for ffmpeg, as a film in which nothing is lost.

Pillow decodes it, as it did when the upload was examined, so that it is as long as was said then.
"""

from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image, ImageSequence

from services.jobs.engines.framing import opaque
from services.jobs.engines.media import opened, stay_of

_CLOCK = Fraction(1, 1000)
# Every frame comes out of the encoder when it goes in, so that its time can be given to it.
_LOSSLESS = {"preset": "ultrafast", "qp": "0", "tune": "zerolatency"}


def write_film(loop: Path, film: Path) -> None:
    """Each frame stays as long as browsers show it; transparent parts lie on white. The upload
    has been looked through: `opened` only guards its size once more. Raises InvalidInput."""
    import av  # noqa: PLC0415 - of the engines' own packages

    with opened(loop) as pages, av.open(str(film), "w", format="mov") as container:
        stream = container.add_stream("libx264rgb", rate=_CLOCK.denominator, options=_LOSSLESS)
        stream.width, stream.height, stream.pix_fmt = *pages.size, "rgb24"
        stream.time_base = stream.codec_context.time_base = _CLOCK
        start = 0
        for page in ImageSequence.Iterator(pages):
            page.load()
            stay = stay_of(page)
            _add(container, stream, page, start, stay)
            start += stay


def _add(container: Any, stream: Any, page: Image.Image, start: int, stay: int) -> None:
    import av  # noqa: PLC0415 - of the engines' own packages

    frame = av.VideoFrame.from_image(opaque(page.convert("RGBA")))
    frame.pts, frame.time_base = start, _CLOCK
    for packet in stream.encode(frame):
        packet.duration = stay
        container.mux(packet)

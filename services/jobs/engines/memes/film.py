"""Writing a meme that moves: as a GIF by Pillow alone, or as a film by ffmpeg."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from PIL import Image

from services.jobs.engines import extras, ffmpeg
from services.jobs.engines.memes.motion import RATE, Shot
from services.jobs.engines.protocol import OutputFile

_MILLISECONDS = 1000 // RATE
_COLOURS = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv")

Told = Callable[[int], None]


def write_gif(path: Path, shots: Iterable[Shot], whole: Image.Image, told: Told) -> OutputFile:
    """A loop for ever, in the colours of the whole meme. `told` hears how many frames there are yet.

    Only what moves is drawn anew: dots that mix colours would else crawl over the picture.
    """
    palette = whole.quantize(256, Image.Quantize.MEDIANCUT)
    stays: list[int] = []
    pages = _pages(shots, palette, stays, told)
    pictures = list(pages)
    pictures[0].save(path, "GIF", save_all=True, append_images=pictures[1:], duration=stays, loop=0, optimize=False)
    return OutputFile(path, path.name, "image", "image/gif", *whole.size, sum(stays) / 1000)


def _pages(shots: Iterable[Shot], palette: Image.Image, stays: list[int], told: Told) -> Iterator[Image.Image]:
    settled: Image.Image | None = None
    for shot in shots:
        if settled is None or shot.changed is None:
            page = shot.picture.quantize(palette=palette)
        else:
            page = settled.copy()
            page.paste(shot.picture.crop(shot.changed).quantize(palette=palette), shot.changed[:2])
        settled = page if shot.settled else settled
        stays.append(shot.frames * _MILLISECONDS)
        told(sum(stays) // _MILLISECONDS)
        yield page


def write_mp4(path: Path, shots: Iterable[Shot], size: tuple[int, int], told: Told) -> OutputFile:
    """A silent H.264 film; a side that is odd loses a pixel, as the format has none. Raises FfmpegFailed."""
    extras.join()
    even = (size[0] // 2 * 2, size[1] // 2 * 2)
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-r", str(RATE), "-i", "pipe:0")
    chain = f"crop={even[0]}:{even[1]}:0:0,scale=out_color_matrix=bt709:out_range=tv"
    count = 0
    with ffmpeg.fed([*raw, "-an", "-vf", chain, *ffmpeg.H264, *_COLOURS, "-f", "mp4", str(path)], path.parent) as pipe:
        for shot in shots:
            content = shot.picture.tobytes()
            for _ in range(shot.frames):
                pipe.write(content)
            count += shot.frames
            told(count)
    return OutputFile(path, path.name, "video", "video/mp4", *even, count / RATE)

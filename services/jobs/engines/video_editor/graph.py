"""The picture as a filter graph of ffmpeg. Every number and name in it is ours: texts come as files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.jobs.engines import ffmpeg
from services.jobs.engines.video_editor.options import Fit, VideoEditorOptions
from services.jobs.engines.video_editor.timeline import Part

_FADES = {"crossfade": "fade", "black": "fadeblack"}
# A blur keeps no detail, so it is made on a copy of an eighth of the size.
_SOFT = 8
_SAME_SHAPE = 0.01


@dataclass(frozen=True)
class Layer:
    """A picture laid over the film from one second to another."""

    path: Path
    place: tuple[int, int]
    start: float
    end: float


def still(path: Path, rate: int | None = None, seconds: float = 0) -> list[str]:
    """The arguments of a picture of ours as an input: once, or as a film of this length."""
    repeated = ["-loop", "1", "-framerate", str(rate), "-t", f"{seconds:.3f}"] if rate else []
    return [*repeated, "-protocol_whitelist", "file,pipe", "-f", "image2", "-pattern_type", "none", "-i", str(path)]


def source(part: Part, path: Path) -> list[str]:
    """The arguments of a film as an input, cut to what the clip takes of it."""
    cut = ["-ss", f"{part.clip.start:.3f}", "-t", f"{part.taken:.3f}"]
    return [*cut, *ffmpeg.source(path, part.media["demuxer"])]


def picture(parts: Sequence[Part], layers: Sequence[Layer], options: VideoEditorOptions, *, captioned: bool) -> str:
    """The graph from the inputs, parts before layers, to the label `[film]`."""
    chains = [_fitted(number, part, options) for number, part in enumerate(parts)]
    chains += _joined(parts, options.fps)
    shown = f"[j{len(parts) - 1}]"
    for number, layer in enumerate(layers):
        x, y = layer.place
        during = f"enable='between(t,{layer.start:.3f},{layer.end:.3f})'"
        chains.append(f"{shown}[{len(parts) + number}:v]overlay={x}:{y}:{during}[l{number}]")
        shown = f"[l{number}]"
    burned = "ass=filename=captions.ass:fontsdir=fonts," if captioned else ""
    return ";".join([*chains, f"{shown}{burned}format=yuv420p[film]"])


def _fitted(number: int, part: Part, options: VideoEditorOptions) -> str:
    """A clip in the film's size and rate, and of exactly so many frames."""
    fps, clip = options.fps, part.clip
    speed = "" if part.is_still else f"setpts=(PTS-STARTPTS)/{clip.speed:.4f},"
    square = "scale=trunc(iw*sar/2)*2:trunc(ih/2)*2,setsar=1"
    fit = _fit(number, part, clip.fit or options.fit, options)
    # The last picture stands in where a film's pictures end a little before its time does.
    exact = f"tpad=stop=-1:stop_mode=clone,trim=end_frame={part.frames},setpts=PTS-STARTPTS"
    even = f"setsar=1,format=yuv420p,settb=1/{fps}"
    return f"[{number}:v]{speed}fps={fps},{square}{_cropped(part)},{fit},{exact},{even}[p{number}]"


def _cropped(part: Part) -> str:
    crop = part.clip.crop
    if (crop.x, crop.y, crop.width, crop.height) == (0, 0, 1, 1):
        return ""
    width, height = min(crop.width, 1 - crop.x), min(crop.height, 1 - crop.y)
    return f",crop=max(2\\,iw*{width:.4f}):max(2\\,ih*{height:.4f}):iw*{crop.x:.4f}:ih*{crop.y:.4f}"


def shape_of(part: Part) -> float:
    """Width over height of what is kept of the picture."""
    crop = part.clip.crop
    width, height = min(crop.width, 1 - crop.x), min(crop.height, 1 - crop.y)
    return float(part.media["width"]) * width / (float(part.media["height"]) * height)


def _fit(number: int, part: Part, fit: Fit, options: VideoEditorOptions) -> str:
    width, height = options.size
    if abs(shape_of(part) * height / width - 1) < _SAME_SHAPE:
        return f"scale={width}:{height}:flags=bicubic"
    if fit == "cover":
        return f"{_scaled(width, height, 'increase')},crop={width}:{height}"
    whole = _scaled(width, height, "decrease")
    if fit == "contain":
        return f"{whole},pad={width}:{height}:(ow-iw)/2:(oh-ih)/2:color=0x{options.ground[1:]}"
    soft = (max(2, width // _SOFT // 2 * 2), max(2, height // _SOFT // 2 * 2))
    behind = f"{_scaled(*soft, 'increase')},crop={soft[0]}:{soft[1]},gblur=sigma=6,lutyuv=y=val*0.72"
    return (
        f"split[a{number}][b{number}];[a{number}]{behind},scale={width}:{height}:flags=bicubic,setsar=1[g{number}];"
        f"[b{number}]{whole},setsar=1[w{number}];[g{number}][w{number}]overlay=(W-w)/2:(H-h)/2"
    )


def _scaled(width: int, height: int, towards: str) -> str:
    return f"scale={width}:{height}:force_original_aspect_ratio={towards}:force_divisible_by=2:flags=bicubic"


def _joined(parts: Sequence[Part], fps: int) -> list[str]:
    """One after the other; the label of what is joined up to a part is `[j…]`."""
    chains = ["[p0]null[j0]"]
    for number, part in enumerate(parts[1:], 1):
        both = f"[j{number - 1}][p{number}]"
        if part.overlap:
            turn = f"duration={part.overlap / fps:.4f}:offset={part.start / fps:.4f}"
            chains.append(f"{both}xfade=transition={_FADES[part.clip.transition]}:{turn},settb=1/{fps}[j{number}]")
        else:
            chains.append(f"{both}concat=n=2:v=1:a=0,settb=1/{fps}[j{number}]")
    return chains

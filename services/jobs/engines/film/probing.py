"""Opening films and sound from strangers: what they are is read from the streams, never from their name.

The demuxer is the one the content type names, so that a playlist in disguise is a damaged film and opens nothing else.
"""

from pathlib import Path
from typing import Any

from services.jobs.engines.protocol import InvalidInput

# Content types that may be uploaded, with their file ending and the demuxer that is to read them.
KINDS = {
    "video/mp4": (".mp4", "mov"),
    "video/quicktime": (".mov", "mov"),
    "video/webm": (".webm", "matroska"),
    "audio/mpeg": (".mp3", "mp3"),
    "audio/mp4": (".m4a", "mov"),
    "audio/wav": (".wav", "wav"),
    "audio/ogg": (".ogg", "ogg"),
}
MAX_SECONDS = 20 * 60
MAX_EDGE = 4096
MICROSECONDS = 1_000_000
# Near enough the end that a film which was cut off while it was sent shows it, and not so near that rounding does.
TAIL_SECONDS, TAIL_SHARE = 0.25, 0.05
ONLY_FILES = {"protocol_whitelist": "file"}


def probe_film(path: Path, content_type: str) -> dict[str, Any]:
    """Describe a film or a sound: seconds, pixels, frames a second, whether it has sound. Raises InvalidInput."""
    import av  # noqa: PLC0415 - of the engines' own packages

    try:
        with av.open(str(path), format=KINDS[content_type][1], options=ONLY_FILES) as container:
            claimed = content_type.split("/", maxsplit=1)[0]
            return {**_described(container, claimed), "demuxer": KINDS[content_type][1]}
    except (av.FFmpegError, ValueError, OverflowError):
        raise InvalidInput("The file is damaged, incomplete, or not what it says.", "UNSUPPORTED_MEDIA") from None


def _described(container: Any, claimed: str) -> dict[str, Any]:
    seconds = (container.duration or 0) / MICROSECONDS
    if seconds <= 0:
        raise InvalidInput("The file doesn't say how long it is.", "UNSUPPORTED_MEDIA")
    if seconds > MAX_SECONDS:
        raise InvalidInput(f"Films and sounds may be {MAX_SECONDS // 60} minutes long.", "INPUT_TOO_LARGE")
    media: dict[str, Any] = {"kind": claimed, "duration": round(seconds, 3)}
    if claimed == "video":
        media |= _picture_of(container, seconds)
        media["has_sound"] = bool(container.streams.audio)
    elif not container.streams.audio:
        raise InvalidInput("There is no sound in the file.", "UNSUPPORTED_MEDIA")
    else:
        _decode_one(container, container.streams.audio[0])
    return media


def _picture_of(container: Any, seconds: float) -> dict[str, Any]:
    if not container.streams.video:
        raise InvalidInput("There is no picture in the file.", "UNSUPPORTED_MEDIA")
    stream = container.streams.video[0]
    if max(stream.width, stream.height) > MAX_EDGE:
        raise InvalidInput(f"A film may have at most {MAX_EDGE} pixels a side.", "INPUT_TOO_LARGE")
    first = _decode_one(container, stream)
    if stream.duration is not None and stream.time_base is not None:
        # The sound may go on when the pictures have ended.
        seconds = min(seconds, float(stream.duration * stream.time_base))
    _reach(container, stream, seconds - max(TAIL_SECONDS, seconds * TAIL_SHARE))
    turned = first.rotation % 180 != 0
    width, height = (first.height, first.width) if turned else (first.width, first.height)
    rate = float(stream.average_rate or 0)
    return {"width": width, "height": height, "fps": round(rate, 3)}


def _reach(container: Any, stream: Any, seconds: float) -> None:
    """Decode a picture at or behind this moment: in a film that was cut off there is none."""
    container.seek(int(max(0, seconds) * MICROSECONDS))
    for frame in container.decode(stream):
        if frame.time is not None and frame.time >= seconds:
            return
    raise InvalidInput("The film is damaged or incomplete.", "UNSUPPORTED_MEDIA")


def _decode_one(container: Any, stream: Any) -> Any:
    for frame in container.decode(stream):
        return frame
    raise InvalidInput("The file is damaged or incomplete.", "UNSUPPORTED_MEDIA")

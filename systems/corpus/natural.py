"""Natural synthetic speech for training: Kokoro's voices and blends of them say sentences, English and Mandarin.

    python -m ttsbench.systems.corpus.natural --voices package/voices --out FOLDER [--english 3] [--mandarin 1.5]

About as fast as real time on one core, so it is made once and kept. FOLDER/wavs/ID.flac (16 kHz, mono) and
FOLDER/manifest.jsonl, a line per utterance: id, language, voice (a blend is a speaker of its own), text, seconds,
tokens (Kokoro's phoneme characters, `Speech.tokens` as one string), ends (seconds of each). Killed, it goes on.
Voices of `test-only-voices.txt` and sentences of the embedded test sets are refused.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ttsbench.audio import write
from ttsbench.systems.corpus.kokoro import RATE, Kokoro, refuse_test_only, test_only
from ttsbench.systems.corpus.mandarin import differences, without_readings
from ttsbench.systems.corpus.sentences import generated, quotations
from ttsbench.systems.corpus.sentences_zh import generated_zh
from ttsbench.systems.text.dictionary import dictionary

EMBEDDED = Path(__file__).parents[2] / "testsets" / "embedded"
SPEAKERS = {"en": 60, "zh": 30}
SEED = 22
Job = tuple[str, str, str, float]  # language, voice, text, speed


def plain(text: str) -> str:
    """Letters and digits alone, lower case: how two sentences are compared."""
    return re.sub(r"[\W_]+", "", text.lower())


def test_sentences(folder: Path = EMBEDDED) -> frozenset[str]:
    """Every cell of the embedded sets' lists and sentence files, `plain`: what no training may say."""
    files = [*folder.glob("*/*.tsv"), *folder.glob("*/*.lst"), *folder.glob("*/*.txt")]
    cells = [re.split(r"[\t|\n]", path.read_text(encoding="utf-8")) for path in files]
    return frozenset(plain(without_readings(cell)) for part in cells for cell in part if len(plain(cell)) > 3)


def speakers(names: list[str], language: str) -> list[str]:
    """Training voices: each alone, then blends of two. Every other Mandarin blend is one third an English voice."""
    rng = np.random.default_rng(SEED)
    kept = [name for name in names if name not in test_only()]
    own = [name for name in kept if name[0] in ("z" if language == "zh" else "ab")]
    english = [name for name in kept if name[0] in "ab"]
    found = dict.fromkeys(own)
    while len(found) < SPEAKERS[language]:
        first = own[int(rng.integers(len(own)))]
        foreign = language == "zh" and len(found) % 2 == 0
        second = (english if foreign else own)[int(rng.integers(len(english if foreign else own)))]
        if first != second:
            found[f"{first}:{2 if foreign else int(rng.integers(1, 3))}+{second}:1"] = None
    return list(found)


def plan(names: list[str]) -> Iterator[Job]:
    """Without end: two English sentences, then a Mandarin one; the speakers in turn, in a new order each time."""
    rng = np.random.default_rng(SEED)
    refused = test_sentences()
    english = [text for text in quotations(frozenset(dictionary())) if 5 <= len(text.split()) <= 20]
    english += generated(rng, len(english) // 3 or 4000)
    texts = {"en": [english[i] for i in rng.permutation(len(english))], "zh": generated_zh(rng, 6000)}
    waiting = {language: iter(said) for language, said in texts.items()}
    turns: dict[str, list[str]] = {"en": [], "zh": []}
    while True:
        for language in ("en", "en", "zh"):
            text = next((t for t in waiting[language] if plain(t) not in refused), None)
            if text is None:
                return
            if not turns[language]:
                turns[language] = [str(v) for v in rng.permutation(speakers(names, language))]
            yield language, turns[language].pop(), text, round(float(rng.uniform(0.9, 1.15)), 2)


def make(voices: Path, folder: Path, hours: dict[str, float]) -> None:
    """Speak until each language has its `hours`. UserError where a package or the voices are missing."""
    model = Kokoro(voices)
    manifest = folder / "manifest.jsonl"
    (folder / "wavs").mkdir(parents=True, exist_ok=True)
    rows = whole_rows(manifest)
    done = {row["id"] for row in rows}
    seconds = {key: sum(row["seconds"] for row in rows if row["language"] == key) for key in hours}
    with manifest.open("a", encoding="utf-8") as file:
        for number, (language, voice, text, speed) in enumerate(plan(list(model.voices))):
            key = f"kokoro-{number:05d}"
            if all(seconds[name] >= 3600 * hours[name] for name in hours):
                break
            if key in done or seconds[language] >= 3600 * hours[language]:
                continue
            if language == "zh" and differences(text):
                continue  # two ways to read a character: leave the sentence out
            refuse_test_only(voice)
            speech = model.say(text, voice, language, speed)
            write(folder / "wavs" / f"{key}.flac", speech.samples, RATE)
            length = speech.samples.size / RATE
            row = {"id": key, "language": language, "voice": voice, "text": text, "seconds": round(length, 3)}
            row |= {"tokens": "".join(speech.tokens), "ends": list(speech.ends)}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            file.flush()
            seconds[language] += length


def whole_rows(manifest: Path) -> list[dict[str, Any]]:
    """The manifest's rows; a last line that a killed run left unfinished is cut off the file."""
    if not manifest.is_file():
        return []
    lines = manifest.read_text(encoding="utf-8").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        manifest.write_text("".join(lines[:-1]), encoding="utf-8")
        lines = lines[:-1]
    return [json.loads(line) for line in lines]


def main(arguments: list[str]) -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description="natural synthetic speech for training")
    parser.add_argument("--voices", type=Path, required=True, help="folder of kokoro-js with af_heart.bin and others")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--english", type=float, default=3.0, help="hours")
    parser.add_argument("--mandarin", type=float, default=1.5, help="hours")
    given = parser.parse_args(arguments)
    make(given.voices, given.out, {"en": given.english, "zh": given.mandarin})


if __name__ == "__main__":
    main(sys.argv[1:])

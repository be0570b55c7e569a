"""Make the embedded test sets again: lists, audio and set.json, from the sentences and Kokoro's voices.

    python -m ttsbench.testsets.embedded.choose VOICES DRAFTS        the choice of sentences, by a recogniser
    python -m ttsbench.testsets.embedded.make VOICES DRAFTS [SET...]
    python -m ttsbench.testsets.embedded.make measure SET...         errors of the recogniser, DistillMOS, as shipped

VOICES, DRAFTS: see `choose`. About as fast as real time on one core; what lies in DRAFTS is not spoken again. The
card.md of a set is written by hand; its figures are those that `measure` prints.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile

from ttsbench import audio
from ttsbench.store import write_atomically
from ttsbench.systems.corpus.mandarin import without_readings
from ttsbench.testsets import load
from ttsbench.testsets.embedded.choose import (
    OTHERS,
    TESTED,
    Studio,
    chosen,
    coded,
    hear,
    numbered,
    prompt_texts,
    sentences,
    word_errors,
    words,
)

HERE = Path(__file__).parent
LICENCE = "Apache-2.0 (sentences, recordings spoken by Kokoro-82M, Apache-2.0)"
CATEGORIES = {
    "hard-en": "twisters, repetitions, numbers, very short and very long texts",
    "hard-zh": "Mandarin twisters, repetitions, numbers, very short and very long texts",
    "emergent-en": "sentences in seven categories, rated by people",
    "emergent-zh": "Chinese sentences in seven categories, rated by people",
}
SPOKEN = ("hard-en", "hard-zh")  # with ground truth; the others are rated by people, without a reference
QUICK = {"en": 24, "zh": 12}


def main(arguments: list[str]) -> None:
    """Make the named sets, or all. The others take the prompts of seed-mini and seed-mini-zh, which come first."""
    if arguments[:1] == ["measure"]:
        for name in arguments[1:]:
            measure(name)
        return
    voices, drafts, *wanted = arguments
    studio = Studio(Path(voices), Path(drafts))
    for name in wanted or ("seed-mini", "seed-mini-zh", "librispeech-mini", *CATEGORIES, "quick"):
        if name in CATEGORIES:
            by_category(name, studio)
        elif name == "librispeech-mini":
            librispeech_mini(studio)
        elif name == "quick":
            quick()
        else:
            seed_mini(name, studio)


def seed_mini(name: str, studio: Studio) -> None:
    """Cross-sentence cloning: prompt-wavs/<voice>_p1, wavs/<prompt>-<voice>_t<n>. `seed-mini` is in Seed's layout."""
    language = name[10:] or "en"
    folder = _fresh(name)
    prompts = prompt_texts(name)
    for voice, text in prompts.items():
        record(folder / "prompt-wavs" / f"{voice}_p1.opus", text, voice, language, studio)
    rows = []
    for row, turn in numbered(chosen(name)):
        prompt = f"{row.voice}_p1"
        utt = f"{prompt}-{row.voice}_t{turn}"
        record(folder / "wavs" / f"{utt}.opus", row.sentence, row.voice, language, studio)
        told = without_readings(prompts[row.voice]), without_readings(row.sentence)
        rows.append((utt, row.voice, told[0], told[1], f"prompt-wavs/{prompt}.opus", f"wavs/{utt}.opus"))
    if name == "seed-mini":
        lines = [f"{utt}|{said}|{prompt}|{text}|{truth}" for utt, _, said, text, prompt, truth in rows]
        (folder / "meta.lst").write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        lines = [f"{utt}\t{language}\t{voice}\t" + "\t".join(rest) for utt, voice, *rest in rows]
        _table(folder, "id language speaker prompt_text text prompt truth", lines)
    about = f"cross-sentence cloning of {len({row[1] for row in rows})} synthetic voices"
    _facts(name, len(rows), [row[-1] for row in rows], [language], about)


def librispeech_mini(studio: Studio) -> None:
    """Continuation: prompt and truth are one file, cut at a word boundary near 3 s; `text` is what follows the cut."""
    folder = _fresh("librispeech-mini")
    lines = []
    for row, turn in numbered(chosen("librispeech-mini")):
        utt = f"{row.voice}-{turn}"
        record(folder / "wavs" / f"{utt}.opus", row.sentence, row.voice, "en", studio)
        said = row.sentence.split()
        head, rest = " ".join(said[: row.spoken]), " ".join(said[row.spoken :])
        file = f"wavs/{utt}.opus"
        lines.append(f"{utt}\tcontinuation\t{row.voice}\t{row.cut:.3f}\t{head}\t{rest}\t{file}\t{file}")
    _table(folder, "id task speaker prompt_seconds prompt_text text prompt truth", lines)
    about = "continuation of 4 to 10 s, the prompt cut at a word near 3 s"
    _facts("librispeech-mini", len(lines), _last(lines), ["en"], about)


def by_category(name: str, studio: Studio) -> None:
    """Sentences by category; prompt, and where the set has one the reading, of a test-only voice, the voices in turn.

    A third column `said` of the sentence file is what the voice is told to say: numbers in words, readings in braces.
    """
    language = name[-2:]
    folder = _fresh(name)
    source = "seed-mini-zh" if language == "zh" else "seed-mini"
    prompts = prompt_texts(source)
    counts: Counter[str] = Counter()
    lines = []
    for number, line in enumerate(sentences(f"{name}.tsv")[1:]):
        category, text, said = [*line.split("\t"), ""][:3]
        voice = TESTED[language][number % len(TESTED[language])]
        counts[category] += 1
        utt = f"{re.sub(r'[^a-z]+', '-', category.lower())}-{counts[category]:02d}"
        truth = f"wavs/{utt}.opus" if name in SPOKEN else ""
        if truth:
            record(folder / truth, said or text, voice, language, studio)
        told = without_readings(prompts[voice])
        file = f"../{source}/prompt-wavs/{voice}_p1.opus"
        lines.append(f"{utt}\t{category}\t{language}\t{voice}\t{told}\t{text}\t{file}\t{truth}")
    _table(folder, "id category language speaker prompt_text text prompt truth", lines)
    _facts(name, len(lines), _last(lines), [language], CATEGORIES[name])


def quick() -> None:
    """Rows of seed-mini and seed-mini-zh, the voices in turn; the audio stays where it is."""
    lines = []
    for name, language in (("seed-mini", "en"), ("seed-mini-zh", "zh")):
        of_voice = {voice: [s for s in load(name).samples if s.speaker == voice] for voice in _voices(language)}
        turns = [of_voice[voice][turn] for turn in range(2) for voice in of_voice]
        for sample in turns[: QUICK[language]]:
            assert sample.prompt and sample.truth
            files = f"../{name}/prompt-wavs/{sample.prompt.name}\t../{name}/wavs/{sample.truth.name}"
            lines.append(f"{sample.id}\t{language}\t{sample.speaker}\t{sample.prompt_text}\t{sample.text}\t{files}")
    (HERE / "quick").mkdir(exist_ok=True)
    _table(HERE / "quick", "id language speaker prompt_text text prompt truth", lines)
    _facts("quick", len(lines), _last(lines), ["en", "zh"], "a small share of seed-mini and seed-mini-zh, all voices")


def record(path: Path, text: str, voice: str, language: str, studio: Studio) -> None:
    """Write `text` as read by a voice, as the sets ship it."""
    write_atomically(path, coded(studio.say(text, voice, language).samples))


def measure(name: str) -> None:
    """Print errors of the recogniser and DistillMOS of the ground truth as it ships, read as the harness reads it."""
    import distillmos
    import torch

    model = distillmos.ConvTransformerSQAModel()
    model.eval()

    errors, total, mos = Counter[str](), Counter[str](), []
    for sample in load(name).samples:
        if not sample.truth:
            continue
        samples = audio.read(sample.truth, sample.prompt_seconds)[0]
        errors[sample.language] += word_errors(sample.text, hear(samples, sample.language), sample.language)
        total[sample.language] += len(words(sample.text, sample.language))
        with torch.inference_mode():
            mos.append(float(model(torch.from_numpy(samples)[None])))
    for language, count in total.items():
        share = 100 * errors[language] / count
        sys.stdout.write(f"{name} {language}: {errors[language]} errors in {count}, {share:.2f} %\n")
    sys.stdout.write(f"{name}: DistillMOS {np.mean(mos):.2f}\n")


def _voices(language: str) -> tuple[str, ...]:
    return (*TESTED[language], *OTHERS[language])


def _last(lines: list[str]) -> list[str]:
    return [line.rpartition("\t")[2] for line in lines]


def _table(folder: Path, columns: str, lines: list[str]) -> None:
    text = "\n".join(["\t".join(columns.split()), *lines]) + "\n"
    (folder / "list.tsv").write_text(text, encoding="utf-8")


def _facts(name: str, rows: int, truths: list[str], languages: list[str], about: str) -> None:
    """set.json: what `ttsbench list testsets` prints. Seconds are those of the ground truth."""
    seconds = sum(soundfile.info(str(HERE / name / truth)).duration for truth in truths if truth)
    facts: dict[str, object] = {
        "rows": rows,
        "seconds": round(seconds, 3),
        "languages": languages,
        "licence": LICENCE,
        "about": about,
    }
    if name == "seed-mini":  # speakers' names are what stands before the last underscore of a prompt's
        facts |= {"layout": "seed-en", "list": "meta.lst", "options": {"speaker": "_"}}
    (HERE / name / "set.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in (HERE / name).rglob("*") if path.is_file())
    sys.stdout.write(f"{name}: {rows} rows, {seconds:.0f} s, {size / 1e6:.2f} MB\n")


def _fresh(name: str) -> Path:
    for part in ("wavs", "prompt-wavs"):
        shutil.rmtree(HERE / name / part, ignore_errors=True)
    (HERE / name).mkdir(exist_ok=True)
    return HERE / name


if __name__ == "__main__":
    main(sys.argv[1:])

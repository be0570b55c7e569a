"""Make the embedded test sets again from the sentences and the free voices.

    python -m ttsbench.testsets.embedded.choose        the choice of sentences, by the embedded recogniser (20 minutes)
    python -m ttsbench.testsets.embedded.make [SET...]  audio, lists, set.json (2 minutes)
    python -m ttsbench.testsets.embedded.make measure seed-mini librispeech-mini

Needs flite and espeak-ng. The same versions of both give the same choice and the same lists; Opus files may differ by
the version of libopus. Each set's card.md is written by hand; its figures are those this script prints.
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
from ttsbench.systems.corpus.voices import RATE, Voice, speak, voice
from ttsbench.testsets import load
from ttsbench.testsets.embedded.choose import OTHERS, SENTENCES, TESTED, Tried, hear, read_tried, word_errors, words

HERE = Path(__file__).parent
LICENCE = "Apache-2.0 (sentences, recordings by free synthesisers)"
# espeak-ng 1.51 reads characters right through its pinyin voice only: `cmn` says "jin one tian one" in English
MANDARIN = (
    Voice("mei", "espeak-ng", "cmn-latn-pinyin+f2", 190.0, 1.0, 1.4, test_only=True),
    Voice("bao", "espeak-ng", "cmn-latn-pinyin", 105.0, 1.0, 1.4, test_only=True),
)
MANDARIN_PROMPTS = (
    "早上好，今天我想给大家介绍一下我们的图书馆。",
    "下班以后，我常常沿着河边慢慢地走回家。",
)
ROWS_TESTED, ROWS_OTHER = 6, 4  # seed-mini rows of a test-only voice, and of another
CONTINUED_TESTED, CONTINUED_OTHER = 3, 1  # the same of librispeech-mini
LIMIT, CONTINUED_LIMIT = 0.5, 0.34  # readings with a larger share of words misheard are left out
PROMPTS = 2  # prompts of a voice
PROMPT_WORDS = range(11, 14)


def main(wanted: list[str]) -> None:
    """Make `wanted` sets, or all. The others take seed-mini's prompts, so that it comes first."""
    makers = {
        "seed-mini": seed_mini,
        "librispeech-mini": librispeech_mini,
        "emergent-en": lambda: by_category("emergent-en", "sentences in seven categories, rated by people"),
        "emergent-zh": emergent_zh,
        "hard-en": lambda: by_category("hard-en", "twisters, repetitions, numbers, very short and very long texts"),
    }
    if wanted[:1] == ["measure"]:
        for name in wanted[1:]:
            measure(name)
        return
    for name in wanted or makers:
        makers[name]()


def seed_mini() -> None:
    """Cross-sentence cloning in Seed's layout: meta.lst, prompt-wavs/<voice>_p<n>, wavs/<prompt id>-<target id>."""
    folder = _fresh("seed-mini")
    rows = choose(read_tried("ordinary"), ROWS_TESTED, ROWS_OTHER, LIMIT)
    used = {row.sentence for row in rows}
    spare = [s for s in _sentences("ordinary") if s not in used and len(s.split()) in PROMPT_WORDS]
    lines, prompts = [], {}
    for number, own in enumerate((*TESTED, *OTHERS)):
        for turn in range(PROMPTS):
            text, name = spare[PROMPTS * number + turn], f"{own.name}_p{turn + 1}"
            prompts[name] = text
            record(folder / "prompt-wavs" / f"{name}.opus", text, own)
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row.voice] += 1
        prompt = f"{row.voice}_p{1 + (counts[row.voice] - 1) % PROMPTS}"
        utt = f"{prompt}-{row.voice}_t{counts[row.voice]}"
        record(folder / "wavs" / f"{utt}.opus", row.sentence, voice(row.voice))
        target = f"wavs/{utt}.opus"
        lines.append(f"{utt}|{prompts[prompt]}|prompt-wavs/{prompt}.opus|{row.sentence}|{target}")
    (folder / "meta.lst").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _facts("seed-mini", len(lines), ["en"], f"cross-sentence cloning of {len(TESTED) + len(OTHERS)} synthetic voices")
    claim("seed-mini", rows)


def librispeech_mini() -> None:
    """Continuation: prompt and truth are one file, cut at a word boundary near 3 s; `text` is what follows the cut."""
    folder = _fresh("librispeech-mini")
    usable = [row for row in read_tried("long") if 4.0 <= row.seconds <= 10.0]
    rows = choose(usable, CONTINUED_TESTED, CONTINUED_OTHER, CONTINUED_LIMIT)
    counts: Counter[str] = Counter()
    lines = ["id\ttask\tspeaker\tprompt_seconds\tprompt_text\ttext\tprompt\ttruth"]
    for row in rows:
        counts[row.voice] += 1
        utt = f"{row.voice}-{counts[row.voice]}"
        record(folder / "wavs" / f"{utt}.opus", row.sentence, voice(row.voice))
        said = row.sentence.split()
        head, rest = " ".join(said[: row.spoken]), " ".join(said[row.spoken :])
        file = f"wavs/{utt}.opus"
        lines.append(f"{utt}\tcontinuation\t{row.voice}\t{row.cut:.3f}\t{head}\t{rest}\t{file}\t{file}")
    (folder / "list.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _facts("librispeech-mini", len(rows), ["en"], "continuation of 4 to 10 s, the prompt cut at a word near 3 s")
    claim("librispeech-mini", rows)


def by_category(name: str, about: str) -> None:
    """Sentences by category with prompt and reading of a test-only voice, the voices in turn."""
    folder = _fresh(name)
    prompts = _prompt_texts()
    lines = ["id\tcategory\tspeaker\tprompt_text\ttext\tprompt\ttruth"]
    counts: Counter[str] = Counter()
    for number, (category, text) in enumerate(_categories(name)):
        own = TESTED[number % len(TESTED)]
        counts[category] += 1
        utt = f"{_slug(category)}-{counts[category]:02d}"
        record(folder / "wavs" / f"{utt}.opus", text, own)
        prompt = f"{own.name}_p{1 + number // len(TESTED) % PROMPTS}"
        place = f"../seed-mini/prompt-wavs/{prompt}.opus"
        lines.append(f"{utt}\t{category}\t{own.name}\t{prompts[prompt]}\t{text}\t{place}\twavs/{utt}.opus")
    (folder / "list.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _facts(name, len(lines) - 1, ["en"], about)


def emergent_zh() -> None:
    """Chinese sentences by category, prompts and readings by espeak-ng's Mandarin voice."""
    folder = _fresh("emergent-zh")
    for own, text in zip(MANDARIN, MANDARIN_PROMPTS, strict=True):
        record(folder / "prompt-wavs" / f"{own.name}_p1.opus", text, own)
    lines = ["id\tcategory\tlanguage\tspeaker\tprompt_text\ttext\tprompt\ttruth"]
    counts: Counter[str] = Counter()
    for number, (category, text) in enumerate(_categories("emergent-zh")):
        which = number % len(MANDARIN)
        own = MANDARIN[which]
        counts[category] += 1
        utt = f"{_slug(category)}-{counts[category]:02d}"
        record(folder / "wavs" / f"{utt}.opus", text, own)
        prompt = f"prompt-wavs/{own.name}_p1.opus"
        start = f"{utt}\t{category}\tzh\t{own.name}\t{MANDARIN_PROMPTS[which]}"
        lines.append(f"{start}\t{text}\t{prompt}\twavs/{utt}.opus")
    (folder / "list.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _facts("emergent-zh", len(lines) - 1, ["zh"], "Chinese sentences in seven categories, rated by people")


def choose(tried: list[Tried], tested: int, other: int, limit: float) -> list[Tried]:
    """The first readings in the order of the list of which at most `limit` of the words were misheard, `tested` of each
    test-only voice and `other` of every other voice; no sentence twice. Sorted by voice.

    Not the best ones: the recogniser's errors belong to the reading, hardly to the sentence (another voice's reading
    does not foretell them), so a set of lucky readings would charge its luck to every system.
    """
    wanted = {v.name: tested for v in TESTED} | {v.name: other for v in OTHERS}
    taken: list[Tried] = []
    for row in tried:
        fine = row.errors <= limit * row.words
        if fine and wanted.get(row.voice, 0) and all(row.sentence != before.sentence for before in taken):
            wanted[row.voice] -= 1
            taken.append(row)
    short = {name: count for name, count in wanted.items() if count}
    if short:
        raise SystemExit(f"too few sentences for {short}: add some to sentences/ and run choose again")
    order = [v.name for v in (*TESTED, *OTHERS)]
    return sorted(taken, key=lambda row: order.index(row.voice))


def record(path: Path, text: str, own: Voice) -> None:
    """Write `text` as read by a voice: Opus, 16 kHz, mono."""
    audio.write(path, speak(text, own)[0], RATE)


def claim(name: str, rows: list[Tried]) -> None:
    """Print the recogniser's word error on the chosen readings, as found when they were tried."""
    errors, total = sum(row.errors for row in rows), sum(row.words for row in rows)
    sys.stdout.write(f"{name}: {errors} errors in {total} words of {len(rows)} rows, {100 * errors / total:.2f} %\n")


def measure(name: str) -> None:
    """Print the same from the audio as it ships, read as the harness reads it."""
    errors = total = 0
    for sample in load(name).samples:
        samples = audio.read(sample.truth, sample.prompt_seconds)[0] if sample.truth else np.zeros(0, np.float32)
        errors += word_errors(sample.text, hear(samples))
        total += len(words(sample.text))
    sys.stdout.write(f"{name} as shipped: {errors} errors in {total} words, {100 * errors / total:.2f} %\n")


def _facts(name: str, rows: int, languages: list[str], about: str) -> None:
    """set.json: what `ttsbench list testsets` prints. Seconds are those of the ground truth."""
    files = sorted((HERE / name / "wavs").glob("*.opus"))
    seconds = sum(soundfile.info(str(path)).duration for path in files)
    file = HERE / name / "set.json"
    kept = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}  # how the list is read
    facts = {"rows": rows, "seconds": round(seconds, 3), "languages": languages, "licence": LICENCE, "about": about}
    facts = kept | facts
    file.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in (HERE / name).rglob("*") if path.is_file())
    sys.stdout.write(f"{name}: {rows} rows, {seconds:.0f} s, {size / 1e6:.2f} MB\n")


def _fresh(name: str) -> Path:
    for part in ("wavs", "prompt-wavs"):
        shutil.rmtree(HERE / name / part, ignore_errors=True)
    return HERE / name


def _sentences(name: str) -> list[str]:
    return (SENTENCES / f"{name}.txt").read_text(encoding="utf-8").splitlines()


def _categories(name: str) -> list[tuple[str, str]]:
    lines = (SENTENCES / f"{name}.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return [(line.split("\t")[0], line.split("\t")[1]) for line in lines]


def _prompt_texts() -> dict[str, str]:
    rows = [line.split("|") for line in (HERE / "seed-mini" / "meta.lst").read_text(encoding="utf-8").splitlines()]
    return {Path(row[2]).stem: row[1] for row in rows}


def _slug(category: str) -> str:
    return re.sub(r"\W+", "-", category.lower())


if __name__ == "__main__":
    main(sys.argv[1:])

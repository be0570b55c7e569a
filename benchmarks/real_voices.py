"""Words and voices of systems on real readers: every sentence of a folder in the voice of another clip of its reader.

    python benchmarks/real_voices.py kalle livespeech --voices DIR [DIR ...] --out runs/real-voices

DIR holds recordings and a transcripts.tsv (file or utt, speaker, text), or is the name of a test set (seed-mini).
`ground-truth` as a system scores the recordings themselves. Rows are kept in OUT, a run that was stopped goes on.
`--list FILE.jsonl` writes the chosen sentences as a manifest instead, for a page with prompts and audio:

    python benchmarks/real_voices.py --voices DIR --rows 6 --list build/real.jsonl
    ttsbench run --testset manifest=build/real.jsonl --out runs/real

WER: Whisper base, greedy, Whisper's English text rules, errors over words of the text, in brackets the 95 % interval
over readers. "cut": words of the text's beginning that are missing, summed over the rows. "leaked": rows in which the
prompt's last word is heard before anything of the text. SIM: GE2E's cosine to the row's prompt, and the mean to the
prompts of the other readers. "nearest": share of rows that no other reader's prompt is nearer to than the own one.
"length": seconds of all rows over those of the recordings.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import time
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import soundfile
from speaking import RATE, SPEAKER, features

from ttsbench import audio, systems, testsets
from ttsbench.columns import table
from ttsbench.metrics.sim import cosine
from ttsbench.metrics.text import rules
from ttsbench.records import Feature, Recorded, Sample
from ttsbench.speaking import seed_for
from ttsbench.store import file_name
from ttsbench.systems.scaling.sweep import spread
from ttsbench.systems.training.ear import transcribe
from ttsbench.systems.training.listening import pairs

Row = dict[str, Any]


def beginning(text: str, prompt_text: str, heard: str) -> tuple[int, bool]:
    """Words missing at the beginning of `text` in what was `heard`, and whether the prompt's last word came before it.

    All three are normalised.
    """
    missing, before = 0, []
    for part in jiwer.process_words(text, heard).alignments[0]:
        if part.type == "equal":
            break
        before += heard.split()[part.hyp_start_idx : part.hyp_end_idx]
        missing += part.ref_end_idx - part.ref_start_idx if part.type == "delete" else 0
    last = prompt_text.split()[-1:]
    return missing, bool(last) and last[0] in before and last[0] != text.split()[0]


def judged(sample: Sample, path: Path) -> Row:
    """The row's edits, its beginning, and its length in seconds."""
    english = rules("whisper-en")
    samples = audio.read_at(path, RATE)
    said = transcribe(samples)
    text, before, heard = (english(part) for part in (sample.text, sample.prompt_text, said))
    edits = jiwer.process_words(text, heard)
    cut, leaked = beginning(text, before, heard)
    return {
        "heard": said, "words": len(text.split()), "substitutions": edits.substitutions, "deletions": edits.deletions,
        "insertions": edits.insertions, "cut": cut, "leaked": leaked, "seconds": round(len(samples) / RATE, 2),
        "true": soundfile.info(sample.truth).duration if sample.truth else math.nan,
    }  # fmt: skip


def spoken(system: Any, sample: Sample, seed: int, folder: Path) -> Path:
    """The file in which the system says the sentence."""
    if isinstance(system, Recorded):
        path = system.recording(sample)
        assert path is not None
        return path
    path = folder / f"{re.sub('[^a-z0-9.-]+', '-', system.card.name)}-{file_name(sample.id)}-{seed}.flac"
    audio.write(path, audio.whole(system.synthesize(sample, seed_for(seed, sample.id))), system.card.sample_rate)
    return path


def alike(path: Path, sample: Sample, prompts: dict[Path, str], vectors: dict[Path, Feature]) -> Row:
    """Cosines to the own prompt and to those of other readers (their mean), and whether the own one is the nearest."""
    assert sample.prompt is not None
    (voice,) = features(SPEAKER, [path])
    own = cosine(vectors[sample.prompt], voice)
    others = [cosine(vectors[prompt], voice) for prompt, name in prompts.items() if name != sample.speaker]
    return {"own": own, "others": float(np.mean(others)), "nearest": own >= max(others)}


def chosen(options: argparse.Namespace, voices: str) -> list[Sample]:
    """The sentences of a folder or test set that have as many words, and a prompt as long, as was asked for."""
    every = pairs(Path(voices)) if Path(voices).is_dir() else list(testsets.load(voices).samples)
    (fewest, most), (shortest, longest) = options.words, options.prompt_seconds
    kept = [
        sample for sample in every if fewest <= len(sample.text.split()) <= most and sample.prompt
        and shortest <= soundfile.info(sample.prompt).duration <= longest
    ]  # fmt: skip
    return list(spread(tuple(kept), options.rows))


def measured(options: argparse.Namespace) -> list[Row]:
    """A row for each system, sentence and seed, those of earlier runs taken from OUT/rows.jsonl."""
    options.out.mkdir(parents=True, exist_ok=True)
    kept = options.out / "rows.jsonl"
    rows: list[Row] = [json.loads(line) for line in kept.read_text().splitlines()] if kept.is_file() else []
    done = {(row["system"], row["voices"], row["sample"], row["seed"]) for row in rows}
    samples = [(voices, sample) for voices in options.voices for sample in chosen(options, voices)]
    prompts = {sample.prompt: sample.speaker for _, sample in samples if sample.prompt}
    vectors = dict(zip(prompts, features(SPEAKER, list(prompts)), strict=True))
    for spec in options.systems:
        seeds = range(1 if systems.is_recorded(spec) else options.seeds)
        left = [(*each, seed) for seed in seeds for each in samples if (spec, each[0], each[1].id, seed) not in done]
        system = systems.load(spec) if left else None
        for voices, sample, seed in left:
            row = {"system": spec, "voices": voices, "sample": sample.id, "speaker": sample.speaker, "seed": seed}
            try:
                path = spoken(system, sample, seed, options.out)
                row |= judged(sample, path)
                row |= alike(path, sample, prompts, vectors)
            except Exception as fault:  # one sentence's fault is its row
                row |= {"error": f"{type(fault).__name__}: {fault}"}
            rows.append(row)
            with kept.open("a", encoding="utf-8") as handle:
                handle.write(json.dumps(row) + "\n")
    wanted = {(voices, sample.id) for voices, sample in samples}
    return [
        row for row in rows
        if row["system"] in options.systems and (row["voices"], row["sample"]) in wanted and row["seed"] < options.seeds
    ]  # fmt: skip


def listed(options: argparse.Namespace) -> str:
    """The chosen sentences as lines of a manifest with absolute paths."""
    fields = ("id", "text", "language", "truth", "prompt", "prompt_text", "speaker")
    samples = [sample for voices in options.voices for sample in chosen(options, voices)]
    rows = [{name: getattr(sample, name) for name in fields} for sample in samples]
    paths = ({**row, **{name: str(Path(row[name]).resolve()) for name in ("truth", "prompt")}} for row in rows)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in paths)


def rate(rows: list[Row], kinds: tuple[str, ...]) -> str:
    """Errors over words in %, with its interval where there are several readers."""
    speakers = list(dict.fromkeys(row["speaker"] for row in rows))
    sums = np.array([
        [sum(row[kind] for row in rows for kind in kinds if row["speaker"] == name) for name in speakers],
        [sum(row["words"] for row in rows if row["speaker"] == name) for name in speakers],
    ], float)  # fmt: skip
    draws = sums[:, np.random.default_rng(0).integers(0, len(speakers), (1000, len(speakers)))].sum(2)
    low, high = np.percentile(100 * draws[0] / draws[1], [2.5, 97.5])
    whole = 100 * sums[0].sum() / sums[1].sum()
    return f"{whole:.1f} ({low:.1f} to {high:.1f})" if len(speakers) > 1 else f"{whole:.1f}"


def summary(rows: list[Row]) -> list[dict[str, str]]:
    """A line for each system over all folders, and for each folder where there are several."""
    kinds = ("substitutions", "deletions", "insertions")
    folders = list(dict.fromkeys(row["voices"] for row in rows))
    lines = []
    for voices in ["all", *folders] if len(folders) > 1 else folders:
        for system in dict.fromkeys(row["system"] for row in rows):
            every = [row for row in rows if row["system"] == system and voices in ("all", row["voices"])]
            heard = [row for row in every if "words" in row]
            voiced = [row for row in every if "own" in row]
            if not voiced:
                continue
            lines.append({
                "voices": Path(voices).name, "system": system, "rows": f"{len(voiced)}/{len(every)}",
                "words": str(sum(row["words"] for row in heard)), "WER %": rate(heard, kinds),
                "S/D/I": "/".join(str(sum(row[kind] for row in heard)) for kind in kinds),
                "cut": str(sum(row["cut"] for row in heard)), "leaked": str(sum(row["leaked"] for row in heard)),
                "SIM own": f"{np.mean([row['own'] for row in voiced]):.3f}",
                "others": f"{np.mean([row['others'] for row in voiced]):.3f}",
                "nearest %": f"{100 * np.mean([row['nearest'] for row in voiced]):.0f}",
                "length": f"{sum(row['seconds'] for row in heard) / sum(row['true'] for row in heard):.2f}",
            })  # fmt: skip
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="*", metavar="SYSTEM")
    parser.add_argument(
        "--list", type=Path, metavar="FILE", help="write the sentences as a manifest, and speak nothing"
    )
    parser.add_argument("--voices", nargs="+", required=True, metavar="DIR", help="folders, or names of test sets")
    parser.add_argument("--rows", type=int, default=0, help="rows spread over each folder (default: all)")
    parser.add_argument("--words", type=int, nargs=2, default=(1, 999), metavar=("FEWEST", "MOST"), help="of a text")
    parser.add_argument("--prompt-seconds", type=float, nargs=2, default=(0, 999), metavar=("SHORTEST", "LONGEST"))
    parser.add_argument("--seeds", type=int, default=1, help="every sentence is said with so many (1)")
    parser.add_argument("--out", type=Path, default=Path("runs/real-voices"))
    options = parser.parse_args()
    if options.list:
        options.list.write_text(listed(options), encoding="utf-8")
        return
    if not options.systems:
        parser.error("name a system, or give --list FILE")
    began = time.monotonic()
    rows = measured(options)
    print(table(summary(rows)))
    for row in rows:
        if "error" in row:
            print(f"{row['system']}: {row['sample']}: {row['error']}")
    print(f"{(time.monotonic() - began) / 60:.1f} minutes")


if __name__ == "__main__":
    main()

"""Words and voices of systems on real readers: every sentence of a folder in the voice of another clip of its reader.

    python benchmarks/real_voices.py kalle livespeech --voices DIR [DIR ...] --out runs/real-voices

DIR holds recordings and a transcripts.tsv (file or utt, speaker, text), or is the name of a test set (seed-mini).
`ground-truth` as a system scores the recordings themselves. Rows are kept in OUT, a run that was stopped goes on.

WER: Whisper base, greedy, Whisper's English text rules, errors over words of the text. "cut": words of the text's
beginning that are missing, summed over the rows. "leaked": rows in which the prompt's last word is heard before
anything of the text. SIM: GE2E's cosine to the row's prompt, and the mean to the prompts of the other readers.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
from speaking import RATE, SPEAKER, features

from ttsbench import audio, systems, testsets
from ttsbench.columns import table
from ttsbench.metrics.sim import cosine
from ttsbench.metrics.text import rules
from ttsbench.records import Recorded, Sample
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
    }  # fmt: skip


def spoken(system: Any, sample: Sample, folder: Path) -> Path:
    """The file in which the system says the sentence."""
    if isinstance(system, Recorded):
        path = system.recording(sample)
        assert path is not None
        return path
    path = folder / f"{re.sub('[^a-z-]+', '-', system.card.name)}-{file_name(sample.id)}.flac"
    audio.write(path, audio.whole(system.synthesize(sample, seed_for(0, sample.id))), system.card.sample_rate)
    return path


def measured(options: argparse.Namespace) -> list[Row]:
    """A row for each system and sentence, those of earlier runs taken from OUT/rows.jsonl."""
    options.out.mkdir(parents=True, exist_ok=True)
    kept = options.out / "rows.jsonl"
    rows: list[Row] = [json.loads(line) for line in kept.read_text().splitlines()] if kept.is_file() else []
    done = {(row["system"], row["voices"], row["sample"]) for row in rows}
    for voices in options.voices:
        every = pairs(Path(voices)) if Path(voices).is_dir() else testsets.load(voices).samples
        prompts = {sample.prompt: sample.speaker for sample in every if sample.prompt}
        vectors = dict(zip(prompts, features(SPEAKER, list(prompts)), strict=True))
        for spec in options.systems:
            left = [s for s in spread(tuple(every), options.rows) if (spec, voices, s.id) not in done]
            system = systems.load(spec) if left else None
            for sample in left:
                row = {"system": spec, "voices": voices, "sample": sample.id}
                try:
                    path = spoken(system, sample, options.out)
                    row |= judged(sample, path)
                    (voice,) = features(SPEAKER, [path])
                    others = [cosine(vectors[p], voice) for p, name in prompts.items() if name != sample.speaker]
                    row |= {"own": cosine(vectors[sample.prompt], voice), "others": float(np.mean(others))}
                except Exception as fault:  # one sentence's fault is its row
                    row |= {"error": f"{type(fault).__name__}: {fault}"}
                rows.append(row)
                with kept.open("a", encoding="utf-8") as handle:
                    handle.write(json.dumps(row) + "\n")
    return [row for row in rows if row["system"] in options.systems and row["voices"] in options.voices]


def summary(rows: list[Row]) -> list[dict[str, str]]:
    """A line for each folder and system; a row that has no words counts all of its text as deleted."""
    lines = []
    for voices, system in dict.fromkeys((row["voices"], row["system"]) for row in rows):
        every = [row for row in rows if (row["voices"], row["system"]) == (voices, system)]
        heard = [row for row in every if "words" in row]
        alike = [row for row in every if "own" in row]
        kinds = {kind: sum(row[kind] for row in heard) for kind in ("substitutions", "deletions", "insertions")}
        words = sum(row["words"] for row in heard)
        lines.append({
            "voices": Path(voices).name, "system": system, "rows": f"{len(alike)}/{len(every)}", "words": str(words),
            "WER %": f"{100 * sum(kinds.values()) / max(1, words):.1f}", "S/D/I": "/".join(map(str, kinds.values())),
            "cut": str(sum(row["cut"] for row in heard)), "leaked": str(sum(row["leaked"] for row in heard)),
            "SIM own": f"{np.mean([row['own'] for row in alike]):.3f}" if alike else "-",
            "others": f"{np.mean([row['others'] for row in alike]):.3f}" if alike else "-",
            "s a word": f"{sum(row['seconds'] for row in heard) / max(1, words):.2f}",
        })  # fmt: skip
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="+", metavar="SYSTEM")
    parser.add_argument("--voices", nargs="+", required=True, metavar="DIR", help="folders, or names of test sets")
    parser.add_argument("--rows", type=int, default=0, help="rows spread over each folder (default: all)")
    parser.add_argument("--out", type=Path, default=Path("runs/real-voices"))
    options = parser.parse_args()
    began = time.monotonic()
    rows = measured(options)
    print(table(summary(rows)))
    for row in rows:
        if "error" in row:
            print(f"{row['system']}: {row['sample']}: {row['error']}")
    print(f"{(time.monotonic() - began) / 60:.1f} minutes")


if __name__ == "__main__":
    main()

"""Words, voice and speed of systems on a test set, without the costlier columns of `ttsbench run`; one process.

    python benchmarks/voices.py --rows 24 ground-truth mobilespeech systems/mobilespeech/ablations/*.toml
    python benchmarks/voices.py --testset hard-en --by-category ground-truth mobilespeech

Embedded recogniser and speaker model. "own" is the cosine to the row's prompt, "own > others" the share of rows where
that is above the mean cosine to the prompts of other speakers. RTF is CPU seconds a second of speech: what a single
thread needs on an idle machine. Rows are kept (`--out`), so a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from speaking import RECOGNISER, SPEAKER, features

from ttsbench import audio, systems, testsets
from ttsbench.columns import table
from ttsbench.metrics.sim import cosine
from ttsbench.metrics.text import rules
from ttsbench.metrics.wer import compare
from ttsbench.records import Feature, Recorded, Sample
from ttsbench.speaking import seed_for
from ttsbench.store import file_name
from ttsbench.systems.scaling import sweep as scaling

Row = dict[str, Any]


class Judge:
    """Words and voices of what was spoken, the prompts' vectors kept."""

    def __init__(self, samples: tuple[Sample, ...]) -> None:
        self.prompts: dict[Path, Feature] = {}
        self.speakers = {sample.prompt: sample.speaker for sample in samples if sample.prompt}

    def row(self, sample: Sample, path: Path) -> Row:
        """Edits of the words heard, cosine to the own prompt and mean cosine to other speakers' prompts."""
        (heard,) = features(RECOGNISER, [path])
        counts = compare(sample.text, str(heard.value["text"]), rules("plain-en"))[2]
        found: Row = {
            "words": counts.length, "substitutions": counts.substitutions,
            "deletions": counts.deletions, "insertions": counts.insertions,
        }  # fmt: skip
        if sample.prompt is None:
            return found
        if not self.prompts:
            self.prompts = dict(zip(self.speakers, features(SPEAKER, list(self.speakers)), strict=True))
        (here,) = features(SPEAKER, [path])
        others = [cosine(self.prompts[p], here) for p, name in self.speakers.items() if name != sample.speaker]
        return found | {"own": cosine(self.prompts[sample.prompt], here), "others": float(np.mean(others))}


def spoken(name: str, sample: Sample, folder: Path, system: Any) -> Row:
    """The row of one sentence, its sound in `folder`."""
    if isinstance(system, Recorded):
        path = system.recording(sample)
        assert path is not None
        return {"path": str(path)}
    start = time.process_time()
    sound = np.concatenate(list(system.synthesize(sample, seed_for(0, sample.id))))
    took = time.process_time() - start
    path = folder / Path(name).stem / f"{file_name(sample.id)}.flac"
    path.parent.mkdir(parents=True, exist_ok=True)
    audio.write(path, sound, system.card.sample_rate)
    return {"path": str(path), "cpu": took, "seconds": len(sound) / system.card.sample_rate}


def measured(options: argparse.Namespace) -> list[Row]:
    kept = options.out / f"{file_name(options.testset)}.jsonl"
    rows: list[Row] = [json.loads(line) for line in kept.read_text().splitlines()] if kept.is_file() else []
    every = testsets.load(options.testset).samples
    samples, judge = scaling.spread(every, options.rows), Judge(every)
    options.out.mkdir(parents=True, exist_ok=True)
    for spec in options.systems:
        done = {row["sample"] for row in rows if row["system"] == spec}
        left = [sample for sample in samples if sample.id not in done]
        system = systems.load(spec) if left else None
        for number, sample in enumerate(left):
            if number == 0 and not isinstance(system, Recorded):
                list(system.synthesize(sample, 0))  # type: ignore[union-attr]  # the first call is slow
            try:
                row = spoken(spec, sample, options.out, system)
                row |= judge.row(sample, Path(row["path"]))
            except Exception as fault:  # one sentence's fault is its row
                row = {"error": f"{type(fault).__name__}: {fault}"}
            rows.append({"system": spec, "sample": sample.id, "category": sample.category} | row)
            with kept.open("a", encoding="utf-8") as handle:
                handle.write(json.dumps(rows[-1]) + "\n")
    wanted = {sample.id for sample in samples}
    return [row for row in rows if row["sample"] in wanted and row["system"] in options.systems]


def summary(rows: list[Row], by_category: bool) -> Iterator[dict[str, str]]:
    """A line for each system, or for each system and category."""
    for key in dict.fromkeys((row["system"], row["category"] if by_category else "") for row in rows):
        every = [row for row in rows if key == (row["system"], row["category"] if by_category else "")]
        mine = [row for row in every if "error" not in row]
        kinds = ("substitutions", "deletions", "insertions")
        rates = [sum(row[kind] for kind in kinds) / max(1, row["words"]) for row in mine]
        words, sums = sum(row["words"] for row in mine), [sum(row[kind] for row in mine) for kind in kinds]
        own = [(row["own"], row["others"]) for row in mine if "own" in row]
        timed = [row for row in mine if "cpu" in row]
        yield {
            "system": Path(key[0]).stem, **({"category": key[1]} if by_category else {}),
            "rows": f"{len(mine)}/{len(every)}",
            "WER %": f"{100 * float(np.mean(rates)):.1f}" if rates else "-", "words": str(words),
            "sub": str(sums[0]), "del": str(sums[1]), "ins": str(sums[2]),
            "own": f"{np.mean([a for a, _ in own]):.3f}" if own else "-",
            "own > others %": f"{100 * np.mean([a > b for a, b in own]):.0f}" if own else "-",
            "RTF": f"{sum(r['cpu'] for r in timed) / sum(r['seconds'] for r in timed):.3f}" if timed else "-",
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="+", metavar="SYSTEM")
    parser.add_argument("--testset", default="seed-mini")
    parser.add_argument("--rows", type=int, default=0, help="rows spread over the set (default: all)")
    parser.add_argument("--out", type=Path, default=Path("runs/voices"))
    parser.add_argument("--by-category", action="store_true")
    options = parser.parse_args()
    rows = measured(options)
    print(table(list(summary(rows, options.by_category))))
    for row in rows:
        if "error" in row:
            print(f"{row['system']}: {row['sample']}: {row['error']}")


if __name__ == "__main__":
    main()

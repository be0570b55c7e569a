"""The regression gate on speech made here: what it says of injected faults, by the number of rows, and false alarms.

    python benchmarks/gate.py --out /tmp/gate
    python benchmarks/gate.py --out /tmp/gate --drawn       # scores that are drawn, in minutes; no speech, no models

A system speaks the sentences of seed-mini in several voices each, with seeds 0 and 1. From the first run copies are
made: noise on every second row, 3 % of the words silenced, 1 % of the words silenced, all times multiplied by 1.5.
`compare` judges each of them, and the second seed, on the first 10, 24, 72, 300 rows; tables are printed as Markdown.
Then the two seeds' results of every row are put on the two sides by lot (--times), which is what two runs of one
unchanged system look like; so are the noisy run's and the clean run's. Exits 1 where a claim of docs/reports.md failed.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ttsbench import audio, testsets
from ttsbench.records import Metric, Sample, Score, Synthesis
from ttsbench.reports.comparison import judge
from ttsbench.reports.comparison.result import Comparison
from ttsbench.reports.comparison.thresholds import Threshold
from ttsbench.reports.values import number
from ttsbench.store import Run, write_lines

METRICS = "wer,sim-o,dnsmos-p808,rtf"
FADE = 0.005  # seconds
NOISE = 5.0  # dB of the noise above the speech
OFF = Threshold("off")
FAULTS = ("noise on every second row", "3 % of the words silenced", "1 % of the words silenced", "1.5 times as slow")


def ttsbench(*words: object) -> None:
    """Run the command; failed rows are allowed, any other failure ends this."""
    command = [sys.executable, "-m", "ttsbench", *map(str, words)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[-2000:]}")


def listed(rows: int, path: Path) -> str:
    """Sentences of seed-mini, each in one voice, then all again in others: a manifest of `rows` rows, as a spec."""
    source = testsets.load("seed-mini").samples
    voices = list({sample.speaker: sample for sample in source}.values())
    order = random.Random(0).sample(source, len(source))
    lines = []
    for at in range(rows):
        turn, place = divmod(at, len(order))
        voice = voices[(place * 5 + turn) % len(voices)]
        lines.append({"id": f"row-{at:03d}", "text": order[place].text, "prompt": str(voice.prompt),
                      "prompt_text": voice.prompt_text, "speaker": voice.speaker})  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return f"manifest={path},name=gate"


# --- faults -------------------------------------------------------------------------------------------------------


def changed(run: Run, out: Path, change: Callable[[str, np.ndarray, int], np.ndarray | None]) -> None:
    """Copy a run, give every row's audio to `change` (None: as it is), and score the copy."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(run.path, out)
    rows = []
    for row in run.syntheses.values():
        path = out / row.audio
        samples, rate = audio.read(path)
        found = change(row.sample, samples, rate)
        if found is not None:
            audio.write(path, np.clip(found, -1, 1).astype(np.float32), rate)
            row = replace(row, digest=f"{row.digest}x")
        rows.append(row)
    write_lines(out / "synth.jsonl", rows)
    scored(out)


def scored(path: Path) -> None:
    ttsbench("score", path, "--metrics", METRICS, "--score-jobs", 1, "--fail-on-error", 1)


def noisy(run: Run, out: Path) -> None:
    """White noise above the speech on every second row."""
    at = {sample.id: index for index, sample in enumerate(run.samples)}

    def change(name: str, samples: np.ndarray, rate: int) -> np.ndarray | None:
        if at[name] % 2:
            return None
        level = float(np.sqrt(np.mean(samples**2))) * 10 ** (NOISE / 20)
        both = samples + level * np.random.default_rng(at[name]).standard_normal(len(samples))
        return both * min(1.0, 0.9 / float(np.abs(both).max()))

    changed(run, out, change)


def word_times(samples: np.ndarray, rate: int, text: str) -> list[tuple[float, float]]:
    """Start and end in seconds of every word of `text`; [] where they do not align."""
    from pocketsphinx import Decoder

    decoder = Decoder(loglevel="FATAL", lm=None)
    try:
        decoder.set_align_text("".join(c for c in text.lower() if c.isalpha() or c in " '"))
        decoder.start_utt()
        decoder.process_raw((audio.resample(samples, rate, 16000) * 32767).astype(np.int16).tobytes(), full_utt=True)
        decoder.end_utt()
        return [(s.start_frame / 100, (s.end_frame + 1) / 100) for s in decoder.seg() if s.word[0] not in "<[("]
    except (RuntimeError, TypeError):  # a word that the dictionary lacks, or no path
        return []


def muted(run: Run, out: Path, share: float) -> None:
    """`share` of all words silenced, drawn by lot."""
    texts = {sample.id: sample.text for sample in run.samples}
    places: list[tuple[str, tuple[float, float]]] = []
    for row in run.syntheses.values():
        places += [(row.sample, times) for times in word_times(*audio.read(run.path / row.audio), texts[row.sample])]
    count = round(share * sum(len(text.split()) for text in texts.values()))
    chosen: dict[str, list[tuple[float, float]]] = {}
    for name, times in random.Random(0).sample(places, count):
        chosen.setdefault(name, []).append(times)

    def change(name: str, samples: np.ndarray, rate: int) -> np.ndarray | None:
        if name not in chosen:
            return None
        fade, kept = round(FADE * rate), samples.copy()
        for start, stop in chosen[name]:
            left = round(start * rate)
            window = np.zeros(max(round(stop * rate) - left, 2 * fade), dtype=np.float32)
            window[:fade], window[-fade:] = np.linspace(1, 0, fade), np.linspace(0, 1, fade)
            piece = kept[left : left + len(window)]
            piece *= window[: len(piece)]
        return kept

    changed(run, out, change)


def slowed(run: Run, out: Path, factor: float) -> None:
    """Every time multiplied by `factor`."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(run.path, out)
    write_lines(out / "synth.jsonl", [_later(row, factor) for row in run.syntheses.values()])
    scored(out)


def _later(row: object, factor: float) -> object:
    chunks = tuple(replace(chunk, at=chunk.at * factor) for chunk in row.chunks)  # type: ignore[attr-defined]
    audible = None if row.audible is None else row.audible * factor  # type: ignore[attr-defined]
    return replace(row, chunks=chunks, total=(row.total or 0.0) * factor, audible=audible)  # type: ignore


# --- scores that are drawn ----------------------------------------------------------------------------------------

CARDS = [
    Metric("wer", "WER", "%", "lower", 0, None, "intelligibility", "drawn"),
    Metric("sim-o", "SIM-o", "cosine", "higher", -1, 1, "similarity", "drawn"),
    Metric("dnsmos-p808", "DNSMOS P.808", "MOS", "higher", 1, 5, "quality", "drawn"),
    Metric("rtf", "RTF", "", "lower", 0, None, "speed", "drawn", shown="corpus"),
]


def drawn(count: int, place: Path, draw: int = 1, noise: bool = False, lost: float = 0.0, slow: float = 1.0) -> Run:
    """A run of nine words a row and 16 speakers: of a row's scatter, one half is its own and the same in every run.

    WER 9 % on average; `draw` is the run's own half. `noise`: on every second row nine words of ten are wrong, and
    voice and quality suffer; `lost`: share of further words that are lost; `slow`: factor of all times.
    """
    own, dice = np.random.default_rng(0), np.random.default_rng([1, draw])
    samples = [Sample(f"row-{at:03d}", "nine words", speaker=f"s{at % 16}") for at in range(count)]
    info = {"system": {"name": "drawn", "spec": "drawn", "card": {"name": "drawn"}},
            "testset": {"name": "drawn", "digest": "d"}, "machine": {"name": "m"}}  # fmt: skip
    shutil.rmtree(place, ignore_errors=True)
    run = Run.create(place, info, samples)
    write_lines(place / "synth.jsonl", [Synthesis(sample.id, "a.flac", "d", 16000, 3.0) for sample in samples])
    hard = np.minimum(own.gamma(1.0, 0.09, count), 1.0)
    worse = np.arange(count) % 2 == 0 if noise else np.zeros(count, bool)
    fixed = np.random.default_rng([2, draw]).random((count, 9)), np.random.default_rng(3).random((count, 9))
    wrong = (fixed[0] < np.where(worse, 0.9, hard)[:, None]) | (fixed[1] < lost)
    columns = {
        "wer": wrong.mean(axis=1),
        "sim-o": 0.6 + own.normal(0, 0.04, count) + dice.normal(0, 0.04, count) - 0.2 * worse,
        "dnsmos-p808": 3.4 + own.normal(0, 0.15, count) + dice.normal(0, 0.15, count) - 1.0 * worse,
        "rtf": np.exp(own.normal(-2, 0.1, count) + dice.normal(0, 0.1, count)) * slow,
    }
    scores = {
        name: [Score(s.id, float(v), 3.0) for s, v in zip(samples, values, strict=True)]
        for name, values in columns.items()
    }
    run.write_scores({"name": "drawn", "version": 1, "title": "", "explain": "", "source": ""}, scores, CARDS)
    return run


def all_drawn(count: int, out: Path) -> dict[str, Run]:
    """The same faults, drawn."""
    return {
        "none": drawn(count, out / "a"),
        "another seed": drawn(count, out / "b", draw=2),
        FAULTS[0]: drawn(count, out / "c", noise=True),
        FAULTS[1]: drawn(count, out / "d", lost=0.03),
        FAULTS[2]: drawn(count, out / "e", lost=0.01),
        FAULTS[3]: drawn(count, out / "f", slow=1.5),
    }


# --- verdicts -----------------------------------------------------------------------------------------------------


def first(run: Run, count: int, out: Path) -> Path:
    """The first `count` rows of a run, scores alone."""
    shutil.rmtree(out, ignore_errors=True)
    samples = run.samples[:count]
    part = Run.create(out, run.info, samples)
    spoken = run.syntheses
    write_lines(out / "synth.jsonl", [spoken[sample.id] for sample in samples])
    name = run.protocols()[0]
    cards = run.metrics(name)
    part.write_scores(run.protocol(name), {m.name: run.scores(name, m.name)[:count] for m in cards}, cards)
    return out


def told(found: Comparison, metric: str) -> str:
    """'+38.10 worse (exact, large)' of one metric."""
    row = next((row for row in found.rows if row.metric.name == metric), None)
    if row is None or row.difference is None:
        return "off" if row is not None and row.mark == "o" else "–"
    change = row.difference.ratio
    moved = f"{change:.2f}x" if change is not None else number(row.metric, row.difference.value, sign=True)
    if row.mark == "=":
        return f"{moved}, {row.verdict}"
    if row.mark == "~":
        return f"{moved}, inconclusive: {row.reason[row.reason.find('can show') :]}"
    large = ", large jump" if "so large" in row.reason else ""
    return f"{moved}, **{row.verdict}** ({row.test}{large}, p {row.p:.2g})"


def table(base: Run, faults: dict[str, Run], sizes: list[int], place: Path) -> tuple[pd.DataFrame, dict[str, int]]:
    """A row for each fault and size, and the exit statuses by 'fault, size'."""
    rows, ended = [], {}
    for title, run in faults.items():
        speed = {"rtf": OFF} if title == "another seed" else {}
        for count in sizes:
            found = judge.compare([first(base, count, place / "a")], [first(run, count, place / "b")], speed)
            ended[f"{title}, {count}"] = 0 if found.passed else 1
            metrics = [row.metric for row in found.rows if row.metric.family != "coverage"]
            cells = {metric.title: told(found, metric.name) for metric in metrics}
            rows.append({"fault": title, "rows": count, "exit": ended[f"{title}, {count}"], **cells})
    return pd.DataFrame(rows), ended


# --- false alarms -------------------------------------------------------------------------------------------------


def alarms(runs: tuple[Run, Run], count: int, times: int, place: Path) -> tuple[int, int]:
    """False alarms of `times` shuffles: with the practical thresholds, and with significance alone."""
    sides = tuple(first(run, count, place / side) for run, side in zip(runs, "ab", strict=True))
    protocol = runs[0].protocols()[0]
    cards = runs[0].metrics(protocol)
    both = {m.name: [run.scores(protocol, m.name)[:count] for run in runs] for m in cards}
    none = {m.name: Threshold("ratio" if m.family in ("speed", "cost") else "abs", m.family in ("speed", "cost"))
            for m in cards if m.better != "neither"}  # fmt: skip
    found = [0, 0]
    for seed in range(times):
        swap = np.random.default_rng(seed).integers(2, size=count)
        for name, scores in both.items():
            for side, path in enumerate(sides):
                rows = [pair[side ^ int(swap[at])] for at, pair in enumerate(zip(*scores, strict=True))]
                write_lines(path / "scores" / protocol / f"{name}.jsonl", rows)
        for kind, thresholds in enumerate((None, none)):
            found[kind] += bool(judge.compare([sides[0]], [sides[1]], thresholds, seed=seed).regressions)
    return found[0], found[1]


def spoken(system: str, rows: int, out: Path, seeds: int) -> dict[str, Run]:
    """One seed or two spoken and scored, and the faults made of the first; what is there already is used again."""
    spec = listed(rows, out / "rows.jsonl")
    for seed in range(seeds):
        ttsbench("run", "--system", system, "--testset", spec, "--metrics", METRICS, "--seed", seed,
                 "--out", out / f"seed{seed}", "--score-jobs", 1, "--shared-machine", "--fail-on-error", 1)  # fmt: skip
    base, *others = (Run.open(out / f"seed{seed}" / f"{system}@gate") for seed in range(seeds))
    makers: dict[str, Callable[[Path], None]] = {
        FAULTS[0]: lambda path: noisy(base, path),
        FAULTS[1]: lambda path: muted(base, path, 0.03),
        FAULTS[2]: lambda path: muted(base, path, 0.01),
        FAULTS[3]: lambda path: slowed(base, path, 1.5),
    }
    faults = {"none": base}
    if others:
        faults["another seed"] = others[0]
    for title, make in makers.items():
        path = out / title.replace(" ", "-").replace("%", "percent")
        if not (path / "scores" / "done").exists():
            make(path)
            (path / "scores" / "done").touch()
        faults[title] = Run.open(path)
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--system", default="mobilespeech", help="one whose seed matters (default: mobilespeech)")
    parser.add_argument("--rows", default="10,24,72,300", help="sizes (default: 10,24,72,300)")
    parser.add_argument("--drawn", action="store_true", help="draw scores in place of speaking")
    parser.add_argument("--seeds", type=int, choices=(1, 2), default=2, help="1: no second seed, for half the work")
    parser.add_argument("--times", type=int, default=200, help="shuffles (default: 200)")
    parser.add_argument("--out", type=Path, required=True, help="runs are kept and used again")
    options = parser.parse_args()
    sizes, out = [int(word) for word in options.rows.split(",")], options.out
    faults = (
        all_drawn(max(sizes), out / "drawn")
        if options.drawn
        else (spoken(options.system, max(sizes), out, options.seeds))
    )
    base, other, noise = faults["none"], faults.get("another seed"), faults[FAULTS[0]]
    with tempfile.TemporaryDirectory() as place:
        rows, ended = table(base, faults, sizes, Path(place))
        print(rows.to_markdown(index=False), flush=True)
        ok = all(ended[f"{FAULTS[0]}, {count}"] == 1 for count in sizes)
        ok &= all(ended[f"none, {count}"] == 0 for count in sizes)
        counts = []
        for title, second in (("two seeds", other), ("clean and noisy", noise)):
            for count in sizes if second else ():
                found = alarms((base, second), count, options.times, Path(place))
                counts.append({"by lot": title, "rows": count, "shuffles": options.times, "alarms": found[0],
                               "alarms without thresholds": found[1]})  # fmt: skip
                if title == "two seeds":
                    ok &= found[0] <= 0.01 * options.times + 2
    print()
    print(pd.DataFrame(counts).to_markdown(index=False))
    print("\nThe gate did what it should." if ok else "\nThe gate did NOT do what it should.")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())

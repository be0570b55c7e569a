"""The regression gate on real speech: what it catches, and how often it raises a false alarm.

    python benchmarks/gate.py ../shared/data/published-values/libritts-systems --out /tmp/gate

Scores a published system's recordings (A), a copy with 3 % of the words silenced, a system spoken here and a copy of
that run with every time multiplied by 1.5, and runs `ttsbench compare` on each. Then two runs of one system that draws
(seeds 0 and 1) are shuffled 100 times: in each, every utterance's two results are put on the two sides by lot, as they
may be where nothing changed. Pages stay in --out. Exits 1 where the gate did not do what its documentation says.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from ttsbench import audio
from ttsbench.reports.comparison import judge
from ttsbench.reports.comparison.thresholds import Threshold
from ttsbench.store import Run, file_name, write_lines

FADE = 0.005  # seconds


def ttsbench(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the command; what it prints on standard error is shown in one line."""
    command = [sys.executable, "-m", "ttsbench", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 1) or "Traceback" in done.stderr:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    return done


# --- a copy with words silenced -----------------------------------------------------------------------------------


def word_times(samples: np.ndarray, text: str) -> list[tuple[float, float]]:
    """Start and end in seconds of every word of `text` in float32 16 kHz `samples`; [] where they do not align."""
    from pocketsphinx import Decoder

    decoder = Decoder(loglevel="FATAL", lm=None)
    try:
        decoder.set_align_text(text.lower())
        decoder.start_utt()
        decoder.process_raw((samples * 32767).astype(np.int16).tobytes(), full_utt=True)
        decoder.end_utt()
        found = [(s.start_frame / 100, (s.end_frame + 1) / 100) for s in decoder.seg() if s.word[0] not in "<[("]
    except (RuntimeError, TypeError):  # a word that the dictionary lacks, or no path
        return []
    return found


def mute(run: Run, share: float, out: Path, seed: int) -> dict[str, int]:
    """Copy a run's recordings to `out` with `share` of all words silenced. Returns how many by sample id."""
    spoken, places, count = {}, [], 0
    for sample in run.samples:
        path = run.audio(run.syntheses[sample.id])
        assert path is not None, sample.id
        spoken[sample.id] = audio.read_at(path, 16000)
        count += len(sample.text.split())
        places += [(sample.id, times) for times in word_times(spoken[sample.id], sample.text)]
    chosen = random.Random(seed).sample(places, round(share * count))
    fade = round(FADE * 16000)
    for name, (start, stop) in chosen:
        left, right = round(start * 16000), round(stop * 16000)
        window = np.zeros(max(right - left, 2 * fade), dtype=np.float32)
        window[:fade], window[-fade:] = np.linspace(1, 0, fade), np.linspace(0, 1, fade)
        piece = spoken[name][left : left + len(window)]
        piece *= window[: len(piece)]
    for name, samples in spoken.items():
        audio.write(out / f"{file_name(name)}.flac", samples, 16000)
    print(f"{len(chosen)} of {count} words silenced ({len(places)} could be placed)")
    names = [name for name, _ in chosen]
    return {name: names.count(name) for name in names}


# --- a copy slowed, and a shuffle ---------------------------------------------------------------------------------


def slow(run: Run, factor: float, out: Path) -> None:
    """Copy a run with every time multiplied by `factor`, and score it again."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(run.path, out)
    rows = []
    for row in run.syntheses.values():
        chunks = tuple(replace(chunk, at=chunk.at * factor) for chunk in row.chunks)
        audible = None if row.audible is None else row.audible * factor
        rows.append(replace(row, chunks=chunks, total=(row.total or 0.0) * factor, audible=audible))
    write_lines(out / "synth.jsonl", rows)
    ttsbench("score", out)


def shuffled(runs: tuple[Run, Run], out: tuple[Path, Path], seed: int) -> None:
    """Put every utterance's two results on the two sides by lot: what two runs of one unchanged system look like."""
    lot = np.random.default_rng(seed)
    swap = {sample.id: bool(lot.integers(2)) for sample in runs[0].samples}
    for protocol in runs[0].protocols():
        for metric in runs[0].metrics(protocol):
            both = [run.scores(protocol, metric.name) for run in runs]
            for side, path in enumerate(out):
                rows = [pair[side ^ swap[pair[0].sample]] for pair in zip(*both, strict=True)]
                write_lines(path / "scores" / protocol / f"{metric.name}.jsonl", rows)


def alarms(runs: tuple[Run, Run], place: Path, times: int) -> tuple[int, int]:
    """False alarms of `times` shuffles: with the practical thresholds, and with significance alone."""
    sides = place / "shuffle-a", place / "shuffle-b"
    for run, side in zip(runs, sides, strict=True):
        shutil.rmtree(side, ignore_errors=True)
        shutil.copytree(run.path, side, ignore=shutil.ignore_patterns("audio", "features", "resynthesis"))
    protocol = runs[0].protocols()[0]
    none = {m.name: Threshold("ratio" if m.family in ("speed", "cost") else "abs", m.family in ("speed", "cost"))
            for m in runs[0].metrics(protocol)}  # fmt: skip
    found = [0, 0]
    for seed in range(times):
        shuffled(runs, sides, seed)
        for kind, thresholds in enumerate((None, none)):
            found[kind] += bool(judge.compare([sides[0]], [sides[1]], thresholds, seed=seed).regressions)
    return found[0], found[1]


# --- the demonstration --------------------------------------------------------------------------------------------


def judged(title: str, base: Path, new: Path, page: Path, expected: tuple[str, ...], changed: set[str]) -> bool:
    """Compare; say what was found; whether the gate failed on `expected` metrics and named `changed` utterances."""
    done = ttsbench("compare", base, new, "--html", page, "--junit", page.with_suffix(".xml"), "--json")
    found = judge.compare([base], [new])
    names = {each.sample.id for row in found.regressions for each in row.worse}
    html = page.read_text("utf-8")
    told = all(row.metric.title in html for row in found.regressions) and all(name in html for name in names)
    caught = {row.metric.name for row in found.regressions}
    print(f"\n{title}: exit status {done.returncode}. {found.sentence()}")
    for row in found.rows:
        if row.mark in "+-~!*" and row.difference:
            change = row.difference.ratio if row.difference.ratio is not None else row.difference.value
            print(f"  {row.mark} {row.metric.title}: {row.difference.before:.4g} to {row.difference.after:.4g} "
                  f"({change:+.4g}), p {row.p:.2g}")  # fmt: skip
    if changed:
        print(f"  named as worse: {len(names)} utterances, {len(names & changed)} of the {len(changed)} silenced ones")
    return done.returncode == bool(expected) and caught >= set(expected) and bool(caught) == bool(expected) and told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="published-values/libritts-systems")
    parser.add_argument("--system", default="yourtts", help="whose recordings are A (default: yourtts)")
    parser.add_argument("--timed", default="espeak-ng", help="spoken here, then slowed (default: espeak-ng)")
    parser.add_argument("--draws", default="mobilespeech", help="system with a seed, shuffled (default: mobilespeech)")
    parser.add_argument("--share", type=float, default=0.03, help="of the words silenced (default: 0.03)")
    parser.add_argument("--limit", type=int, default=0, help="rows of seed-mini for --timed and --draws")
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    out, ok = options.out, True

    table = f"manifest={options.folder / 'samples.tsv'},text=wer_ref,prompt=enroll,truth=path,id=utt,"
    table += "only=system:reference_raw,name=libritts-58"
    ttsbench("score", options.folder / "short" / options.system, "--testset", table, "--out", out / "runs")
    a = Run.open(out / "runs" / f"{options.system}@libritts-58")
    muted = mute(a, options.share, out / f"{options.system}-muted", options.seed)
    ttsbench("score", out / f"{options.system}-muted", "--testset", table, "--out", out / "runs")
    ok &= judged("A against itself", a.path, a.path, out / "same.html", (), set())
    passed = sum(not judge.compare([a.path], [a.path], seed=seed).regressions for seed in range(options.times))
    print(f"A against itself with {options.times} seeds of the bootstrap: {passed} passed")
    new = out / "runs" / f"{options.system}-muted@libritts-58"
    ok &= judged(f"{options.share:.0%} of the words silenced", a.path, new, out / "muted.html", ("cer",), set(muted))

    rows = ("--limit", options.limit) if options.limit else ()
    suffix = f"-sample{options.limit}" if options.limit else ""
    ttsbench("run", "--system", options.timed, "--testset", "seed-mini", *rows, "--out", out / "runs")
    timed = Run.open(out / "runs" / f"{options.timed}@seed-mini{suffix}")
    slow(timed, 1.5, out / "slowed")
    ok &= judged("slowed by 1.5", timed.path, out / "slowed", out / "slowed.html", ("rtf", "first-chunk"), set())

    both = []
    for seed in (0, 1):
        place = out / f"seed{seed}"
        ttsbench("run", "--system", options.draws, "--testset", "seed-mini", *rows, "--seed", seed, "--out", place)
        both.append(Run.open(place / f"{options.draws}@seed-mini{suffix}"))
    found = alarms((both[0], both[1]), out, options.times)
    print(f"\n{options.draws}, seeds 0 and 1 shuffled {options.times} times, at most 1 % stated: {found[0]} alarms; "
          f"{found[1]} where significance alone decides")  # fmt: skip
    ok &= passed == options.times and found[0] <= max(1, options.times // 100)
    print("\nThe gate did what it should." if ok else "\nThe gate did NOT do what it should.")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())

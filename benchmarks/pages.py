"""Time to write pages, with the start of the program, and to open the largest of them.

    python benchmarks/pages.py [report] [large] [leaderboard] [history]

report: 72 rows of one system and the recordings, 5 s each, nothing kept from before, then the same again;
large: 10 systems on 2,020 rows; leaderboard: 30 systems on 500 rows. Runs are drawn. Each line has seconds by the clock
and of processor, since other programs share the machine. history: 1,000 points of four metrics. `large` and
it are opened in headless Chromium three times; a history is ready when its two points stand side by side.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ttsbench import audio
from ttsbench.records import Metric, Sample, Score, Synthesis
from ttsbench.reports.history.points import Figure, Point
from ttsbench.store import Run, write_lines

METRICS = [
    Metric("wer", "WER", "%", "lower", 0, None, "intelligibility", "words wrong", shown="corpus"),
    Metric("sim-o", "SIM-o", "cosine", "higher", -1, 1, "similarity", "closeness to the prompt's voice"),
    Metric("dnsmos", "DNSMOS", "MOS", "higher", 1, 5, "quality", "predicted quality"),
    Metric("rtf", "RTF", "", "lower", 0, None, "speed", "time per audio second", shown="corpus"),
]
WORDS = "time person year way day thing man world life hand part child eye woman place work week case".split()


def sounds(folder: Path, count: int = 40, seconds: float = 0.5, rate: int = 24000) -> list[Path]:
    """Voice-like sounds: harmonics of a wandering pitch, louder and softer like syllables, with some noise."""
    dice, clock = np.random.default_rng(0), np.arange(round(rate * seconds)) / rate
    paths = [folder / f"{index}.flac" for index in range(count)]
    for index, path in enumerate(paths):
        pitch = (100 + 3 * index) * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * clock + index))
        phase = 2 * np.pi * np.cumsum(pitch) / rate
        voice = sum(np.sin(k * phase) / k for k in range(1, 30)) * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * clock))
        audio.write(path, (0.1 * voice + 0.01 * dice.normal(size=clock.size)).astype(np.float32), rate)
    return paths


def scored(samples: list[Sample], dice: np.random.Generator) -> dict[str, list[Score]]:
    """Plausible scores with transcripts, drawn."""
    found: dict[str, list[Score]] = {metric.name: [] for metric in METRICS}
    for sample in samples:
        reference = sample.text.split()
        heard = [word if dice.random() > 0.1 else str(dice.choice(WORDS)) for word in reference]
        wrong = sum(one != two for one, two in zip(reference, heard, strict=True))
        detail = {"reference": sample.text, "hypothesis": " ".join(heard)}
        found["wer"].append(Score(sample.id, wrong / len(reference), len(reference), detail=detail))
        found["sim-o"].append(Score(sample.id, float(dice.normal(0.6, 0.05))))
        found["dnsmos"].append(Score(sample.id, float(dice.normal(3.5, 0.2))))
        found["rtf"].append(Score(sample.id, float(dice.lognormal(-1, 0.1)), 3.0))
    return found


def make(folder: Path, systems: int, utterances: int, files: list[Path], truth: bool = False) -> list[Path]:
    """Run folders of `systems` systems on one test set; with `truth`, the first is the recordings."""
    dice, paths = np.random.default_rng(0), []
    samples = [
        Sample(f"utt-{n:05d}", " ".join(map(str, dice.choice(WORDS, 12))), truth=files[n % len(files)],
               speaker=f"s{n % 40}") for n in range(utterances)
    ]  # fmt: skip
    about = {"name": "drawn", "version": 1, "title": "Drawn scores", "explain": "No model.", "source": ""}
    for number in range(systems):
        name = "ground-truth" if truth and number == 0 else f"system-{number}"
        info = {"system": {"name": name, "spec": name, "card": {"name": name, "version": "1"}},
                "testset": {"name": "large", "digest": "large"}, "identity": {}, "seed": 0, "packages": {}, "code": {},
                "machine": {}, "started": ""}  # fmt: skip
        run = Run.create(folder / "runs" / f"{name}@large", info, samples)
        (run.path / "audio").mkdir()
        rows = []
        for n, sample in enumerate(samples):
            os.link(files[(n + number) % len(files)], run.path / "audio" / f"{sample.id}.flac")
            rows.append(Synthesis(sample.id, f"audio/{sample.id}.flac", "", 16000, 0.5))
        write_lines(run.path / "synth.jsonl", rows)
        run.write_scores(about, scored(samples, dice), METRICS)
        paths.append(run.path)
    return paths


def opened(page: Path, chromium: str) -> tuple[float, float, float]:
    """Seconds to the first contentful picture, until the page is loaded, and for sorting all rows."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        start = time.perf_counter()
        tab.goto(page.resolve().as_uri())
        ready = time.perf_counter() - start
        paints = "performance.getEntriesByName('first-contentful-paint').map((entry) => entry.startTime)"
        first = tab.evaluate(paints)
        tab.locator(".explorer").first.scroll_into_view_if_needed()  # rows are drawn when they come into sight
        head = tab.locator(".rows thead button", has_text="WER").first
        head.scroll_into_view_if_needed()
        start = time.perf_counter()
        head.click()
        tab.locator(".rows th[aria-sort]").first.wait_for()
        sort = time.perf_counter() - start
        browser.close()
    return (first[0] / 1000 if first else float("nan")), ready, sort


def past(count: int, path: Path) -> None:
    """A history file of drawn points: one system, a level that changes every hundred points."""
    dice, points = np.random.default_rng(0), []
    for number in range(count):
        values = dice.normal(0.5 + 0.1 * (number // 100 % 2), 0.01, len(METRICS))
        figures = [Figure(m, v, v - 0.02, v + 0.02, 0, 72) for m, v in zip(METRICS, map(float, values), strict=True)]
        when = f"{2000 + number // 336}-{1 + number // 28 % 12:02d}-{1 + number % 28:02d}T10:00:00"
        about = ("a", "1", "large", "d", "drawn", 1, "box", f"runs/{number}")
        points.append(Point(when, f"{number:040x}", *about, tuple(figures)))
    write_lines(path, points)


def looked_at(page: Path, chromium: str) -> tuple[float, float]:
    """Seconds to the first contentful picture of a history, and until two points stand side by side."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        start = time.perf_counter()
        tab.goto(page.resolve().as_uri())
        tab.locator(".two table").wait_for()
        ready = time.perf_counter() - start
        paints = "performance.getEntriesByName('first-contentful-paint').map((entry) => entry.startTime)"
        first = tab.evaluate(paints)
        browser.close()
    return (first[0] / 1000 if first else float("nan")), ready


def command(*words: object) -> str:
    """Run `ttsbench`; seconds by the clock and of processor, as text."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "ttsbench", *map(str, words)], check=False, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return f"{time.perf_counter() - start:.1f} s ({worked:.1f} s of processor)"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=["report", "large", "leaderboard", "history"])
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f}, {len(os.sched_getaffinity(0))} cores")
    with tempfile.TemporaryDirectory(prefix="ttsbench-") as place:
        if "report" in options.cases:
            runs = make(Path(place, "small"), 2, 72, sounds(Path(place, "long"), 144, 5.0), truth=True)
            for when in ("cold", "again"):
                taken = command("report", *runs, "--out", Path(place, "report"))
                print(f"report, 72 rows of 2 runs, {when}: {taken}")
        if "leaderboard" in options.cases:
            runs = make(Path(place, "many"), 30, 500, sounds(Path(place, "other"), 40, 0.5), truth=True)
            print(f"leaderboard, 30 systems x 500 rows: {command('leaderboard', *runs, '--out', Path(place, 'board'))}")
        if "large" in options.cases:
            runs = make(Path(place, "large"), 10, 2020, sounds(Path(place, "short"), 40, 0.5))
            page = Path(place, "large", "out", "report.html")
            print(f"report, 10 systems x 2,020 rows: {command('report', *runs, '--out', page.parent)}")
            print(f"  {page.stat().st_size / 1e6:.1f} MB")
            for _ in range(3):
                first, ready, sort = opened(page, options.chromium)
                print(f"  opened: first picture {first:.2f} s, ready {ready:.2f} s, all rows sorted {sort:.2f} s")
        if "history" in options.cases:
            page = Path(place, "history.html")
            past(1000, Path(place, "history.jsonl"))
            taken = command("history", "--append", Path(place, "history.jsonl"), "--out", page)
            print(f"history, 1,000 points of {len(METRICS)} metrics: {taken}, {page.stat().st_size / 1e6:.1f} MB")
            for _ in range(3):
                first, ready = looked_at(page, options.chromium)
                print(f"  opened: first picture {first:.2f} s, two points side by side {ready:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Time to write and to open the comparison page of a large benchmark: 10 systems on 2,020 utterances.

    python benchmarks/page_opening.py

Makes run folders with drawn scores and short tones, writes report.html, opens it in headless Chromium three times, and
prints size, seconds to the first picture, seconds until it is ready, and seconds to sort all rows.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ttsbench import audio, reports
from ttsbench.records import Metric, Sample, Score, Synthesis
from ttsbench.store import Run, write_lines

METRICS = [
    Metric("wer", "WER", "%", "lower", 0, None, "intelligibility", "words wrong", shown="corpus"),
    Metric("sim-o", "SIM-o", "cosine", "higher", -1, 1, "similarity", "closeness to the prompt's voice"),
    Metric("dnsmos", "DNSMOS", "MOS", "higher", 1, 5, "quality", "predicted quality"),
    Metric("rtf", "RTF", "", "lower", 0, None, "speed", "time per audio second", shown="corpus"),
]
WORDS = "time person year way day thing man world life hand part child eye woman place work week case".split()


def tones(folder: Path, count: int = 40) -> list[Path]:
    """Some half-second tones; the runs' audio files are links to them."""
    clock = np.arange(8000) / 16000
    paths = [folder / f"{index}.flac" for index in range(count)]
    for index, path in enumerate(paths):
        audio.write(path, (0.3 * np.sin(2 * np.pi * (200 + 9 * index) * clock)).astype(np.float32), 16000)
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


def make(folder: Path, systems: int, utterances: int) -> list[Path]:
    """Run folders of `systems` systems on one test set."""
    dice, sounds, paths = np.random.default_rng(0), tones(folder / "tones"), []
    samples = [
        Sample(f"utt-{n:05d}", " ".join(map(str, dice.choice(WORDS, 12))), truth=sounds[n % len(sounds)],
               speaker=f"s{n % 40}") for n in range(utterances)
    ]  # fmt: skip
    about = {"name": "drawn", "version": 1, "title": "Drawn scores", "explain": "No model.", "source": ""}
    for number in range(systems):
        name = f"system-{number}"
        info = {"system": {"name": name, "spec": name, "card": {"name": name, "version": "1"}},
                "testset": {"name": "large", "digest": "large"}, "identity": {}, "seed": 0, "packages": {}, "code": {},
                "machine": {}, "started": ""}  # fmt: skip
        run = Run.create(folder / "runs" / f"{name}@large", info, samples)
        (run.path / "audio").mkdir()
        rows = []
        for n, sample in enumerate(samples):
            os.link(sounds[(n + number) % len(sounds)], run.path / "audio" / f"{sample.id}.flac")
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", type=int, default=10)
    parser.add_argument("--utterances", type=int, default=2020)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ttsbench-") as place:
        runs = make(Path(place), options.systems, options.utterances)
        start, worked = time.perf_counter(), time.process_time()
        reports.write_report(reports.load(runs), Path(place, "out"))
        page = Path(place, "out", "report.html")
        taken, size = time.perf_counter() - start, page.stat().st_size / 1e6
        print(f"{options.systems} systems x {options.utterances} utterances: {size:.1f} MB")
        print(f"written in {taken:.1f} s ({time.process_time() - worked:.1f} s of processor)")
        for _ in range(3):
            first, ready, sort = opened(page, options.chromium)
            print(f"first picture {first:.2f} s, ready {ready:.2f} s, all rows sorted {sort:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

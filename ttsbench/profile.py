"""`ttsbench profile SYSTEM ...`: measure, print a table, write profile.json and profile.html."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `ttsbench profile`."""
    parser.add_argument("systems", nargs="+", metavar="SYSTEM", help="as for run --system")
    parser.add_argument("--words", type=int, nargs="+", default=[5, 10, 20, 40, 60], help="text lengths")
    parser.add_argument("--prompt-seconds", type=float, nargs="+", default=[3.0], help="prompt lengths")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 2, 4], help="utterances at once")
    parser.add_argument("--repeat", type=int, default=10, help="repetitions of each point (default: 10)")
    parser.add_argument("--testset", default="seed-mini", help="lends a prompt (default: seed-mini)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps")
    parser.add_argument("--timeout", type=float, default=120.0, metavar="S", help="seconds an utterance may take")
    parser.add_argument("--out", type=Path, default=Path("profile"), help="folder of profile.json and profile.html")
    parser.add_argument("--json", action="store_true", help="print the profile as one JSON line")


def run(options: argparse.Namespace) -> int:
    """Measure every system. Returns 1 where a repetition failed."""
    from ttsbench import energy, latency, testsets
    from ttsbench.bench import machine
    from ttsbench.cli import Progress
    from ttsbench.reports.latency import write_page
    from ttsbench.store import write_atomically
    from ttsbench.synth import card_of

    prompt = next(sample for sample in testsets.load(options.testset).samples if sample.prompt)
    points = _points(options)
    bar = Progress()
    systems = []
    options.out.mkdir(parents=True, exist_ok=True)
    for spec in options.systems:
        card = card_of(spec)
        readings = latency.profile(
            spec,
            prompt,
            points,
            repeat=options.repeat,
            device=options.device,
            timeout=options.timeout,
            folder=options.out,
            progress=bar.named(card.name),
        )
        systems.append(_system(card, readings))
    bar.close()
    base = {"words": points[0].words, "prompt_seconds": points[0].prompt_seconds, "concurrency": 1}
    base["words"] = _middle(options.words)
    data = {
        "machine": machine(),
        "probe": latency.probe(options.device),
        "energy": meter if isinstance(meter := energy.counter(options.device), str) else "whole package or card",
        "device": options.device,
        "repeat": options.repeat,
        "base": base,
        "systems": systems,
    }
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(options.out / "profile.json", text.encode() + b"\n")
    page = write_page(data, options.out)
    print(json.dumps(data, ensure_ascii=False) if options.json else _table(data))
    failed = sum(len(system["errors"]) for system in systems)
    print(f"{len(systems)} systems profiled; open {page}." + (f" {failed} repetitions failed." if failed else ""))
    return 1 if failed else 0


def _middle(values: list[int]) -> int:
    return sorted(values)[len(values) // 2]


def _points(options: argparse.Namespace) -> list[Any]:
    """Every length at concurrency 1 with the first prompt; every other setting at the middle length."""
    from ttsbench.latency import Point

    words, prompts = _middle(options.words), options.prompt_seconds
    points = [Point(length, prompts[0], 1) for length in options.words]
    points += [Point(words, prompt, 1) for prompt in prompts]
    points += [Point(words, prompts[0], count) for count in options.concurrency]
    return list(dict.fromkeys(points))


def _system(card: Any, readings: list[Any]) -> dict[str, Any]:
    from ttsbench.latency import Reading, summary

    good = [reading for reading in readings if isinstance(reading, Reading)]
    longest = max(good, key=lambda reading: (reading.point.concurrency == 1, reading.synthesis.seconds), default=None)
    rate = card.sample_rate
    return {
        "name": card.name,
        "version": card.version,
        "parameters": card.parameters,
        "load_seconds": max((reading.load_seconds for reading in good), default=0.0),
        "rows": summary(good),
        "timeline": [(c.at, c.samples / rate) for c in longest.synthesis.chunks] if longest else [],
        "errors": [reading for reading in readings if isinstance(reading, str)],
    }


def _table(data: dict[str, Any]) -> str:
    from ttsbench.listing import table

    def ms(cell: dict[str, list[float]] | None, key: str) -> str:
        return "-" if cell is None else f"{1000 * cell[key][0]:.0f}"

    rows = [
        {
            "system": system["name"],
            "words": row["words"],
            "prompt s": row["prompt_seconds"],
            "at once": row["concurrency"],
            "RTF": "n/a" if row["rtf"] is None else f"{row['rtf']:.3f}",
            "audio s/s": row["throughput"],
            "first chunk p50 ms": ms(row["first_chunk"], "p50"),
            "audible p50 ms": ms(row["first_audible"], "p50"),
            "audible p95 ms": ms(row["first_audible"], "p95"),
            "whole p50 ms": ms(row["total"], "p50"),
            "stalls": f"{row['stalls']}/{row['n']}",
            "MiB": row["host_bytes"] // 2**20,
            "J per audio s": "not reported" if row["joules_per_second"] is None else f"{row['joules_per_second']:.2f}",
        }
        for system in data["systems"]
        for row in system["rows"]
    ]
    return table(rows)

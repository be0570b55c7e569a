"""latency, throughput and memory on this hardware"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ttsbench import arguments
from ttsbench.columns import table
from ttsbench.errors import UserError, unknown
from ttsbench.playback import playback


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `ttsbench profile`."""
    count, seconds = arguments.count(), arguments.number(0)
    parser.add_argument("systems", nargs="+", metavar="SYSTEM", help="as for run --system")
    parser.add_argument("--words", type=count, nargs="+", default=[5, 10, 20, 40, 60], help="text lengths")
    parser.add_argument(
        "--prompt-seconds",
        type=seconds,
        nargs="+",
        default=[3.0, 6.0, 10.0],
        help="prompt lengths; the first one goes with all other settings",
    )
    parser.add_argument("--concurrency", type=count, nargs="+", default=[1, 2, 4, 8], help="utterances at once")
    parser.add_argument(
        "--chunk-frames",
        type=count,
        nargs="*",
        default=[2, 10, 25],
        help="chunk sizes, where a system has them",
    )
    parser.add_argument("--batch", type=count, nargs="*", default=[2, 8], help="batch sizes, where a system has them")
    parser.add_argument("--repeat", type=count, default=10, help="repetitions of each point (default: 10)")
    parser.add_argument("--testset", default="seed-mini", help="lends a prompt (default: seed-mini)")
    parser.add_argument("--device", type=arguments.device, default="cpu", help="cpu, cuda, cuda:1, mps")
    parser.add_argument("--timeout", type=seconds, default=120.0, metavar="S", help="seconds for an utterance")
    parser.add_argument("--out", type=Path, default=Path("profile"), help="folder of profile.json and profile.html")
    parser.add_argument("--title", default="", help="heading of the page (default: the systems' names)")
    parser.add_argument(
        "--label", type=arguments.label, action="append", default=[], metavar="NAME=LABEL",
        help="call a system, as given or by its name, otherwise",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the profile as one JSON line")


def run(options: argparse.Namespace) -> int:
    """Measure every system. Returns 1 where a repetition failed."""
    from ttsbench import systems, testsets
    from ttsbench.identity import card_of
    from ttsbench.progress import Progress, number_of
    from ttsbench.provenance import machine
    from ttsbench.reports.latency_page import write_page
    from ttsbench.speed import energy, latency, limits
    from ttsbench.store import write_atomically

    prompt = next(sample for sample in testsets.load(options.testset).samples if sample.prompt)
    points = _points(options)
    bar = Progress()
    profiles = []
    for spec in options.systems:
        systems.check(spec, options.device)
    cards = {spec: card_of(spec) for spec in options.systems}
    names = _names(cards, dict(options.label))
    found = limits.probe(options.device)
    options.out.mkdir(parents=True, exist_ok=True)
    for spec, card in cards.items():
        readings = latency.profile(
            spec,
            prompt,
            points,
            repeat=options.repeat,
            device=options.device,
            timeout=options.timeout,
            folder=options.out,
            progress=bar.named(names[spec]),
        )
        profiles.append(_system(names[spec], card, readings, found))
    bar.close()
    data = {
        "machine": machine(),
        "probe": found,
        "energy": meter if isinstance(meter := energy.counter(options.device), str) else "whole package or card",
        "device": options.device,
        "repeat": options.repeat,
        "base": asdict(points[0]),
        "systems": profiles,
    }
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(options.out / "profile.json", text.encode() + b"\n")
    page = write_page(data, options.out, options.title)
    print(json.dumps(data, ensure_ascii=False) if options.json else _table(data))
    failed = sum(len(system["errors"]) for system in profiles)
    crowded, rows = (sum(row[key] for system in profiles for row in system["rows"]) for key in ("busy", "n"))
    if crowded:
        print(f"{crowded} of {rows} repetitions were timed while other programs used the machine: measure again alone.")
    lost = f" {number_of(failed, 'repetition')} failed." if failed else ""
    print(f"{number_of(len(profiles), 'system')} profiled; open {page}.{lost}")
    return 1 if failed else 0


def _names(cards: dict[str, Any], labels: dict[str, str]) -> dict[str, str]:
    """What each system is called: its label, by what was given or by its card's name, or its card's name."""
    known = dict.fromkeys([*cards, *(card.name for card in cards.values())])
    if missing := [name for name in labels if name not in known]:
        raise UserError(unknown("system to label", missing[0], known))
    return {spec: labels.get(spec) or labels.get(card.name) or card.name for spec, card in cards.items()}


def _middle(values: list[int]) -> int:
    return sorted(values)[len(values) // 2]


def _points(options: argparse.Namespace) -> list[Any]:
    """The middle length with the first prompt, one at a time, goes first; then one setting after the other changes."""
    from ttsbench.speed.latency import Point

    words, prompts = _middle(options.words), options.prompt_seconds
    points = [Point(words, prompts[0])]
    points += [Point(length, prompts[0]) for length in options.words]
    points += [Point(words, prompt) for prompt in prompts]
    points += [Point(words, prompts[0], concurrency=count) for count in options.concurrency]
    points += [Point(words, prompts[0], batch=count) for count in options.batch]
    points += [Point(words, prompts[0], chunk_frames=count) for count in options.chunk_frames]
    return list(dict.fromkeys(points))


def _system(name: str, card: Any, readings: list[Any], limits: dict[str, float]) -> dict[str, Any]:
    from ttsbench.speed.latency import Lost, Reading, summary

    good = [reading for reading in readings if isinstance(reading, Reading)]
    lost = [reading for reading in readings if isinstance(reading, Lost)]
    longest = max(good, key=_by_length, default=None)
    rate = card.sample_rate
    return {
        "name": name,
        "version": card.version,
        "parameters": card.parameters,
        "load_seconds": max((r.load_seconds for r in good if r.point.concurrency == 1), default=0.0),
        "frame_rate": card.frame_rate,
        "rows": summary(good, card.frame_rate, limits, lost),
        "timeline": [(c.arrived, c.start, c.seconds) for c in playback(longest.synthesis.chunks, rate)]
        if longest
        else [],
        "errors": [f"{each.point}: {each.reason}" for each in lost],
    }


def _by_length(reading: Any) -> tuple[bool, float]:
    """Orders utterances for the timeline: spoken alone and in the system's own chunks before others, then by length."""
    return reading.point.alone and reading.point.chunk_frames is None, reading.synthesis.seconds


def _table(data: dict[str, Any]) -> str:
    """Times, then what they amount to on this machine, with its probe."""
    rows = [(system["name"], row) for system in data["systems"] for row in system["rows"]]
    parts = [
        table([_times(name, row) for name, row in rows]),
        table([_waits(name, row) for name, row in rows if row["batch"] == 1]),
        table([_limits(name, row) for name, row in rows if row["chunk_frames"] is None]),
        "Limits, by a short probe: " + ", ".join(f"{_words(name)} {value:g}" for name, value in data["probe"].items()),
        "Machine: " + ", ".join(f"{name} {value}" for name, value in data["machine"].items()),
    ]
    return "\n\n".join(parts) + "\n"


def _words(name: str) -> str:
    return name.replace("_per_s", "/s").replace("_gb", " GB").replace("_gflop", " GFLOP")


def _point(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """What was asked for, as the first columns of both tables."""
    names = {"words": "words", "prompt s": "prompt_seconds", "at once": "concurrency", "batch": "batch"}
    return {"system": name} | {column: row[key] for column, key in names.items()}


def _times(name: str, row: dict[str, Any]) -> dict[str, Any]:
    def ms(key: str, quantile: str) -> str:
        return "-" if row[key] is None else f"{1000 * row[key][quantile][0]:.0f}"

    return {
        **_point(name, row),
        "chunk": row["chunk_frames"] or "own",
        "RTF": "n/a" if row["rtf"] is None else f"{row['rtf']:.3f}",
        "audio s/s": row["throughput"],
        "first chunk p50 ms": ms("first_chunk", "p50"),
        "audible p50 ms": ms("first_audible", "p50"),
        "audible p95 ms": ms("first_audible", "p95"),
        "whole p50 ms": ms("total", "p50"),
        "gap p95 ms": ms("gap", "p95"),
        "stalls": f"{row['stalls']}/{row['n']}",
        "busy": f"{row['busy']}/{row['n']}",
    }


def _waits(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """What a listener notices: silence at the head, shares of requests that keep within a time, whether it streams."""

    def shares(key: str) -> dict[str, str]:
        words = {"audible_under": "heard within", "stalled_under": "stalls below"}[key]
        return {f"{words} {limit} ms": f"{100 * share:.0f} %" for limit, share in row[key].items()}

    lead, share = row["leading_silence"], row["first_share"]
    return {
        **_point(name, row),
        "streams": "-" if row["streams"] is None else "yes" if row["streams"] else "no",
        "first chunk after": "-" if share is None else f"{100 * share['p50'][0]:.0f} % of the time",
        "silence first ms": "-" if lead is None else f"{1000 * lead['p50'][0]:.0f}",
        **shares("audible_under"),
        **shares("stalled_under"),
    }


def _limits(name: str, row: dict[str, Any]) -> dict[str, Any]:
    work, frames = row["work"], row["frames_per_second"]
    device = row["device_bytes"]
    return {
        **_point(name, row),
        "frames/s": "-" if frames is None else f"{frames:.0f}",
        "GFLOP per audio s": "-" if work is None else f"{work['gflop_per_audio_second']:.2f}",
        "GFLOP/s": "-" if work is None else f"{work['gflop_per_s']:.1f}",
        "of arithmetic": "-" if work is None else f"{100 * work['arithmetic']:.1f} %",
        "GB/s": "-" if work is None else f"{work['gb_per_s']:.1f}",
        "of bandwidth": "-" if work is None else f"{100 * work['bandwidth']:.0f} %",
        "load s": f"{row['load_seconds']:.1f}",
        "host MiB": row["host_bytes"] // 2**20,
        "device MiB": "-" if device is None else device // 2**20,
        "J per audio s": "not reported" if row["joules_per_second"] is None else f"{row['joules_per_second']:.2f}",
    }

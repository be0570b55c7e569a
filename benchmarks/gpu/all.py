"""Every target of the full-size models on a GPU, in one command of at most eight minutes.

    python benchmarks/gpu/all.py --out docs/measurements            # gpu.json and gpu.md
    python benchmarks/gpu/all.py --device cpu --tiny --out /tmp/x   # the rehearsal: toy sizes, all parts, in a minute

Weights are random: times depend on their number alone. Parts run in the order of their worth, each result is written as
soon as it is there, and a part that would begin after `--minutes` is left out and said to be.

What is compared for equality: Llasa's greedy tokens with those of transformers' `generate` (where the two part, the
preference of transformers for its own token must be a near tie in bf16); the replayed step of every language model with
its plain one; Whisper's tokens in batches with those one at a time.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from replay import Place, disagreement, ready

sys.path.append(str(Path(__file__).parents[1]))
import against_generate
import full_size
import recognition

from ttsbench.speed.limits import probe
from ttsbench.systems.kalle.model import RELEASED, Kalle
from ttsbench.systems.llasa import core

TIE = 0.05  # nats: bf16 has eight bits, and logits of random weights lie within a few units
NEAR = 0.05  # of the deviation of a step's output, in bf16
Row = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """One line of the table: `reached` against `aim`, both numbers; `better` is 'higher' or 'lower'."""

    name: str
    unit: str
    aim: float
    reached: float
    better: str = "lower"

    @property
    def met(self) -> bool:
        return self.reached >= self.aim if self.better == "higher" else self.reached <= self.aim


def llasa(place: Place, repeats: int) -> list[Target]:
    tokens = 12 if place.tiny else 500
    found = against_generate.measure(replace(place, dtype=torch.bfloat16), 210, tokens, repeats)
    return [
        Target("Llasa-1B against generate", "times", 4.0, found.ours / found.theirs, "higher"),
        Target("Llasa-1B, share of the bandwidth", "%", 60.0, 100 * found.share, "higher"),
        Target("Llasa-1B, preference where tokens part", "nats", TIE, found.gap),
    ]


def speech(name: str) -> Callable[[Place, int], list[Target]]:
    """Real-time factor, and first chunk where one is aimed at."""

    def measure(place: Place, repeats: int) -> list[Target]:
        found, known = full_size.SYSTEMS[name](place, repeats), full_size.KNOWN[name]
        lines = []
        if known.rtf is not None:
            lines.append(Target(f"{name}, RTF of {found.speech:.1f} s", "", known.rtf, found.total / found.speech))
        if known.first is not None:
            lines.append(Target(f"{name}, first chunk", "ms", 1000 * known.first, 1000 * found.first))
        return lines

    return measure


def steps(place: Place, repeats: int) -> list[Target]:
    """The replayed step against the plain one."""
    small = replace(RELEASED.body, dim=64, layers=2, heads=8, hidden=128)
    shape = replace(RELEASED, body=small, latent=8) if place.tiny else RELEASED
    config = against_generate.TINY if place.tiny else core.SIZES["1b"]
    lines = []
    for name, build, part in (
        ("Llasa-1B", lambda: core.Llama(config), lambda model: model.model),
        ("KALL-E", lambda: Kalle(shape), lambda model: model.body),
    ):
        apart = disagreement(part(ready(build, place)), 1, place)
        lines.append(Target(f"{name}, replayed step against plain", "deviations", NEAR, apart))
    return lines


def whisper(place: Place, repeats: int) -> list[Target]:
    size = "tiny" if place.tiny else "large-v3"
    rows, batch, tokens = (2, 2, 2) if place.tiny else (64, 32, 32)
    dtype = torch.float32 if place.device.type == "cpu" else torch.float16
    found = recognition.measure(size, str(place.device), dtype, rows, batch, tokens)
    return [
        Target(f"Whisper {size} in batches of {batch}", "times", 8.0, found.alone / found.together, "higher"),
        Target("Whisper, rows with other tokens", "rows", 0.0, float(rows - found.same)),
    ]


PARTS: dict[str, Callable[[Place, int], list[Target]]] = {
    "llasa": llasa, "steps": steps, "mobilespeech": speech("mobilespeech"), "kalle": speech("kalle"),
    "livespeech": speech("livespeech"), "whisper": whisper,
}  # fmt: skip


def run(place: Place, minutes: float, repeats: int, parts: list[str], out: Path) -> Row:
    """Every part in turn; what one of them raises is its row."""
    name = torch.cuda.get_device_name(place.device) if place.device.type == "cuda" else "CPU"
    result: Row = {"device": name, "torch": torch.__version__, "tiny": place.tiny, "targets": [], "faults": {}}
    result["date"], began = time.strftime("%Y-%m-%d"), time.monotonic()
    result["copy_gb_per_s"] = probe(str(place.device))["copy_gb_per_s"]
    for part in parts:
        if time.monotonic() - began > 60 * minutes:
            result["faults"][part] = f"left out: {minutes:g} minutes were over"
            continue
        start = time.monotonic()
        try:
            lines = PARTS[part](place, repeats)
            result["targets"] += [{"part": part, **asdict(line), "met": line.met} for line in lines]
        except Exception as fault:  # the other parts are still worth their time
            result["faults"][part] = f"{type(fault).__name__}: {fault}"
        result.setdefault("seconds", {})[part] = round(time.monotonic() - start, 1)
        gc.collect()
        if place.device.type == "cuda":
            torch.cuda.empty_cache()
        write(result, out)
    return result


def write(result: Row, out: Path) -> None:
    """gpu.json and gpu.md."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "gpu.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (out / "gpu.md").write_text(table(result), encoding="utf-8")


def table(result: Row) -> str:
    """The targets as Markdown."""
    what = "toy sizes: a rehearsal of the code, no measurement" if result["tiny"] else "random weights of full size"
    lines = [
        "# Full-size models on a GPU",
        "",
        f"`python benchmarks/gpu/all.py`, {result['date']}, {result['device']}, torch {result['torch']}, {what}; "
        f"memory copies at {result['copy_gb_per_s']:.0f} GB/s (read and write).",
        "",
        "| what | aim | reached | met |",
        "| --- | --- | --- | --- |",
    ]
    for row in result["targets"]:
        sign, unit = ("at least", row["unit"]) if row["better"] == "higher" else ("at most", row["unit"])
        met = "yes" if row["met"] else "no"
        lines.append(f"| {row['name']} | {sign} {row['aim']:g} {unit} | {row['reached']:.4g} {unit} | {met} |")
    lines += [f"| {part} | | {fault} | no |" for part, fault in result["faults"].items()]
    return "\n".join(line.replace("  ", " ") for line in lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"), help="folder of gpu.json and gpu.md (runs/gpu)")
    parser.add_argument("--minutes", type=float, default=7.0, help="no part begins after so many (7)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--tiny", action="store_true", help="toy sizes")
    options = parser.parse_args()
    device = torch.device(options.device)
    dtype = torch.float32 if options.tiny and device.type == "cpu" else torch.bfloat16
    place = Place(device, dtype, 0.4 if options.tiny else 10.0, options.tiny, False)
    with torch.inference_mode():
        result = run(place, options.minutes, options.repeats, options.only, options.out)
    print(table(result))
    return 1 if result["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())

"""What a system that can search makes of more compute at synthesis time (Llasa's Tables 2 and 5).

Every sentence is spoken by direct sampling, best of N, beam search with a process reward, and both together; each
pick is judged by the verifiers that may have chosen it and by measures that no verifier sees. Rows are kept as they
come (rows.jsonl), so a run that was stopped goes on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ttsbench.errors import UserError
from ttsbench.records import Metric, Sample, Score

NUMBERS = (1, 2, 4, 8, 16)
COLUMNS = ("wer", "sim-o", "per", "timbre", "dnsmos")  # the verifiers' own, then those that no search sees
TITLES = {"wer": "WER %", "sim-o": "SIM-o", "per": "PER %", "timbre": "timbre", "dnsmos": "DNSMOS"}
SCALES = {"wer": 100, "per": 100, "sim-o": 1, "timbre": 1, "dnsmos": 1}
BEST = {"wer": "lower", "sim-o": "higher", "per": "lower", "timbre": "higher", "dnsmos": "higher"}
Row = dict[str, Any]


@dataclass(frozen=True)
class Sweep:
    """What is asked for: `limit` sentences (0: all), `step` in frames, `seconds` of partial search, piece (i, n);
    `content` and `voice` name the verifiers (`verifiers.named`) that searches choose by."""

    system: str = "llasa"
    testset: str = "seed-mini"
    limit: int = 10
    out: Path = Path("runs/scaling")
    beams: int = 4
    samples: int = 4
    step: int = 25
    seconds: float = 2.0
    only: str = "all"
    shard: tuple[int, int] = (1, 1)
    full_prm: bool = False
    seed: int = 0
    content: str = "recognisers.faster_whisper"
    voice: str = "speakers.ge2e"
    device: str = "cpu"

    def asked(self) -> Row:
        """What rows must have been made with to be kept on resuming."""
        names = [
            "system",
            "testset",
            "beams",
            "samples",
            "step",
            "seconds",
            "only",
            "full_prm",
            "seed",
            "content",
            "voice",
        ]
        return {name: getattr(self, name) for name in names}


def run(sweep: Sweep) -> tuple[list[Row], list[Row]]:
    """Speak, judge, write rows.jsonl, table.json, table.md and the plot. Returns all rows and the table's lines."""
    from ttsbench import systems, testsets

    piece, pieces = sweep.shard
    samples = spread(testsets.load(sweep.testset).samples, sweep.limit)[piece - 1 :: pieces]
    system = systems.load(sweep.system, sweep.device)
    if not hasattr(system, "writers"):
        raise UserError(f"{sweep.system} cannot search: it has no `writers(sample)` (systems/llasa/search.py)")
    sweep.out.mkdir(parents=True, exist_ok=True)
    rows = [row for row in _read(sweep.out / "rows.jsonl") if row.get("asked") == sweep.asked()]
    done = {row["sample"] for row in rows}
    for sample in _progress([sample for sample in samples if sample.id not in done]):
        fresh = [row | {"asked": sweep.asked()} for row in judged(system, sample, sweep)]
        rows += fresh
        with (sweep.out / "rows.jsonl").open("a", encoding="utf-8") as handle:
            handle.write("".join(json.dumps(row) + "\n" for row in fresh))
    lines = table([row for row in rows if not row.get("error")])
    (sweep.out / "table.json").write_text(json.dumps(lines, indent=1), encoding="utf-8")
    (sweep.out / "table.md").write_text(_markdown([shown(line) for line in lines]), encoding="utf-8")
    if lines:
        plot(lines, sweep.out / "scaling.png")
    return rows, lines


def spread(samples: tuple[Sample, ...], limit: int) -> list[Sample]:
    """`limit` of the samples, evenly spread (0: all), so that few sentences still have many speakers."""
    if not limit or limit >= len(samples):
        return list(samples)
    return [samples[round(place * (len(samples) - 1) / max(1, limit - 1))] for place in range(limit)]


def judged(system: Any, sample: Sample, sweep: Sweep) -> list[Row]:
    """One sentence through every search: rows of scores and costs, or one row with an error."""
    try:
        writers = system.writers(sample)
        pieces = system.pieces(sample) if len(writers) > 1 else [sample.text]
        return [*_anchors(system, sample, sweep), *_searches(writers, pieces, sample, system.card.sample_rate, sweep)]
    except Exception as fault:  # one sentence's fault is its row, never the run's
        return [{"sample": sample.id, "search": "", "error": f"{type(fault).__name__}: {fault}"}]


def _anchors(system: Any, sample: Sample, sweep: Sweep) -> Iterator[Row]:
    """The recording, and the recording after the system's codec: what the searches can hope for."""
    from ttsbench import audio

    if sample.truth is None:
        return
    rate = system.card.sample_rate
    sound, judges = audio.read_at(sample.truth, rate), _judges(sample, rate, sweep)
    sounds = {"ground truth": sound}
    if hasattr(system, "resynthesize"):
        sounds["codec"] = system.resynthesize(sound, rate)
    for name, heard in sounds.items():
        scores = {key: judge(heard) for key, judge in judges.items()}
        yield {"sample": sample.id, "search": name, "scores": _finite(scores), "candidates": 0} | {
            "frames": 0, "decodes": 0, "calls": {},
        }  # fmt: skip


def _judges(sample: Sample, rate: int, sweep: Sweep) -> dict[str, Callable[..., float]]:
    """The two that searches may choose by, then those that no search sees."""
    from ttsbench.systems.scaling import verifiers

    names = {"wer": sweep.content, "sim-o": sweep.voice, "per": "phones", "timbre": "timbre"}
    names |= {"dnsmos": verifiers.QUALITY}
    if sample.language != "en":
        del names["per"]  # the phone loop knows English alone
    return {key: verifiers.named(name, sample, rate) for key, name in names.items()}


def _finite(scores: dict[str, float]) -> dict[str, float | None]:
    return {key: None if math.isinf(value) else value for key, value in scores.items()}


def _searches(writers: list[Any], pieces: list[str], sample: Sample, rate: int, sweep: Sweep) -> Iterator[Row]:
    """A row for each search. A text in pieces is searched piece by piece, and judged as a whole."""
    import torch

    from ttsbench.audio import write
    from ttsbench.speaking import seed_for
    from ttsbench.store import file_name
    from ttsbench.systems.llasa import search

    judges = _judges(sample, rate, sweep)
    generator = torch.Generator(sweep.device).manual_seed(seed_for(sweep.seed, sample.id))
    found = [
        list(_of_piece(writer, replace(sample, text=piece), rate, sweep, generator))
        for writer, piece in zip(writers, pieces, strict=True)
    ]
    for parts in zip(*found, strict=True):
        name = parts[0][0]
        sound, cost = search.joined([part for _, part in parts])
        scores = {key: judge(sound) if sound.size else -math.inf for key, judge in judges.items()}
        write(sweep.out / "audio" / name.replace(" ", "-") / f"{file_name(sample.id)}.flac", sound, rate)
        candidates = sum(len(part.candidates) for _, part in parts)
        yield {"sample": sample.id, "search": name, "scores": _finite(scores), "candidates": candidates} | {
            "frames": cost.frames, "decodes": cost.decodes, "calls": cost.calls,
        }  # fmt: skip


def _of_piece(writer: Any, sample: Sample, rate: int, sweep: Sweep, generator: Any) -> Iterator[tuple[str, Any]]:
    """Every search asked for, over one writer: its name and what it found (`search.Found`)."""
    from ttsbench.systems.llasa import search

    judges = _judges(sample, rate, sweep)
    both = tuple(search.Verifier(key, judges[key]) for key in ("wer", "sim-o"))
    voice, beam = both[1], search.Beam(sweep.step, sweep.beams, sweep.samples)

    def found(best: Any, candidates: list[Any], cost: Any) -> search.Found:
        return search.Found(best, writer.audio(best.frames), candidates, cost)

    if sweep.only in ("orm", "all"):
        whole = search.best_of_n(writer, max(NUMBERS), both, generator)
        for n in NUMBERS:  # the first n of the same candidates: the numbers are nested
            first = whole.candidates[:n]
            frames = sum(len(candidate.frames) + 1 for candidate in first)
            calls = {} if n == 1 else {"wer": n, "sim-o": n}
            name = "direct" if n == 1 else f"ORM N={n:02d}"
            yield name, found(search.choose(first, both if n > 1 else ()), first, search.Cost(frames, n, calls))
    if sweep.only in ("prm", "all"):
        part = search.partial_prm(writer, beam, voice, both, generator, sweep.seconds)
        spent = search.Cost(part.cost.frames, part.cost.decodes, {"sim-o": part.cost.calls["sim-o"]})
        yield "partial PRM", found(search.choose(part.candidates, (voice,)), part.candidates, spent)
        yield "partial PRM + ORM", part
    if sweep.full_prm:
        yield "PRM", search.process_beam(writer, beam, voice, generator)


# --- the table and the plot -----------------------------------------------------------------------------------------


def table(rows: list[Row]) -> list[Row]:
    """One row a search: means with 95 % intervals over sentences, frames a sentence and relative to direct sampling."""
    from ttsbench.stats import cell

    direct = [row["frames"] for row in rows if row["search"] == "direct"]
    out = []
    for name in dict.fromkeys(row["search"] for row in rows):
        mine = [row for row in rows if row["search"] == name]
        line: Row = {"search": name, "sentences": len(mine)}
        for key in COLUMNS:
            better: Any = BEST[key]
            metric = Metric(key, TITLES[key], "", better, None, None, "search", "")
            found = cell(metric, [_score(row, key) for row in mine])
            line[key] = {"value": found.value, "low": found.low, "high": found.high, "scored": found.scored}
        line["frames"] = sum(row["frames"] for row in mine) / len(mine)
        line["times"] = line["frames"] / (sum(direct) / len(direct)) if direct else None
        line["decodes"] = sum(row["decodes"] for row in mine) / len(mine)
        line["calls"] = sum(sum(row["calls"].values()) for row in mine) / len(mine)
        out.append(line)
    return out


def _score(row: Row, key: str) -> Score:
    """A judge's score as a Score: error rates count upwards again, and what nobody could hear is the worst of them."""
    if key not in row["scores"]:
        return Score(row["sample"], na="no such judge for this language")
    rate, value = key in ("wer", "per"), row["scores"][key]
    if value is None:
        return Score(row["sample"], value=1.0 if rate else None, error="not measured")
    return Score(row["sample"], value=-value if rate else value)


def plot(lines: list[Row], path: Path) -> None:
    """Each measure over the frames drawn, relative to direct sampling: best of N a line, process rewards points."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(9, 6.5), sharex=True)
    for axis, key in zip(axes.T.flat, ("wer", "per", "sim-o", "timbre"), strict=True):
        known = [line for line in lines if line[key]["value"] is not None and line["times"]]
        sampled = [line for line in known if "PRM" not in line["search"]]
        scale = SCALES[key]
        bars = [[scale * _reach(line[key], end) for line in sampled] for end in ("low", "high")]
        values = [scale * line[key]["value"] for line in sampled]
        axis.errorbar([line["times"] for line in sampled], values, bars, marker="o", capsize=3, label="best of N (ORM)")
        for line in known:
            if "PRM" in line["search"]:
                axis.plot(line["times"], scale * line[key]["value"], "s", label=line["search"])
        for name, style in (("ground truth", "-"), ("codec", "--")):
            for line in lines:
                if line["search"] == name and line[key]["value"] is not None:
                    axis.axhline(scale * line[key]["value"], color="gray", linestyle=style, linewidth=1, label=name)
        seen = "the verifier itself" if key in ("wer", "sim-o") else "no verifier sees it"
        axis.set_title(f"{TITLES[key]} ({BEST[key]} is better; {seen})", fontsize=9)
        axis.set_xscale("log", base=2)
        axis.grid(alpha=0.3)
    for axis in axes[1]:
        axis.set_xlabel("frames drawn, times direct sampling")
    axes[0, 0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _reach(found: Row, end: str) -> float:
    """From a mean to an end of its interval; 0 where there are too few sentences for one."""
    return 0.0 if found[end] is None else abs(float(found[end]) - float(found["value"]))


def shown(line: Row) -> Row:
    """A line of the table as printed."""
    out: Row = {"search": line["search"], "n": line["sentences"]}
    for key in COLUMNS:
        found, scale = line[key], SCALES[key]
        digits = 1 if scale == 100 else 3
        out[TITLES[key]] = "-" if found["value"] is None else f"{scale * found['value']:.{digits}f}"
        if found["low"] is not None:
            out[TITLES[key]] += f" [{scale * found['low']:.{digits}f}, {scale * found['high']:.{digits}f}]"
    times = "-" if not line["times"] else f"{line['times']:.1f}"
    return out | {"frames x": times, "decodes": f"{line['decodes']:.0f}", "verifier calls": f"{line['calls']:.0f}"}


def _markdown(shown: list[Row]) -> str:
    if not shown:
        return ""
    keys = list(shown[0])
    lines = ["| " + " | ".join(keys) + " |", "|" + " --- |" * len(keys)]
    return "\n".join(lines + ["| " + " | ".join(str(row[key]) for key in keys) + " |" for row in shown]) + "\n"


def _read(path: Path) -> list[Row]:
    """Rows of an earlier run; a torn last line is dropped."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def _progress(samples: list[Sample]) -> Any:
    from tqdm import tqdm

    return tqdm(samples, unit="sentence", disable=None)

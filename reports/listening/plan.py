"""Who hears what: blind, balanced, seeded rating plans with hidden anchors and repeats, and their key."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ttsbench.records import Sample
from ttsbench.reports.tables import TRUTH, ReportError, card_of, find, is_truth, plain, testset_of

DEGRADED = "degraded"


@dataclass(frozen=True)
class Design:
    """A kind of listening test: its question and its scale, from worst to best (value, label)."""

    name: str
    question: str
    scale: tuple[tuple[str, str], ...]
    pairs: bool = False
    reference: bool = False


P800 = ("bad", "poor", "fair", "good", "excellent")
DESIGNS = {
    "category": Design(
        "category", "How well does the speech meet the criteria of its category?",
        (("1", "fails"), ("2", "in part"), ("3", "right and natural")),
    ),
    "mos": Design("mos", "How natural does the speech sound?", tuple((str(i + 1), P800[i]) for i in range(5))),
    "smos": Design(
        "smos", "How similar is the voice to the reference? Judge the voice, not the quality.",
        tuple((str(i + 1), P800[i]) for i in range(5)), reference=True,
    ),
    "cmos": Design(
        "cmos", "How does B compare with A?",
        (("-3", "much worse"), ("-2", "worse"), ("-1", "slightly worse"), ("0", "about the same"),
         ("1", "slightly better"), ("2", "better"), ("3", "much better")), pairs=True,
    ),
    "ab": Design("ab", "Which one do you prefer?", (("A", "A"), ("none", "no preference"), ("B", "B")), pairs=True),
}  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One row of a rater's sheet. `systems`, `role` and `repeats` go into the key and nowhere else.

    `clips` are the codes of what is heard (one, or A and B), `reference` that of the prompt. `role` is 'rated',
    'anchor' (a signal known to be bad) or 'repeat' (`repeats` names the earlier item).
    """

    id: str
    sample: str
    category: str
    text: str
    clips: tuple[str, ...]
    reference: str
    systems: tuple[str, ...]
    role: str = "rated"
    repeats: str = ""


@dataclass(frozen=True)
class Study:
    """A whole listening test. `sources` says where each clip code comes from: (file, whether it is to be degraded)."""

    name: str
    design: Design
    seed: int
    criteria: dict[str, dict[str, str]]
    sheets: dict[str, list[Item]]
    sources: dict[str, tuple[Path, bool]]
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Material:
    """What can be heard: audio of every condition by sample id, on one test set."""

    testset: str
    samples: list[Sample]
    conditions: dict[str, dict[str, Path]]
    criteria: dict[str, dict[str, str]]


def gather(paths: Sequence[Path | str]) -> Material:
    """The outputs of some runs on one test set, with its recordings as a condition where it has them."""
    runs = find(paths, scored=False)
    names = {testset_of(run)["name"] for run in runs}
    if len(names) > 1 or len({testset_of(run)["digest"] for run in runs}) > 1:
        raise ReportError(f"one listening test is on one test set, not on {', '.join(sorted(names))}")
    samples = runs[0].samples
    conditions: dict[str, dict[str, Path]] = {}
    for run in runs:
        if not is_truth(run):
            found = {key: run.audio(row) for key, row in run.syntheses.items()}
            name = plain(card_of(run)["name"])
            name = name if name not in conditions else plain(run.path.name)
            conditions[name] = {key: path for key, path in found.items() if path and path.exists()}
    truth = {sample.id: sample.truth for sample in samples if sample.truth and sample.truth.exists()}
    if truth:
        conditions[TRUTH] = truth
    if not set(conditions) - {TRUTH}:
        raise ReportError("there is no system to rate: give the run folder of at least one")
    return Material(names.pop(), samples, conditions, runs[0].info.get("criteria") or {})


def plan(
    material: Material, design: Design, raters: int, seed: int, load: int = 0, limit: int = 0, anchors: float = 0.1,
    repeats: float = 0.1,
) -> Study:  # fmt: skip
    """Lay out every rater's sheet.

    A Latin square gives each rater each sentence in `load` different conditions, and each condition equally often;
    `load` 0 takes the least that has every condition of every sentence heard by two raters.
    `limit` keeps that many sentences (balanced over categories); `anchors`, `repeats`: share of items added.
    """
    if raters < 1:
        raise ReportError("a listening test needs at least one rater")
    samples, left_out = _usable(material, design)
    samples = _chosen(samples, limit, random.Random(seed))
    conditions = _conditions(material, design)
    load = min(load or -(-2 * len(conditions) // raters), len(conditions))
    sources: dict[str, tuple[Path, bool]] = {}
    sheets = {}
    for number in range(raters):
        rng = random.Random(f"{seed}:{number}")
        maker = _Maker(material, design, seed, sources)
        rows = [
            maker.item(sample, _ordered(conditions[(at + number * load + turn) % len(conditions)], at, number), "rated")
            for turn in range(load)
            for at, sample in enumerate(samples)
        ]
        sheets[f"rater-{number + 1:02d}"] = _arranged(rows, maker, samples, rng, anchors, repeats)
    name = hashlib.sha256(
        f"{material.testset}:{design.name}:{seed}:{sorted(material.conditions)}".encode()
    ).hexdigest()[:12]
    return Study(name, design, seed, material.criteria, sheets, sources, left_out)


def _usable(material: Material, design: Design) -> tuple[list[Sample], list[str]]:
    """Sentences that every condition has audio for, and the ids of the others."""
    if design.name == "category" and not material.criteria:
        raise ReportError(f"{material.testset} has no criteria by category; use --design mos, or a set that has some")
    samples, left_out = [], []
    for sample in material.samples:
        whole = all(sample.id in audio for audio in material.conditions.values())
        whole &= not design.reference or (sample.prompt is not None and sample.prompt.exists())
        whole &= design.name != "category" or sample.category in material.criteria
        (samples.append(sample) if whole else left_out.append(sample.id))
    if not samples:
        raise ReportError("no sentence has audio from every system" + (" and a prompt" if design.reference else ""))
    return samples, left_out


def _chosen(samples: list[Sample], limit: int, rng: random.Random) -> list[Sample]:
    """`limit` sentences spread over the categories (0: all), in an order that alternates categories."""
    groups: dict[str, list[Sample]] = {}
    for sample in rng.sample(samples, len(samples)):
        groups.setdefault(sample.category, []).append(sample)
    woven = [sample for row in itertools.zip_longest(*groups.values()) for sample in row if sample is not None]
    return woven[: limit or len(woven)]


def _conditions(material: Material, design: Design) -> list[tuple[str, ...]]:
    names = sorted(material.conditions)
    if not design.pairs:
        return [(name,) for name in names]
    systems = [name for name in names if name != TRUTH]
    pairs: list[tuple[str, ...]] = list(itertools.combinations(systems, 2))
    if not pairs:
        raise ReportError(f"--design {design.name} compares systems: give the run folders of at least two")
    return pairs


def _ordered(condition: tuple[str, ...], at: int, rater: int) -> tuple[str, ...]:
    """A pair's order alternates over sentences and raters, so that being first helps nobody."""
    return condition[::-1] if (at + rater) % 2 and len(condition) == 2 else condition


class _Maker:
    """Makes items and remembers which clip code stands for which file."""

    def __init__(self, material: Material, design: Design, seed: int, sources: dict[str, tuple[Path, bool]]) -> None:
        self.material, self.design, self.seed, self.sources = material, design, seed, sources

    def item(self, sample: Sample, systems: tuple[str, ...], role: str, copy: str = "", repeats: str = "") -> Item:
        clips = tuple(self._code(sample, system, copy) for system in systems)
        reference = ""
        if self.design.reference and sample.prompt:
            reference = self._keep(f"prompt:{sample.prompt}:{copy}", sample.prompt, False)
        return Item("", sample.id, sample.category, sample.text, clips, reference, systems, role, repeats)

    def _code(self, sample: Sample, system: str, copy: str) -> str:
        audio = self.material.conditions
        if system == DEGRADED and self.design.reference:
            return self._keep(f"{sample.id}:{DEGRADED}:{copy}", self._stranger(sample), True)
        if system == DEGRADED:
            return self._keep(f"{sample.id}:{DEGRADED}:{copy}", audio[self.base][sample.id], True)
        return self._keep(f"{sample.id}:{system}:{copy}", audio[system][sample.id], False)

    def _keep(self, what: str, path: Path, degraded: bool) -> str:
        code = hashlib.sha256(f"{self.seed}:{what}".encode()).hexdigest()[:12]
        self.sources[code] = (path, degraded)
        return code

    def _stranger(self, sample: Sample) -> Path:
        """Another speaker's prompt: the known bad answer to "is this the same voice?"."""
        others = (each.prompt for each in self.material.samples if each.prompt and each.speaker != sample.speaker)
        return next(others, self.material.conditions[self.base][sample.id])

    @property
    def base(self) -> str:
        """What the degraded anchor is made from: the recording, else a system."""
        return TRUTH if TRUTH in self.material.conditions else min(self.material.conditions)


def _arranged(
    rows: list[Item], maker: _Maker, samples: list[Sample], rng: random.Random, anchors: float, repeats: float
) -> list[Item]:
    """Shuffle, put anchors anywhere, put repeats a third of the sheet or more after their first time, and number."""
    rng.shuffle(rows)
    count = max(2, round(anchors * len(rows))) if anchors else 0
    for sample in rng.choices(samples, k=count):
        systems = (maker.base, DEGRADED) if maker.design.pairs else (DEGRADED,)
        extra = maker.item(sample, systems if rng.random() < 0.5 else systems[::-1], "anchor", copy=f"a{rng.random()}")
        rows.insert(rng.randrange(len(rows) + 1), extra)
    numbered = [replace(row, id=f"{at:03d}") for at, row in enumerate(rows, 1)]
    third = max(1, len(numbered) // 3)
    early = [row for row in numbered[: 2 * third] if row.role == "rated"]
    count = min(len(early), max(2, round(repeats * len(numbered)))) if repeats else 0
    by_id = {sample.id: sample for sample in samples}
    places: list[tuple[int, Item]] = []
    for row in rng.sample(early, count):
        again = maker.item(by_id[row.sample], row.systems[::-1], "repeat", copy=f"r{rng.random()}", repeats=row.id)
        places.append((rng.randint(min(len(numbered), numbered.index(row) + third), len(numbered)), again))
    for number, (place, again) in enumerate(sorted(places, key=lambda each: -each[0]), 1):
        numbered.insert(place, replace(again, id=f"{len(rows) + number:03d}"))
    fresh = {row.id: f"{at:03d}" for at, row in enumerate(numbered, 1)}  # ids follow the order, so they tell nothing
    return [replace(row, id=fresh[row.id], repeats=fresh.get(row.repeats, "")) for row in numbered]


# --- the key ------------------------------------------------------------------------------------------------------


def key(study: Study) -> dict[str, object]:
    """What maps items to systems. Raters must not see it."""
    kept = ("sample", "category", "systems", "role", "repeats")
    rows = {
        rater: {item.id: {name: asdict(item)[name] for name in kept} for item in items}
        for rater, items in study.sheets.items()
    }
    return {"format": 1, "study": study.name, "design": study.design.name, "seed": study.seed, "items": rows}


def load_key(path: Path) -> Mapping[str, object]:
    """The key that `export` wrote. Raises ReportError where it is none."""
    try:
        found = json.loads(path.read_bytes())
        if found["design"] not in DESIGNS or not isinstance(found["items"], dict):
            raise KeyError("design")
        return found
    except FileNotFoundError as fault:
        raise ReportError(f"{path}: no such key file") from fault
    except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError) as fault:
        raise ReportError(f"{path}: not a key written by `ttsbench ratings export`") from fault

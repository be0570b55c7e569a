"""How far the models that judge in protocol `embedded` can be trusted: against published values, on real voices.

    python benchmarks/trust.py ../shared/data --cache trust-features > docs/trust.md

Features are kept in `--cache`, so a run that was stopped goes on. Prints Markdown.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import pearsonr, spearmanr

from ttsbench import metrics
from ttsbench.metrics.sim import cosine
from ttsbench.metrics.text import rules
from ttsbench.metrics.wer import Counts, compare
from ttsbench.records import Feature, Request
from ttsbench.store import FeatureStore, feature_key, file_digest

Row = dict[str, str]
SYSTEMS = {"reference_raw": "recordings", "valle": "VALL-E", "yourtts": "YourTTS"}
WHISPER, GE2E, DISTILL, DNSMOS = "recognisers.faster_whisper", "speakers.ge2e", "quality.distillmos", "quality.dnsmos"
DRAWS = 4000
SIZES = (24, 72, 300, 1000)
WORST = 40  # per cent: clips listed


class Judges:
    """Features from the cache, or computed in this process and kept."""

    def __init__(self, cache: Path) -> None:
        self.store = FeatureStore(cache)
        self.loaded: dict[object, metrics.Extract] = {}

    def __call__(self, extractor: str, paths: list[Path], **settings: str) -> list[Feature]:
        """One feature a file; stops at the first that cannot be computed."""
        module = metrics.extractor(extractor)
        named = module.identity(settings)
        keys = [feature_key(named, file_digest(path), 0.0, "", 0.0) for path in paths]
        lost = [at for at, key in enumerate(keys) if self.store.get(extractor, key) is None]
        told = tuple(settings.items())
        if lost and (extractor, told) not in self.loaded:
            self.loaded[extractor, told] = module.load(settings, "cpu")
        for first in range(0, len(lost), module.BATCH):
            some = lost[first : first + module.BATCH]
            found = self.loaded[extractor, told]([Request(extractor, paths[at], settings=told) for at in some])
            for at, feature in zip(some, found, strict=True):
                if feature.error:
                    raise SystemExit(f"{paths[at]}: {feature.error}")
                self.store.put(extractor, keys[at], feature, {"file": paths[at].name, **settings}, named)
        features = [self.store.get(extractor, key) for key in keys]
        return [feature for feature in features if feature is not None]

    def heard(self, paths: list[Path], language: str = "en", size: str = "base") -> list[str]:
        """Transcripts by Whisper, as protocol `embedded` asks for them."""
        found = self(WHISPER, paths, model=f"faster-whisper-{size}", language=language)
        return [str(feature.value["text"]) for feature in found]

    def value(self, extractor: str, key: str, paths: list[Path], **settings: str) -> np.ndarray:
        """(files,) of one number."""
        return np.array([feature.value[key] for feature in self(extractor, paths, **settings)])


def read(path: Path, rows: int = 0) -> list[Row]:
    """The first `rows` rows (0: all) of a tab-separated table."""
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))[: rows or None]


def corpus(counts: list[Counts]) -> float:
    """Corpus rate in per cent."""
    return 100 * sum(each.errors for each in counts) / sum(each.length for each in counts)


def equal_error_rate(same: np.ndarray, different: np.ndarray) -> tuple[float, float]:
    """(rate, threshold) at which as many same pairs fall below as different pairs lie above."""
    best = min(
        (abs((same < at).mean() - (different >= at).mean()), float(at)) for at in np.concatenate([same, different])
    )
    return float(((same < best[1]).mean() + (different >= best[1]).mean()) / 2), best[1]


def agreement(ours: np.ndarray, theirs: np.ndarray) -> str:
    return f"{pearsonr(ours, theirs)[0]:.2f} | {spearmanr(ours, theirs)[0]:.2f}"


def order(means: dict[str, float], better: str) -> list[str]:
    """Names, best first."""
    return sorted(means, key=means.__getitem__, reverse=better == "higher")


def averages(found: dict[str, dict[str, np.ndarray]]) -> dict[str, dict[str, float]]:
    """By judge, by name: the mean."""
    return {key: {name: float(each[key].mean()) for name, each in found.items()} for key in next(iter(found.values()))}


def orders(what: str, means: dict[str, dict[str, float]], judges: tuple[tuple[str, str, str], ...]) -> None:
    """A table of orders: judge, better direction, the published judge whose order is the right one ("" for none)."""
    ordered = {key: order(means[key], better) for key, better, _ in judges}
    print(f"\n| judge | order of the {what}, best first | right or wrong |\n| --- | --- | --- |")
    for key, _, model in judges:
        told = ""
        if model:
            pairs = list(itertools.combinations(ordered[model], 2))
            swapped = [f"{a} before {b}" for a, b in pairs if ordered[key].index(a) > ordered[key].index(b)]
            told = f"wrong: {model} has {', '.join(swapped)}" if swapped else f"right, as {model}"
        print(f"| {key} | {' > '.join(ordered[key])} | {told} |")


def detectable(differences: np.ndarray, rows: int) -> float:
    """The smallest true difference of two systems that `rows` paired rows show at 95 %, four times in five.

    Means of `rows` differences drawn with replacement, their own mean taken off: how far chance goes (97.5 % of the
    absolute values), and how far above that the true difference must lie for 80 % of the draws to pass.
    """
    rng = np.random.default_rng(0)
    centred = differences - differences.mean()
    means = np.array([rng.choice(centred, rows).mean() for _ in range(DRAWS)])
    return float(np.quantile(np.abs(means), 0.95) - np.quantile(means, 0.2))


def spread(values: np.ndarray, weights: np.ndarray) -> str:
    """Sum of `values` over sum of `weights`, in points, with its 95 % interval by resampling the rows."""
    rows = np.random.default_rng(0).integers(0, len(values), (DRAWS, len(values)))
    low, high = np.quantile(values[rows].sum(1) / weights[rows].sum(1), [0.025, 0.975]) * 100
    return f"{100 * values.sum() / weights.sum():+.1f} ({low:+.1f} to {high:+.1f})"


def libritts(judges: Judges, root: Path, limit: int, quality: int) -> dict[str, dict[str, np.ndarray]]:
    """Per system, per judge, per row: the sentences with their published transcripts and similarities."""
    rows = read(root / "samples.tsv")
    found: dict[str, dict[str, np.ndarray]] = {}
    edits: dict[str, tuple[list[Counts], list[Counts]]] = {}
    print(f"## Whisper base beside Whisper large-v3: {limit or 58} LibriTTS sentences\n")
    print("Word error rates are corpus rates in per cent after rules whisper-en; `rows` are Pearson's and Spearman's")
    print("correlation of the rows' error rates with those of the published transcripts.\n")
    print("| system | WER, Whisper base | WER, large-v3 (published) | rows, Pearson | Spearman | rows heard alike |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, title in SYSTEMS.items():
        some = sorted((row for row in rows if row["system"] == name), key=lambda row: row["utt"])[: limit or None]
        edits[title], same = words(judges, root, some)
        one, other = (np.array([100 * each.rate for each in counts]) for counts in edits[title])
        both = " | ".join(f"{corpus(counts):.1f}" for counts in edits[title])
        print(f"| {title} | {both} | {agreement(one, other)} | {same} of {len(some)} |")
        found[title] = {"Whisper base": one, "Whisper large-v3": other, **similar(judges, root, some)}
        paths = [root / row["path"] for row in some[: quality or None]]
        found[title]["DistillMOS"] = judges.value(DISTILL, "distillmos", paths, resampling="soxr")
        found[title]["DNSMOS OVRL"] = judges.value(DNSMOS, "ovrl", paths, what="p835", resampling="soxr")
    print("\nDifferences of the systems, in points, with 95 % intervals over the rows:\n")
    print("| difference | Whisper base | Whisper large-v3 |\n| --- | --- | --- |")
    for a, b in itertools.combinations(SYSTEMS.values(), 2):
        cells = []
        for x, y in zip(edits[b], edits[a], strict=True):  # both of one recogniser, over the same sentences
            more = np.array([p.errors - q.errors for p, q in zip(x, y, strict=True)], dtype=float)
            cells.append(spread(more, np.array([each.length for each in y], dtype=float)))
        print(f"| {b} - {a} | {' | '.join(cells)} |")
    models = ("Whisper base", "Whisper large-v3")
    rates = {key: {title: corpus(counts[at]) for title, counts in edits.items()} for at, key in enumerate(models)}
    print("\nAn order of two systems whose difference has an interval around zero is chance, by either model.")
    orders("systems", rates, (("Whisper large-v3", "lower", ""), ("Whisper base", "lower", "Whisper large-v3")))
    closeness(found)
    return found


def words(judges: Judges, root: Path, rows: list[Row]) -> tuple[tuple[list[Counts], list[Counts]], int]:
    """Counts of Whisper base and of the published transcripts, and how many rows are the same after the rules."""
    how = rules("whisper-en")
    heard = judges.heard([root / row["path"] for row in rows])
    theirs = [row["whisper_large_v3_hyp"] for row in rows]
    counts = tuple(
        [compare(row["wer_ref"], text, how)[2] for row, text in zip(rows, texts, strict=True)]
        for texts in (heard, theirs)
    )
    return (counts[0], counts[1]), sum(how(a) == how(b) for a, b in zip(heard, theirs, strict=True))


def similar(judges: Judges, root: Path, rows: list[Row]) -> dict[str, np.ndarray]:
    """Cosines of output and enrolment by GE2E, and the published ones by ECAPA, of the rows that have an enrolment."""
    told = [row for row in rows if row["enroll"]]
    prompts = judges(GE2E, [root / row["enroll"] for row in told])
    pairs = zip(judges(GE2E, [root / row["path"] for row in told]), prompts, strict=True)
    return {
        "GE2E": np.array([cosine(a, b) for a, b in pairs]),
        "ECAPA": np.array([float(row["ecapa_sim"]) for row in told]),
    }


def closeness(found: dict[str, dict[str, np.ndarray]]) -> None:
    """SIM-o by both models, and the quality of the same outputs, which nobody has published."""
    title = next(iter(found))
    print(f"\n## GE2E beside ECAPA: {len(found[title]['GE2E'])} of the sentences have an enrolment\n")
    print("| system | SIM-o, GE2E | ECAPA (published) | rows, Pearson | Spearman |\n| --- | --- | --- | --- | --- |")
    for title, values in found.items():
        ours, ecapa = values["GE2E"], values["ECAPA"]
        print(f"| {title} | {ours.mean():.3f} | {ecapa.mean():.3f} | {agreement(ours, ecapa)} |")
    orders("systems", averages(found), (("ECAPA", "higher", ""), ("GE2E", "higher", "ECAPA")))
    print(f"\n## Quality of the systems: {len(found[title]['DistillMOS'])} sentences\n")
    print("| system | DistillMOS | DNSMOS OVRL |\n| --- | --- | --- |")
    for title, values in found.items():
        print(f"| {title} | {values['DistillMOS'].mean():.2f} | {values['DNSMOS OVRL'].mean():.2f} |")
    print("\nNo UTMOS is published for these outputs, so no order is called right:")
    orders("systems", averages(found), (("DistillMOS", "higher", ""), ("DNSMOS OVRL", "higher", "")))


def codecs(judges: Judges, root: Path, limit: int) -> None:
    """Correlation with the published UTMOS on codec round trips."""
    rows = read(root / "samples.tsv", limit)
    paths = [root / row["path"] for row in rows]
    originals = judges(GE2E, [root / row["original_path"] for row in rows])
    values = {
        "UTMOS22": np.array([float(row["utmos22_strong"]) for row in rows]),
        "ECAPA": np.array([float(row["ecapa_sim"]) for row in rows]),
        "DistillMOS": judges.value(DISTILL, "distillmos", paths, resampling="soxr"),
        "DNSMOS OVRL": judges.value(DNSMOS, "ovrl", paths, what="p835", resampling="soxr"),
        "GE2E": np.array([cosine(a, b) for a, b in zip(judges(GE2E, paths), originals, strict=True)]),
    }
    beside = (("DistillMOS", "UTMOS22"), ("DNSMOS OVRL", "UTMOS22"), ("GE2E", "ECAPA"))
    print(f"\n## Quality beside the published UTMOS22: {len(rows)} codec round trips\n")
    low, high = values["UTMOS22"].min(), values["UTMOS22"].max()
    print(f"The published UTMOS22 lies between {low:.2f} and {high:.2f}, ECAPA is the similarity of original and round")
    print("trip, and so is GE2E. Few rows of nearly one quality: a low correlation says that the judges cannot order")
    print("such outputs alike, not how they order good and bad ones.\n")
    print("| judge | published value | rows, Pearson | Spearman |\n| --- | --- | --- | --- |")
    for ours, theirs in beside:
        print(f"| {ours} | {theirs} | {agreement(values[ours], values[theirs])} |")
    labels = [f"{row['codec']} {row['rate']}" for row in rows]
    each = {
        label: {key: value[[one == label for one in labels]] for key, value in values.items()}
        for label in dict.fromkeys(labels)
    }
    published = (("UTMOS22", "higher", ""), ("ECAPA", "higher", ""))
    orders("codecs", averages(each), (*published, *((ours, "higher", theirs) for ours, theirs in beside)))


def voices(judges: Judges, root: Path, limit: int) -> None:
    """Character error rate of real Chinese recordings; equal error rate of the speaker model."""
    rows = read(root / "aishell3-zh/transcripts.tsv", limit)
    heard = judges.heard([root / "aishell3-zh" / row["file"] for row in rows], "zh")
    how = rules("plain-zh")
    found = [compare(row["text"], text, how, "character") for row, text in zip(rows, heard, strict=True)]
    rates = 100 * np.array([counts.rate for _, _, counts in found])
    print(f"\n## Mandarin: Whisper base on {len(rows)} real recordings (aishell3-zh)\n")
    print(f"CER after rules plain-zh, corpus rate {corpus([counts for _, _, counts in found]):.1f} %, mean of clips")
    print(f"{rates.mean():.1f} %, median {np.median(rates):.1f} %; {(rates == 0).sum()} clips without an error.")
    print(f"The clips above {WORST} %, after the rules:\n")
    print("| clip | CER, % | text | heard |\n| --- | --- | --- | --- |")
    for rate, row, (text, other, _) in sorted(zip(rates, rows, found, strict=True), key=lambda each: -each[0]):
        if rate > WORST:
            print(f"| {row['file']} | {rate:.0f} | {text} | {other} |")
    print("\n## Real voices: equal error rate of SIM\n")
    print("Every pair of recordings of one corpus, those of one speaker against those of two.")
    print("\n| recordings | speakers | pairs alike | pairs apart | equal error rate of GE2E, % | at cosine |")
    print("| --- | --- | --- | --- | --- | --- |")
    for folder in ("librispeech-test-clean", "librispeech-dev-clean", "aishell3-zh"):
        rows = read(root / folder / "transcripts.tsv")
        vectors = judges(GE2E, [root / folder / row["file"] for row in rows])
        pairs = list(itertools.combinations(range(len(rows)), 2))
        values = np.array([cosine(vectors[a], vectors[b]) for a, b in pairs])
        alike = np.array([rows[a]["speaker"] == rows[b]["speaker"] for a, b in pairs])
        if alike.sum() < 5:
            continue
        rate, at = equal_error_rate(values[alike], values[~alike])
        people = len({row["speaker"] for row in rows})
        print(f"| {folder} | {people} | {alike.sum()} | {(~alike).sum()} | {100 * rate:.1f} | {at:.3f} |")


def power(found: dict[str, dict[str, np.ndarray]]) -> None:
    """The smallest difference that n rows can show."""
    print("\n## What n rows can show\n")
    print("The smallest true difference of two systems that n rows of the same sentences show at 95 %, in four runs")
    print(f"of five; by {DRAWS} resamplings of the row differences between VALL-E and YourTTS above.\n")
    print("| judge | rows drawn from | " + " | ".join(f"n = {n:,}" for n in SIZES) + " |")
    print("| --- | --- |" + " --- |" * len(SIZES))
    units: dict[str, Callable[[float], str]] = {
        "Whisper base": lambda value: f"{value:.1f} points",
        "GE2E": lambda value: f"{value:.3f}",
        "DistillMOS": lambda value: f"{value:.2f}",
        "DNSMOS OVRL": lambda value: f"{value:.2f}",
    }
    for key, say in units.items():
        differences = found["VALL-E"][key] - found["YourTTS"][key]
        shown = " | ".join(say(detectable(differences, n)) for n in SIZES)
        print(f"| {key} | {len(differences)} | {shown} |")


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("trust-features"))
    parser.add_argument("--rows", type=int, default=0, metavar="N", help="no more than N rows of a table (0: all)")
    parser.add_argument("--quality", type=int, default=0, metavar="N", help="quality of N sentences a system (0: all)")
    options = parser.parse_args()
    judges = Judges(options.cache)
    version = json.dumps(metrics.extractor(WHISPER).identity({"model": "faster-whisper-base"}))
    some = "".join(f" --{name} {n}" for name, n in (("rows", options.rows), ("quality", options.quality)) if n)
    print("# How far can the judges be trusted?\n")
    print(f"Made by `python benchmarks/trust.py ../shared/data{some} > docs/trust.md` on {datetime.date.today()}.")
    print(f"Recogniser: `{version}`.\n")
    root = options.data / "published-values"
    found = libritts(judges, root / "libritts-systems", options.rows, options.quality)
    codecs(judges, root / "codec-comparison", options.rows)
    voices(judges, options.data / "real-voices", options.rows)
    power(found)


if __name__ == "__main__":
    main()

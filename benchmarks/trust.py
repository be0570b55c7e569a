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


def order(means: dict[str, float], better: str) -> str:
    return " > ".join(sorted(means, key=means.__getitem__, reverse=better == "higher"))


def detectable(differences: np.ndarray, rows: int) -> float:
    """The smallest true difference of two systems that `rows` paired rows show at 95 %, four times in five.

    Means of `rows` differences drawn with replacement, their own mean taken off: how far chance goes (97.5 % of the
    absolute values), and how far above that the true difference must lie for 80 % of the draws to pass.
    """
    rng = np.random.default_rng(0)
    centred = differences - differences.mean()
    means = np.array([rng.choice(centred, rows).mean() for _ in range(DRAWS)])
    return float(np.quantile(np.abs(means), 0.95) - np.quantile(means, 0.2))


def libritts(judges: Judges, root: Path, limit: int) -> dict[str, dict[str, np.ndarray]]:
    """Per system, per judge, per row: the sentences with their published transcripts and similarities."""
    rows = read(root / "samples.tsv")
    how = rules("whisper-en")
    found: dict[str, dict[str, np.ndarray]] = {}
    print(f"## Whisper base and GE2E beside Whisper large-v3 and ECAPA: {limit or 58} LibriTTS sentences\n")
    print("Word error rates are corpus rates in per cent after rules whisper-en; `rows` are Pearson's and Spearman's")
    print("correlation of the rows' error rates with those of the published transcripts.\n")
    print("| system | WER, Whisper base | WER, large-v3 (published) | rows, Pearson | Spearman | rows heard alike |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, title in SYSTEMS.items():
        some = sorted((row for row in rows if row["system"] == name), key=lambda row: row["utt"])[: limit or None]
        paths = [root / row["path"] for row in some]
        heard = judges.heard(paths)
        ours = [compare(row["wer_ref"], text, how)[2] for row, text in zip(some, heard, strict=True)]
        theirs = [compare(row["wer_ref"], row["whisper_large_v3_hyp"], how)[2] for row in some]
        one, other = np.array([each.rate for each in ours]), np.array([each.rate for each in theirs])
        same = sum(how(a) == how(row["whisper_large_v3_hyp"]) for a, row in zip(heard, some, strict=True))
        print(
            f"| {title} | {corpus(ours):.1f} | {corpus(theirs):.1f} | {agreement(one, other)} | {same} of {len(some)} |"
        )
        told = [row for row in some if row["enroll"]]  # not every sentence has its enrolment here
        prompts = judges(GE2E, [root / row["enroll"] for row in told])
        pairs = zip(judges(GE2E, [root / row["path"] for row in told]), prompts, strict=True)
        found[title] = {
            "WER": 100 * one,
            "WER large-v3": 100 * other,
            "SIM-o (GE2E)": np.array([cosine(a, b) for a, b in pairs]),
            "ECAPA": np.array([float(row["ecapa_sim"]) for row in told]),
            "DistillMOS": judges.value(DISTILL, "distillmos", paths, resampling="soxr"),
            "DNSMOS OVRL": judges.value(DNSMOS, "ovrl", paths, what="p835", resampling="soxr"),
        }
    print("\n| system | SIM-o, GE2E | ECAPA (published) | rows, Pearson | Spearman | DistillMOS | DNSMOS OVRL |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for title, values in found.items():
        similar, ecapa = values["SIM-o (GE2E)"], values["ECAPA"]
        quality = " | ".join(f"{values[key].mean():.2f}" for key in ("DistillMOS", "DNSMOS OVRL"))
        print(f"| {title} | {similar.mean():.3f} | {ecapa.mean():.3f} | {agreement(similar, ecapa)} | {quality} |")
    print("\n| judge | order of the three systems, best first |\n| --- | --- |")
    for key, better in {
        "WER large-v3": "lower",
        "WER": "lower",
        "ECAPA": "higher",
        "SIM-o (GE2E)": "higher",
        "DistillMOS": "higher",
        "DNSMOS OVRL": "higher",
    }.items():
        print(f"| {key} | {order({title: float(each[key].mean()) for title, each in found.items()}, better)} |")
    return found


def codecs(judges: Judges, root: Path, limit: int) -> None:
    """Correlation with the published UTMOS on codec round trips."""
    rows = read(root / "samples.tsv", limit)
    paths = [root / row["path"] for row in rows]
    utmos = np.array([float(row["utmos22_strong"]) for row in rows])
    ecapa = np.array([float(row["ecapa_sim"]) for row in rows])
    originals = judges(GE2E, [root / row["original_path"] for row in rows])
    similar = np.array([cosine(a, b) for a, b in zip(judges(GE2E, paths), originals, strict=True)])
    print(f"\n## Quality beside the published UTMOS22: {len(rows)} codec round trips\n")
    print("| judge | published value | rows, Pearson | Spearman |\n| --- | --- | --- | --- |")
    distilled, overall = (
        judges.value(DISTILL, "distillmos", paths, resampling="soxr"),
        judges.value(DNSMOS, "ovrl", paths, what="p835", resampling="soxr"),
    )
    print(f"| DistillMOS | UTMOS22 | {agreement(distilled, utmos)} |")
    print(f"| DNSMOS OVRL | UTMOS22 | {agreement(overall, utmos)} |")
    print(f"| SIM by GE2E, original and round trip | ECAPA | {agreement(similar, ecapa)} |")
    labels = [f"{row['codec']} {row['rate']}" for row in rows]
    print("\n| judge | order of the codecs, best first |\n| --- | --- |")
    for title, values in (("UTMOS22", utmos), ("DistillMOS", distilled), ("DNSMOS OVRL", overall)):
        means = {label: float(values[[each == label for each in labels]].mean()) for label in dict.fromkeys(labels)}
        print(f"| {title} | {order(means, 'higher')} |")


def voices(judges: Judges, root: Path, limit: int) -> None:
    """Character error rate of real Chinese recordings; equal error rate of the speaker model."""
    print("\n## Real recordings\n")
    print("| recordings | clips | rate | corpus rate, % | mean of clips, % |\n| --- | --- | --- | --- | --- |")
    rows = read(root / "aishell3-zh/transcripts.tsv", limit)
    heard = judges.heard([root / "aishell3-zh" / row["file"] for row in rows], "zh")
    how = rules("plain-zh")
    counts = [compare(row["text"], text, how, "character")[2] for row, text in zip(rows, heard, strict=True)]
    mean = 100 * float(np.mean([each.rate for each in counts]))
    print(f"| aishell3-zh | {len(rows)} | CER | {corpus(counts):.1f} | {mean:.1f} |")
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
    print("| metric | " + " | ".join(f"n = {n:,}" for n in SIZES) + " |\n| --- |" + " --- |" * len(SIZES))
    units: dict[str, Callable[[float], str]] = {
        "WER": lambda value: f"{value:.1f} points",
        "SIM-o (GE2E)": lambda value: f"{value:.3f}",
        "DistillMOS": lambda value: f"{value:.2f}",
        "DNSMOS OVRL": lambda value: f"{value:.2f}",
    }
    for key, say in units.items():
        differences = found["VALL-E"][key] - found["YourTTS"][key]
        print(f"| {key} | " + " | ".join(say(detectable(differences, n)) for n in SIZES) + " |")


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("trust-features"))
    parser.add_argument("--rows", type=int, default=0, metavar="N", help="no more than N rows of a table (0: all)")
    options = parser.parse_args()
    judges = Judges(options.cache)
    version = json.dumps(metrics.extractor(WHISPER).identity({"model": "faster-whisper-base"}))
    print("# How far can the judges be trusted?\n")
    command = f"python benchmarks/trust.py ../shared/data --rows {options.rows} > docs/trust.md"
    print(f"Made by `{command}` on {datetime.date.today()}.")
    print(f"Recogniser: `{version}`.\n")
    found = libritts(judges, options.data / "published-values/libritts-systems", options.rows)
    codecs(judges, options.data / "published-values/codec-comparison", options.rows)
    voices(judges, options.data / "real-voices", options.rows)
    power(found)


if __name__ == "__main__":
    main()

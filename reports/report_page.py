"""report.html: the table, what failed, charts, breakdowns, the worst utterances, and a list of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttsbench.records import Score
from ttsbench.reports import beside, breakdown, charts, ranking, reasons, values, words
from ttsbench.reports.clips import CAP_MB, Clips, Note, link
from ttsbench.reports.render import render
from ttsbench.reports.shown import shown
from ttsbench.reports.tables import Entry, Table

LISTED_FAILURES = 200
UNSURE = "recogniser unsure"  # how the explorer calls rows on which two recognisers lie far apart
FLAGS = 7  # the place of a row's flags, as in rows.js


def write_page(
    tables: Sequence[Table], out: Path, cap_mb: float = CAP_MB, note: Note | None = None, title: str = ""
) -> Path:
    """Write report.html of `tables` into folder `out`; embeds up to `cap_mb` of audio and links the rest."""
    clips = Clips(out, cap_mb, note)
    sections: list[dict[str, Any]] = []
    blocks: dict[str, Any] = {}
    for index, table in enumerate(tables):
        blocks[f"rows-{index}"] = utterances(table, clips)
        sections.append(_section(table, index, clips, flags(blocks[f"rows-{index}"]["rows"])))
    blocks["audio"] = clips.urls()
    systems = list(dict.fromkeys(entry.name for table in tables for entry in table.systems))
    scripts = ("player.js", "diff.js", "rows.js", "sort.js", "page.js")
    text = render(
        "report.html",
        scripts,
        blocks,
        title=title or _title(systems),
        heading_given=title,
        sections=sections,
        systems=systems,
    )
    beside.write(out / "report.html", text)
    return out / "report.html"


def _title(systems: list[str]) -> str:
    return " against ".join(systems) if 0 < len(systems) < 4 else f"{len(systems)} systems"


def _section(table: Table, index: int, clips: Clips, flags: Sequence[tuple[str, int]]) -> dict[str, Any]:
    measured = {metric.name for metric in table.measured}
    headlines = breakdown.headline_metrics(table)
    groups = breakdown.groupings(table.samples)
    failed = [(entry, rows) for entry in table.entries if (rows := reasons.listed(table, entry))]
    misheard = [(entry, edits) for entry in table.entries if (edits := _word_errors(table, entry))]
    return {
        **shown(table, next(iter(ranking.ranked(table)), None) if len(table.systems) > 1 else None),
        "index": index,
        "view": ranking.whole(table),
        "families": [
            (name, drawn)
            for name, group in table.families()
            if (drawn := [charts.of_metric(m, table.entries) for m in group if m.name in measured])
        ],
        "breakdowns": [breakdown.breakdown(table, m, title, of) for title, of in groups for m in headlines],
        "errors": misheard,
        "worst": _worst(table, clips),
        "failures": [(entry, rows, rows[:LISTED_FAILURES]) for entry, rows in failed],
        "unsure": [(entry, rows) for entry in table.entries if (rows := _unsure(table, entry))],
        "checks": [(entry, found) for entry in table.entries if (found := _checks(table, entry))],
        "runs": [(entry, entry.run.info, _files(entry, clips.out)) for entry in table.entries],
        "flags": flags,
        "filters": {key: _options(table, key) for key in ("category", "language")},
    }


def _files(entry: Entry, out: Path) -> list[tuple[str, str]]:
    """(name, address) of the files that a row's numbers lie in."""
    parts = ("run.json", "samples.jsonl", "synth.jsonl", "scores")
    return [(name, link(entry.run.path / name, out.resolve())) for name in parts if (entry.run.path / name).exists()]


def _unsure(table: Table, entry: Entry) -> list[tuple[str, str, str]]:
    """Rows on which two recognisers lie far apart: utterance, how far, what the second one heard."""
    scores = [score for metric in table.metrics for score in entry.scores[metric.name] if score.detail.get("unsure")]
    told = [str(score.detail["unsure"]).removeprefix(f"{UNSURE}: ") for score in scores]
    return [(s.sample, apart, str(s.detail.get("second", ""))) for s, apart in zip(scores, told, strict=True)]


def _checks(table: Table, entry: Entry) -> list[tuple[str, list[str]]]:
    """The rules that point at rows of a system, the commonest first, each with the rows' ids."""
    found: dict[str, list[str]] = {}
    for metric in table.metrics:
        for score in entry.scores[metric.name]:
            for rule in score.detail.get("checks", ()):
                found.setdefault(str(rule), []).append(score.sample)
    return sorted(found.items(), key=lambda each: -len(each[1]))


def _options(table: Table, key: str) -> list[str]:
    found = sorted({getattr(sample, key) for sample in table.samples} - {""})
    return found if len(found) > 1 else []


def _word_errors(table: Table, entry: Entry) -> words.Errors | None:
    metric = _transcribed(table)
    return words.errors(entry.scores[metric]) if metric else None


def _transcribed(table: Table) -> str | None:
    """The first metric whose scores keep a reference and a hypothesis."""
    for metric in table.metrics:
        for entry in table.entries:
            if any(words.pair(score) for score in entry.scores[metric.name][:50]):
                return metric.name
    return None


def _worst(table: Table, clips: Clips) -> list[dict[str, Any]]:
    """Ten worst of each system (three where there are more than four systems), with spectrogram and clip numbers."""
    found = []
    for entry in table.systems:
        syntheses = entry.syntheses
        rows: list[dict[str, Any]] = []
        for sample, score, metric in breakdown.worst(table, entry, 10 if len(table.systems) <= 4 else 3):
            path = entry.run.audio(syntheses[sample.id]) if sample.id in syntheses else None
            rows.append({
                "sample": sample, "score": score, "metric": metric, "pair": words.pair(score),
                "path": path,
                "clips": [("output", clips.number(path, first=True)), ("truth", clips.number(sample.truth, first=True)),
                          ("prompt", clips.number(sample.prompt, first=True))],
            })  # fmt: skip
        for row, picture in zip(rows, clips.pictures(row["path"] for row in rows), strict=True):
            row["picture"] = picture
        found.append({"entry": entry, "rows": rows})
    return found


def utterances(table: Table, clips: Clips) -> dict[str, Any]:
    """Everything the row list of the page needs, as compact arrays; texts are kept once."""
    transcribed = _transcribed(table)
    asked = {m.name for m in table.metrics if any(entry.cells[m.name].asked for entry in table.entries)}
    first = [metric.name for metric in table.essential]  # as in the page's first table; the others follow
    order = sorted(table.metrics, key=lambda m: first.index(m.name) if m.name in first else len(first))
    keep = [metric for metric in order if metric.name in asked]
    cards = [
        {"name": m.name, "title": values.heading(m), "scale": values.scale(m), "digits": values.DIGITS.get(m.unit, 3),
         "better": m.better, "timed": m.family == "speed" and m.better != "neither"} for m in keep
    ]  # fmt: skip
    by_sample = [{m.name: {s.sample: s for s in e.scores[m.name]} for m in table.metrics} for e in table.entries]
    syntheses = [entry.syntheses for entry in table.entries]
    messages: dict[str, int] = {}
    samples, rows = [], []
    for at, sample in enumerate(table.samples):
        truth, prompt = clips.number(sample.truth), clips.number(sample.prompt)
        kept = [found[transcribed].get(sample.id) if transcribed else None for found in by_sample]
        pairs = [words.pair(score) if score else None for score in kept]
        reference = next((each[0] for each in pairs if each), None)
        samples.append([sample.id, sample.text, sample.speaker, sample.category, sample.language, prompt, truth,
                        sample.prompt_text, reference])  # fmt: skip
        for number, entry in enumerate(table.entries):
            spoken = syntheses[number].get(sample.id)
            path = entry.run.audio(spoken) if spoken else None
            scores = [by_sample[number][m.name].get(sample.id) for m in keep]
            clip = truth if entry.truth else clips.number(path)
            error = messages.setdefault(spoken.error, len(messages)) if spoken and spoken.error else -1
            heard = pairs[number]
            rows.append([at, number, clip, error, heard[1] if heard else None,
                         [_rounded(s) for s in scores], _trouble(scores, messages), _flags(scores),
                         round(spoken.others or 0.0, 2) if spoken and _busy(scores) else 0])  # fmt: skip
    return {"metrics": cards, "systems": [entry.name for entry in table.entries], "samples": samples, "rows": rows,
            "messages": list(messages)}  # fmt: skip


def _busy(scores: Sequence[Score | None]) -> bool:
    return any(score is not None and score.busy for score in scores)


def _flags(scores: Sequence[Score | None]) -> list[str] | int:
    """The clip checks that point at a row, and whether the recogniser is unsure of it; 0 where nothing does."""
    found = [str(rule) for score in scores if score for rule in score.detail.get("checks", ())]
    unsure = any(score.detail.get("unsure") for score in scores if score)
    return [*found, *([UNSURE] if unsure else [])] or 0


def flags(rows: Sequence[list[Any]]) -> list[tuple[str, int]]:
    """The flags of the rows of `utterances`, the commonest first, each with the number of its rows."""
    return Counter(rule for row in rows for rule in dict.fromkeys(row[FLAGS] or ())).most_common()


def _rounded(score: Score | None) -> float | None:
    return None if score is None or score.value is None else float(f"{score.value:.6g}")


def _trouble(scores: Sequence[Score | None], messages: dict[str, int]) -> dict[str, int] | int:
    """Metric number to message number of the scores that failed; 0 where none did."""
    errors = {str(i): score.error for i, score in enumerate(scores) if score and score.error}
    return {i: messages.setdefault(error, len(messages)) for i, error in errors.items()} or 0

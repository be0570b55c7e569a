"""How numbers and texts are written: one place for units, digits, and text that a spreadsheet must not run."""

from __future__ import annotations

from typing import Any

from ttsbench.records import Cell, Metric

DIGITS = {"%": 2, "cosine": 3, "MOS": 2, "points": 2, "s": 3, "ms": 0, "GFLOP": 1}


def scale(metric: Metric) -> float:
    """What a value is multiplied by to be printed: rates are kept as fractions and printed in per cent."""
    return 100.0 if metric.unit == "%" else 1.0


def number(metric: Metric, value: float | None, sign: bool = False) -> str:
    """A value in the metric's printed unit, without the unit; an en dash where there is none."""
    if value is None:
        return "–"
    value *= scale(metric)
    digits = DIGITS.get(metric.unit, 3)
    if digits == 3 and abs(value) >= 100:
        digits = 1
    text = f"{value:{'+' if sign else ''}.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-+") if not sign else "±0"


def amount(metric: Metric, value: float) -> str:
    """A size with its unit, such as '0.50 points' of an error rate, '0.020', '0.05 MOS'."""
    unit = "points" if metric.unit == "%" else "" if metric.unit == "cosine" else metric.unit
    return f"{number(metric, value)} {unit}".strip()


def interval(metric: Metric, low: float | None, high: float | None) -> str:
    """'low to high', or nothing where there is no interval."""
    return "" if low is None or high is None else f"{number(metric, low)} to {number(metric, high)}"


def value_text(metric: Metric, cell: Cell) -> str:
    """The headline value; "failed 5 of 5" where no row could be measured, "n/a" where the metric does not apply."""
    if cell.value is not None:
        return number(metric, cell.value)
    if cell.busy_value is not None:
        return f"({number(metric, cell.busy_value)})"
    return failed_text(cell) if cell.failed else "n/a" if cell.na else "–"


def busy_text(cell: Cell) -> str:
    """'busy 3 of 30': rows that were timed while other programs used the machine."""
    return f"busy {cell.busy} of {cell.asked}" if cell.busy else ""


def seeds_text(metric: Metric, cell: Cell) -> str:
    """'3 seeds: 7.12 to 7.93', the lowest and the highest headline of a seed; "" where there is one seed."""
    known = [value for value in cell.by_seed if value is not None]
    return f"{len(known)} seeds: {interval(metric, min(known), max(known))}" if len(known) > 1 else ""


def failed_text(cell: Cell) -> str:
    """'failed 2 of 30'."""
    return f"failed {cell.failed} of {cell.asked}"


def other(metric: Metric, cell: Cell) -> str:
    """The average that is not the headline, where the two differ: 'corpus 9.61' or 'mean 11.25'."""
    name, value = ("mean", cell.mean) if metric.shown == "corpus" else ("corpus", cell.corpus)
    if value is None or cell.value is None or abs(value - cell.value) < 1e-12:
        return ""
    return f"{name} {number(metric, value)}"


def p_value(p: float) -> str:
    """A p-value to four places; what is smaller says so."""
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def codec_facts(card: dict[str, Any]) -> list[tuple[str, float | None]]:
    """Title and value of what a codec's card says of its shape; [] for other systems."""
    facts = card.get("codec")
    if not facts:
        return []
    size = facts["codebook_size"]
    return [
        ("tokens/s", facts["frame_rate"] * facts["codebooks"] if size else None),
        ("codebook size", size or None),
        ("layers", facts["codebooks"]),
        ("frames/s", facts["frame_rate"]),
        ("kbit/s", facts["bits_per_second"] / 1000 if facts.get("bits_per_second") else None),
    ]


CODEC_TITLES = ("tokens/s", "codebook size", "layers", "frames/s", "kbit/s")


def codec_cells(card: dict[str, Any]) -> list[str]:
    """The five of `CODEC_TITLES` as text; a dash where a system is no codec, or the codec has no tokens."""
    found = dict(codec_facts(card))
    return ["–" if found.get(title) is None else f"{found[title]:g}" for title in CODEC_TITLES]


def covered(cell: Cell) -> str:
    """'n of n': scored of asked."""
    return f"{cell.scored} of {cell.asked}"


def arrow(metric: Metric) -> str:
    return {"lower": "↓", "higher": "↑", "neither": ""}[metric.better]


def heading(metric: Metric) -> str:
    """Title, unit and better direction, on one line."""
    told = metric.unit == "" or (metric.unit != "s" and metric.unit.lower() in metric.title.lower())  # 'DistillMOS'
    unit = "" if told else f" {metric.unit}"
    return f"{metric.title}{unit} {arrow(metric)}".strip()


def rank_text(place: tuple[int, int] | None) -> str:
    """'2', '1 to 3', or a dash."""
    if place is None:
        return "–"
    return str(place[0]) if place[0] == place[1] else f"{place[0]} to {place[1]}"


def inert(text: object) -> object:
    """Text that a spreadsheet shows and does not run: a formula's first sign gets an apostrophe before it.

    Source: OWASP, "CSV Injection". Numbers pass as they are.
    """
    if not isinstance(text, str):
        return text
    stripped = text.lstrip(" \t\r\n\u00a0\ufeff\u200b")
    return "'" + text if text[:1] in ("\t", "\r", "\n") or stripped[:1] in tuple("=+-@＝＋－＠|") else text

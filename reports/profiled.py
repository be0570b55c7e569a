"""What a latency profile near a page says of the systems that the page shows: a sentence each, from profile.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def sentences(profile: Path) -> list[tuple[str, str]]:
    """(system, sentence) for each system of a profile.json; one sentence without a system where it cannot be read."""
    try:
        data = json.loads(profile.read_bytes())
        found = [(str(system["name"]), sentence(system, data["base"])) for system in data["systems"]]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as fault:
        return [("", f"{profile.name} does not hold a profile ({type(fault).__name__}: {fault}): profile again.")]
    return [(name, said) for name, said in found if said]


def sentence(system: dict[str, Any], base: dict[str, Any]) -> str:
    """Shares of requests heard in time, gaps between chunks and stalls, alone and with several at once; "" of none."""
    fixed = [key for key in base if key != "concurrency"]
    rows = sorted((row for row in system["rows"] if all(row[key] == base[key] for key in fixed)), key=_concurrency)
    if not rows:
        return ""
    shares = [f"{_shares(row['audible_under'])} % {_who(row)}" for row in rows]
    parts = [f"share of requests heard within {' / '.join(rows[0]['audible_under'])} ms: {', '.join(shares)}"]
    if gaps := [f"{1000 * row['gap']['p95'][0]:.0f} ms {_who(row)}" for row in rows if row["gap"]]:
        parts.append(f"gap between chunks, p95: {', '.join(gaps)}")
    if not any(row["streams"] for row in rows):
        parts.append("no stream")
    if stalls := [f"{row['stalls']} of {row['n']} {_who(row)}" for row in rows if row["stalls"]]:
        parts.append(f"playback stalls: {', '.join(stalls)}")
    if failed := len(system["errors"]):
        parts.append(f"{failed} repetition{'s' if failed > 1 else ''} failed")
    if busy := sum(row["busy"] for row in rows):
        parts.append(f"{busy} of {sum(row['n'] for row in rows)} timed on a busy machine")
    return "; ".join(parts) + "."


def _concurrency(row: dict[str, Any]) -> int:
    return int(row["concurrency"])


def _shares(under: dict[str, float]) -> str:
    return " / ".join(f"{100 * share:.0f}" for share in under.values())


def _who(row: dict[str, Any]) -> str:
    return "alone" if row["concurrency"] == 1 else f"with {row['concurrency']} at once"

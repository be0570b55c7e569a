"""What the report and the leaderboard show alike of a table: the first lines, the columns, what failed."""

from __future__ import annotations

from typing import Any

from ttsbench.records import Metric
from ttsbench.reports import reasons, values, verdict
from ttsbench.reports.tables import Table
from ttsbench.reports.terminal import copies_text


def shown(table: Table, by: Metric | None) -> dict[str, Any]:
    """The context of the macros in `templates/results.html`; `by` is the metric that the rows are ranked by."""
    found, essential = verdict.verdicts(table), table.essential
    if by is not None and by not in essential:
        essential = [by, *essential]
    return {
        "table": table,
        "by": by,
        "essential": essential,
        "more": [metric for metric in [*table.columns, *table.folded] if metric not in essential],
        "codec": values.CODEC_TITLES if any(entry.card.get("codec") for entry in table.entries) else (),
        "counted": any("gflop_per_10s" in entry.card for entry in table.entries),
        "facts": verdict.facts(table),
        "verdicts": found,
        "sentence": verdict.sentence(found, len(table.systems)),
        "warnings": [each for each in (verdict.recogniser_errs(table), verdict.stalling(table)) if each],
        "not_applicable": reasons.not_applicable(table),
        "failed": reasons.failed(table),
        "copies": [(entry.name, copies_text(same)) for entry in table.entries if (same := reasons.copies(entry))],
        "busy": reasons.busy(table),
    }

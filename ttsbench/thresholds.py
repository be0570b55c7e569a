"""`--threshold METRIC=VALUE`: what a system may not be worse than, in the unit that is printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ttsbench.errors import UserError, unknown
from ttsbench.records import Cell, Metric, Protocol
from ttsbench.reports.tables import Table
from ttsbench.reports.values import number, scale


def check(limits: Mapping[str, float], protocols: Sequence[Protocol]) -> None:
    """Raise UserError for a metric that no protocol has, or that is neither better higher nor lower."""
    known = {measure.metric.name: measure.metric for protocol in protocols for measure in protocol.measures}
    for name in limits:
        if name not in known:
            raise UserError(f"--threshold {name}: {unknown('metric', name, known)}")
        if known[name].better == "neither":
            raise UserError(f"--threshold {name}: the metric has no better direction")


def missed(limits: Mapping[str, float], tables: Sequence[Table]) -> list[str]:
    """A sentence for each system and metric that is worse than its threshold, or could not be measured."""
    found = []
    for table in tables:
        for metric in (metric for metric in table.metrics if metric.name in limits):
            for entry in table.systems:
                why = _worse(metric, entry.cells[metric.name], limits[metric.name])
                if why:
                    found.append(f"{entry.name} on {table.testset['name']} ({table.protocol['name']}): {why}")
    return found


def _worse(metric: Metric, cell: Cell, limit: float) -> str:
    """Why a value misses its threshold; "" where it holds, or where the metric does not apply to the system."""
    wanted = f"the threshold is {limit:g}" + (f" {metric.unit}" if metric.unit else "")
    if cell.value is None:
        if cell.busy:
            return f"{metric.title} was timed on a busy machine, and is not judged; {wanted}"
        return f"{metric.title} could not be measured; {wanted}" if cell.failed else ""
    sign = 1 if metric.better == "lower" else -1
    if sign * (cell.value * scale(metric) - limit) <= 0:
        return ""
    return f"{metric.title} is {number(metric, cell.value)}, {wanted}"

"""The table in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ttsbench.records import Metric
from ttsbench.reports.tables import Entry, Table, plain
from ttsbench.reports.values import best, heading, interval, number

if TYPE_CHECKING:
    import rich.table
    import rich.text


def terminal(table: Table) -> rich.table.Table:
    """A rich table: one row a system, one column a metric with value, 95 % interval, coverage and excess."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    live = [metric for _, group in table.families() for metric in group]
    out = RichTable(title=plain(table.title), box=box.SIMPLE_HEAD, title_justify="left", caption=_caption(table, live))
    out.add_column("system", no_wrap=True)
    for metric in live:
        out.add_column(heading(metric), justify="right")
    for entry in table.entries:
        cells = [_cell(table, entry, metric) for metric in live]
        out.add_row(Text(entry.name, style="dim" if entry.truth else ""), *cells)
    return out


def _cell(table: Table, entry: Entry, metric: Metric) -> rich.text.Text:
    from rich.text import Text

    cell = entry.cells[metric.name]
    if cell.value is None:
        return Text("n/a" if cell.na else f"failed {cell.asked}", style="dim" if cell.na else "red")
    top = best(metric, [other.cells[metric.name] for other in table.systems])
    text = Text(number(metric, cell.value), style="bold" if cell.value == top and not entry.truth else "")
    if cell.low is not None:
        text.append(f"\n{interval(metric, cell.low, cell.high)}", style="dim not bold")
    excess = entry.excess.get(metric.name)
    if excess:
        text.append(f"\n{number(metric, excess.value, sign=True)} vs truth", style="dim not bold")
    if cell.scored < cell.asked:
        text.append(f"\n{cell.scored} of {cell.asked}", style="red not bold")
    return text


def _caption(table: Table, live: Sequence[Metric]) -> str:
    asked = max((cell.asked for entry in table.entries for cell in entry.cells.values()), default=0)
    lines = [f"{asked} utterances; 95 % bootstrap intervals over {table.unit}s"]
    for metric in table.metrics:
        if metric not in live:
            reasons = [entry.cells[metric.name].na for entry in table.entries if entry.cells[metric.name].na]
            lines.append(f"{metric.title}: not applicable ({plain(reasons[0] if reasons else 'nothing measured')})")
    return "\n".join(lines)


def print_tables(tables: Sequence[Table]) -> None:
    """Print every table to standard output; colours only on a terminal."""
    from rich.console import Console

    console = Console(highlight=False)
    for table in tables:
        console.print(terminal(table), markup=False)

"""The table in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ttsbench.records import Metric
from ttsbench.reports import reasons
from ttsbench.reports.tables import Entry, Table, plain
from ttsbench.reports.values import busy_text, failed_text, heading, interval, number, seeds_text, value_text

if TYPE_CHECKING:
    import rich.table
    import rich.text


NAMES, COLUMN = 18, 24  # characters: the metrics' names; a value with its interval


def terminal(table: Table, width: int = 80) -> list[rich.table.Table]:
    """Rich tables that fit `width` characters: a row a metric, a column a system, in as many tables as that takes."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    across = max(1, (width - NAMES) // COLUMN)
    found = []
    for at in range(0, len(table.entries), across):
        entries = table.entries[at : at + across]
        out = RichTable(title=plain(table.title), box=box.SIMPLE_HEAD, title_justify="left")
        out.add_column("")
        for entry in entries:
            out.add_column(Text(plain(entry.name), style="dim" if entry.truth else ""), justify="right")
        for metric in table.columns:
            first = table.first[metric.name]
            out.add_row(heading(metric), *(_cell(entry, metric, entry is first) for entry in entries))
        found.append(out)
    return found


def _cell(entry: Entry, metric: Metric, first: bool) -> rich.text.Text:
    from rich.text import Text

    cell = entry.cells[metric.name]
    if cell.value is None:
        text = Text(value_text(metric, cell), style="red" if cell.failed and not cell.busy else "dim")
        return text.append(f"\n{busy_text(cell)}") if cell.busy else text
    text = Text(number(metric, cell.value), style="bold" if first else "")
    if cell.low is not None:
        text.append(f" {interval(metric, cell.low, cell.high)}", style="dim not bold")
    excess = entry.excess.get(metric.name)
    if excess:
        text.append(f"\n{number(metric, excess.value, sign=True)} over truth", style="dim not bold")
    for more in filter(None, (seeds_text(metric, cell), busy_text(cell))):
        text.append(f"\n{more}", style="dim not bold")
    if cell.failed:
        text.append(f"\n{failed_text(cell)}", style="red not bold")
    return text


def _caption(table: Table) -> str:
    lines = [f"{len(table.samples)} utterances; 95 % bootstrap intervals over {table.unit}s"]
    for titles, who, reason in reasons.not_applicable(table):
        lines.append(f"{titles}: not applicable{f' to {who}' if who else ''}, {plain(reason)}")
    lines += [f"{name}: {said}" for name, said in reasons.busy(table)]
    for entry in table.entries:
        if same := reasons.copies(entry):
            lines.append(f"{entry.name}: {copies_text(same)}")
    return "\n".join(lines)


def copies_text(ids: Sequence[str]) -> str:
    """A warning about outputs that are the recordings themselves."""
    some = ", ".join(map(plain, ids[:3])) + (", ..." if len(ids) > 3 else "")
    return f"{len(ids)} of its outputs {'is' if len(ids) == 1 else 'are'} the recording itself, byte for byte ({some})"


def print_tables(tables: Sequence[Table]) -> None:
    """Print every table to standard output; colours only on a terminal."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for table in tables:
        for part in terminal(table, console.width):
            console.print(part, markup=False)
        console.print(_caption(table), markup=False, soft_wrap=True)
        for each in reasons.failed(table):
            console.print(Text(str(each), style="red"), soft_wrap=True)

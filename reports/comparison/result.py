"""What a comparison found: one row a metric, and the verdict over all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ttsbench.errors import unknown
from ttsbench.records import Metric, Sample, Score
from ttsbench.reports.comparison.thresholds import OFF, Threshold
from ttsbench.reports.tables import ReportError
from ttsbench.significance import Difference

MARKS = {
    "+": "worse", "-": "better", "!": "newly failing", "*": "newly working", "x": "not comparable",
    "~": "inconclusive", "=": "no difference beyond what is named", "o": "switched off",
}  # fmt: skip
EXACT = "exact paired test"
NAMED = 3  # inconclusive metrics that a sentence names
LARGE = {"%": 20.0, "cosine": 0.2, "MOS": 1.0}  # printed units; a change of this size needs less proof


@dataclass(frozen=True)
class Worse:
    """One utterance that got worse: its values before and after, and where both audios are."""

    sample: Sample
    before: Score
    after: Score
    audio_before: Path | None
    audio_after: Path | None


@dataclass(frozen=True)
class Row:
    """One metric of one test set and protocol, judged. `p` is Holm-adjusted over the whole comparison.

    `test` names the test that `p` is of, `exact` is the p of the exact paired test. `can_show` is the least change (in
    the metric's unit, for timings a factor) that so many rows with this scatter show; `scatter` is the standard error
    of the change. `beyond`: the change is beyond its threshold. `holds` says what "=" stands for.
    `unjudged` are both values as text where they are shown and not compared.
    """

    testset: str
    protocol: str
    metric: Metric
    mark: str
    difference: Difference | None = None
    threshold: Threshold = OFF
    p: float = 1.0
    reason: str = ""
    worse: tuple[Worse, ...] = ()
    failing: tuple[str, ...] = ()
    system: str = ""
    test: str = ""
    can_show: float | None = None
    exact: float = 1.0
    scatter: float | None = None
    beyond: bool = False
    holds: str = ""
    unjudged: tuple[str, str] = ("", "")

    @property
    def tested(self) -> bool:
        """Whether `p` is the result of a test."""
        return bool(self.test) and self.mark in "+-~=!"

    @property
    def where(self) -> str:
        """The test set; with the system's name where several are compared."""
        return f"{self.system} on {self.testset}" if self.system else self.testset

    @property
    def verdict(self) -> str:
        return self.holds or MARKS[self.mark]

    @property
    def said(self) -> str:
        """The verdict with its reason, where there is more to say than the numbers do."""
        return self.verdict + (f": {self.reason}" if self.mark != "=" and self.reason not in ("", "counted") else "")


@dataclass(frozen=True)
class Comparison:
    """All rows of BASE against NEW, in the order of test sets, protocols and columns.

    `made` says of both sides when, where and by which code they were made.
    `void` names the runs of which nothing could be compared: they neither pass nor fail, and the gate does not open.
    """

    base: str
    new: str
    rows: list[Row]
    alpha: float
    notes: list[str] = field(default_factory=list)
    same: bool = False
    void: tuple[str, ...] = ()
    made: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.regressions and not self.void

    @property
    def regressions(self) -> list[Row]:
        """What fails the gate: what got worse; with `same` also what got better."""
        return [row for row in self.rows if self.fails(row)]

    def fails(self, row: Row) -> bool:
        return row.mark in ("+!-*" if self.same else "+!")

    @property
    def went(self) -> str:
        """What is listed of the utterances."""
        return "changed" if self.same else "got worse"

    def sentence(self) -> str:
        """What the comparison found, in one plain sentence."""
        worse = [f"{row.metric.title} on {row.where} ({row.verdict})" for row in self.regressions]
        not_compared = f" Nothing could be compared of {'; '.join(self.void)}." if self.void else ""
        if worse:
            how = "not the same as" if self.same else "worse than"
            return f"{self.new} is {how} {self.base}: {', '.join(worse)}.{not_compared}"
        if not_compared:
            return not_compared.strip()
        if self.same:
            return f"{self.new} is the same as {self.base}."
        better = sum(row.mark in "-*" for row in self.rows)
        gain = f"; {better} of {len(self.rows)} metrics are better" if better else ""
        return f"{self.new} is not shown to be worse than {self.base}{gain}.{self._doubt()}"

    def _doubt(self) -> str:
        """What is inconclusive: by name where the change is beyond its threshold, else counted."""
        open_ = sorted((row for row in self.rows if row.mark == "~"), key=lambda row: not row.beyond)
        named = [f"{row.metric.title} on {row.where} ({row.reason})" for row in open_ if row.beyond][:NAMED]
        rest = len(open_) - len(named)
        if not open_:
            return ""
        if not named:
            return f" {rest} of {len(self.rows)} metrics are inconclusive: so few rows cannot exclude a change."
        more = f", and {rest} metric{'s' if rest > 1 else ''} more" if rest else ""
        return f" Inconclusive: {', '.join(named)}{more}."


def labelled(found: Comparison, labels: Mapping[str, str], sides: tuple[Path, Path]) -> Comparison:
    """The comparison with sides and systems called otherwise. Raises ReportError for a name that it does not hold.

    A side is named by its path in `sides`, as given, or by the last part of it where the two differ there.
    """
    names = [{str(side), *({side.name} if sides[0].name != sides[1].name else ())} for side in sides]
    known = sorted(names[0] | names[1] | {row.system for row in found.rows if row.system})
    if missing := [name for name in labels if name not in known]:
        raise ReportError(unknown("side or system to label", missing[0], known))
    base, new = (
        next((labels[name] for name in sorted(own) if name in labels), was)
        for own, was in zip(names, (found.base, found.new), strict=True)
    )
    rows = [replace(row, system=labels.get(row.system, row.system)) for row in found.rows]
    return replace(found, base=base, new=new, rows=rows)

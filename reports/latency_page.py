"""The latency profile as a page: tables of quantiles, lines over length and concurrency, chunks against playback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ttsbench.reports import beside, profiled
from ttsbench.reports.charts import HIGH, Point, apart, axis
from ttsbench.reports.render import render


@dataclass(frozen=True)
class Line:
    """One system's line: `points` are (x, y, low, high) in per cent of the plot, y and its interval from the top.

    `end` is where its label stands.
    """

    label: str
    points: list[tuple[float, float, float, float]]
    end: Point | None = None


@dataclass(frozen=True)
class Plot:
    """Lines over common axes; ticks are (position in per cent, label)."""

    title: str
    x_title: str
    y_title: str
    lines: list[Line]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


def _clear(line: Line) -> float:
    """Pixels by which a label left of a line's end is moved off the line: down where the line comes from above."""
    falls = len(line.points) > 1 and line.points[-1][1] > line.points[-2][1]
    return 9.0 if falls else -9.0


def quiet(row: dict[str, Any]) -> bool:
    """Whether at least half of a point's repetitions were timed while nothing else used the machine."""
    return 2 * int(row.get("busy", 0)) <= int(row["n"])


Series = tuple[str, list[tuple[float, list[float]]]]


def plot(title: str, x_title: str, y_title: str, series: Sequence[Series]) -> Plot | None:
    """A plot of (label, [(x, [value, low, high]), ...]) series from zero up; None where there is nothing to draw."""
    every = [(x, y) for _, points in series for x, y in points]
    if not every:
        return None
    across, up = axis([0.0, *(x for x, _ in every)]), axis([0.0, *(high for _, (_, _, high) in every)])

    def down(y: float) -> float:
        return 100 - (up.place(y) or 0.0)

    lines = [
        Line(label, [(across.place(x) or 0.0, down(y), down(low), down(high)) for x, (y, low, high) in points])
        for label, points in series
    ]
    clear = [_clear(line) for line in lines if line.points]
    ends = [
        (line.points[-1][0], line.points[-1][1] + 100 * down / HIGH, line.label)
        for line, down in zip((line for line in lines if line.points), clear, strict=True)
    ]
    downs = iter(None if at is None else at + down for at, down in zip(apart(ends, HIGH), clear, strict=True))
    lines = [
        replace(line, end=Point(line.label, *line.points[-1][:2], True, line.label, next(downs)))
        if line.points else line for line in lines
    ]  # fmt: skip
    labels = across.labels(across=True)
    if all(float(x).is_integer() for x, _ in every):  # nobody speaks half an utterance
        labels = [(at, label.removesuffix(".0")) for at, label in labels if "." not in label.removesuffix(".0")]
    return Plot(title, x_title, y_title, lines, labels, [(100 - at, label) for at, label in up.labels()])


def _over(
    systems: Sequence[dict[str, Any]], axis: str, value: str, fixed: dict[str, float | None], scale: float
) -> list[Series]:
    """For each system the medians of `value` times `scale` along `axis`, the other settings held at `fixed`.

    Points that are not `quiet` are left out."""
    return [
        (
            system["name"],
            [
                (
                    row[axis],
                    [scale * y for y in ([row[value]] * 3 if isinstance(row[value], float) else row[value]["p50"])],
                )
                for row in sorted(system["rows"], key=lambda row: row[axis] or 0)
                if row[axis] is not None
                and row[value] is not None
                and quiet(row)
                and all(row[key] == wanted for key, wanted in fixed.items() if key != axis)
            ],
        )
        for system in systems
    ]


def plots(data: dict[str, Any]) -> list[Plot]:
    """Latency and total time against length, prompt and chunk size, latency and throughput against concurrency and
    batch size."""
    systems, base = data["systems"], data["base"]
    wanted = [
        ("First audible sample against text length", "words", "ms", "words", "first_audible"),
        ("Whole utterance against text length", "words", "ms", "words", "total"),
        ("First audible sample against prompt length", "seconds of prompt", "ms", "prompt_seconds", "first_audible"),
        ("First audible sample against concurrency", "utterances at once", "ms", "concurrency", "first_audible"),
        (
            "Throughput against concurrency",
            "utterances at once",
            "audio seconds per second",
            "concurrency",
            "throughput",
        ),
        ("Throughput against batch size", "readings in a batch", "audio seconds per second", "batch", "throughput"),
        ("First audible sample against chunk size", "frames in a chunk", "ms", "chunk_frames", "first_audible"),
        ("Real-time factor against chunk size", "frames in a chunk", "RTF", "chunk_frames", "rtf_each"),
    ]
    found = []
    for title, x_title, y_title, along, value in wanted:
        series = _over(systems, along, value, base, 1000.0 if y_title == "ms" else 1.0)
        if max((len(points) for _, points in series), default=0) > 1:
            found.append(plot(title, x_title, y_title, series))
    return [item for item in found if item is not None]


@dataclass(frozen=True)
class Timeline:
    """Chunks of one utterance: `bars` are (start, width) of playing in per cent, `marks` arrivals in per cent."""

    label: str
    note: str
    bars: list[tuple[float, float]]
    marks: list[float]


def timelines(systems: Sequence[dict[str, Any]]) -> tuple[list[Timeline], list[tuple[float, str]]]:
    """When chunks arrived and when they could play, for the longest text of each system, on one common axis in ms."""
    drawn = [(system["name"], system["timeline"]) for system in systems]
    over = axis([0.0, *(1000 * (start + seconds) for _, played in drawn for _, start, seconds in played)])
    if not any(played for _, played in drawn):
        return [], []

    def place(seconds: float) -> float:
        return over.place(1000 * seconds) or 0.0

    lines = [
        Timeline(
            name,
            f"{len(played)} chunk{'s' if len(played) != 1 else ''}",
            [(place(start), round(place(start + seconds) - place(start), 2)) for _, start, seconds in played],
            [place(arrived) for arrived, _, _ in played],
        )
        for name, played in drawn
        if played
    ]
    return lines, over.labels(across=True)


@dataclass(frozen=True)
class Grid:
    """A table: `heads` are (title, unit), `rows` hold (text, small print) for each of them."""

    heads: list[tuple[str, str]]
    rows: list[list[tuple[str, str]]]


def ms(seconds: float | None) -> str:
    """Milliseconds; a dash where there is no value."""
    return "–" if seconds is None else f"{1000 * seconds:.0f}"


def _quantile(cell: dict[str, list[float]] | None, key: str) -> tuple[str, str]:
    return (ms(cell[key][0]), f"{ms(cell[key][1])} to {ms(cell[key][2])}") if cell else ("–", "")


def _real_time(row: dict[str, Any]) -> tuple[str, str]:
    if row["rtf"] is None:
        return "n/a", ""
    return f"{row['rtf']:.3f}", f"p95 {row['rtf_each']['p95'][0]:.3f}" if row["rtf_each"] else ""


def _settings(row: dict[str, Any], swept: bool) -> list[tuple[str, str, tuple[str, str]]]:
    found = [
        ("Words", "", (str(row["words"]), f"busy {row['busy']} of {row['n']}" if row.get("busy") else "")),
        ("Prompt", "s", (f"{row['prompt_seconds']:g}", "")),
        ("At once", "", (str(row["concurrency"]), "")),
    ]
    if swept:
        found += [("Batch", "", (str(row["batch"]), "")), ("Chunk", "frames", (str(row["chunk_frames"] or "own"), ""))]
    return found


def _grid(rows: list[list[tuple[str, str, tuple[str, str]]]]) -> Grid:
    return Grid([(title, unit) for title, unit, _ in rows[0]], [[cell for _, _, cell in row] for row in rows])


def quantiles(system: dict[str, Any], metered: bool) -> Grid | None:
    """Times of every point, with what it was spoken under; None where every repetition failed."""
    swept = any(row["batch"] > 1 or row["chunk_frames"] for row in system["rows"])
    rows = []
    for row in system["rows"]:
        device = f"device {row['device_bytes'] // 2**20}" if row["device_bytes"] else ""
        found = [
            *_settings(row, swept),
            ("RTF", "alone", _real_time(row)),
            ("Throughput", "audio s / s", ("–" if row["throughput"] is None else f"{row['throughput']:.2f}", "")),
            ("First chunk", "p50, ms", _quantile(row["first_chunk"], "p50")),
            *(("First audible", f"{p}, ms", _quantile(row["first_audible"], p)) for p in ("p50", "p95", "p99")),
            ("Whole", "p50, ms", _quantile(row["total"], "p50")),
            ("Gap", "p95, ms", _quantile(row["gap"], "p95")),
            ("Stalls", "runs", (f"{row['stalls']} of {row['n']}", "")),
            ("Memory", "host, MiB", (str(row["host_bytes"] // 2**20), device)),
        ]
        if metered:
            joules = row["joules_per_second"]
            found.append(("Energy", "J / audio s", ("–" if joules is None else f"{joules:.2f}", "")))
        rows.append(found)
    return _grid(rows) if rows else None


def waits(system: dict[str, Any]) -> Grid | None:
    """What a listener notices at every point: whether it streams, silence at the head, shares of requests in time."""
    swept = any(row["chunk_frames"] for row in system["rows"])
    rows = []
    for row in (each for each in system["rows"] if each["batch"] == 1):
        share = row["first_share"]
        rows.append([
            *_settings(row, swept),
            ("Streams", "", ("–" if row["streams"] is None else "yes" if row["streams"] else "no", "")),
            ("First chunk", "% of the time", (f"{100 * share['p50'][0]:.0f}" if share else "–", "")),
            ("Silence", "p50, ms", _quantile(row["leading_silence"], "p50")),
            *(("Heard", f"% in {at} ms", (f"{100 * of:.0f}", "")) for at, of in row["audible_under"].items()),
            *(("Stalls", f"% below {at} ms", (f"{100 * of:.0f}", "")) for at, of in row["stalled_under"].items()),
            ("Failed", "requests", (f"{row['failed']} of {row['n'] + row['failed']}", "")),
        ])  # fmt: skip
    return _grid(rows) if rows else None


def work(system: dict[str, Any]) -> Grid | None:
    """What the counted operations come to, and their share of the machine's limits; None where nothing was counted."""
    rows = []
    for row in system["rows"]:
        if row["chunk_frames"] is not None or not (row["work"] or row["frames_per_second"]):
            continue
        done, frames = row["work"] or {}, row["frames_per_second"]
        figures = (
            ("Work", "GFLOP / audio s", "gflop_per_audio_second", "{:.2f}", 1),
            ("Arithmetic", "GFLOP/s", "gflop_per_s", "{:.1f}", 1),
            ("Arithmetic", "% of limit", "arithmetic", "{:.1f}", 100),
            ("Memory", "GB/s", "gb_per_s", "{:.1f}", 1),
            ("Memory", "% of limit", "bandwidth", "{:.0f}", 100),
        )
        rows.append([
            *_settings(row, False),
            ("Batch", "", (str(row["batch"]), "")),
            ("Frames", "a second", ("–" if frames is None else f"{frames:.0f}", "")),
            *((t, unit, (how.format(by * done[key]) if done else "–", "")) for t, unit, key, how, by in figures),
        ])  # fmt: skip
    return _grid(rows) if rows else None


def cards(data: dict[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """For each system the figures that people ask for first, at the base point: (what, value with its interval)."""
    found = []
    for system in data["systems"]:
        at = next((row for row in system["rows"] if all(row[k] == v for k, v in data["base"].items())), None)
        if at is None:
            continue
        if not quiet(at):
            found.append((system["name"], [("timed on a busy machine:", "not judged")]))
            continue
        first, small = _quantile(at["first_audible"], "p50")
        whole, _ = _quantile(at["total"], "p50")
        facts = [
            ("first audible sample", f"{first} ms" + (f" ({small})" if small else "")),
            ("whole utterance", f"{whole} ms"),
            ("real-time factor", _real_time(at)[0]),
        ]
        most = max(
            (row["throughput"] for row in system["rows"] if row["throughput"] is not None and quiet(row)), default=None
        )
        facts += [("most audio a second", f"{most:.2f} s")] if most is not None else []
        found.append((system["name"], facts))
    return found


def _busy(systems: Sequence[dict[str, Any]]) -> str:
    """How many repetitions were timed on a busy machine; "" for none."""
    busy, rows = (sum(row.get(key, 0) for system in systems for row in system["rows"]) for key in ("busy", "n"))
    left = sum(not quiet(row) for system in systems for row in system["rows"])
    said = f"{busy} of {rows} repetitions were timed while other programs used the machine: measure again alone."
    more = f" {left} point{'s' if left > 1 else ''} with more busy repetitions than others: in the tables alone."
    return f"{said}{more if left else ''}" if busy else ""


def write_page(data: dict[str, Any], out: Path, title: str = "") -> Path:
    """Write profile.html of `profile.json`'s data into folder `out`; `title`: heading, "" for the systems' names."""
    lines, axis = timelines(data["systems"])
    metered = any(row["joules_per_second"] for system in data["systems"] for row in system["rows"])
    page = render(
        "latency.html",
        ("page.js",),
        title=title or "latency profile",
        heading_given=title,
        data=data,
        cards=cards(data),
        busy=_busy(data["systems"]),
        parts=[(system, quantiles(system, metered), waits(system), work(system)) for system in data["systems"]],
        said={system["name"]: profiled.sentence(system, data["base"]) for system in data["systems"]},
        plots=plots(data),
        timelines=lines,
        axis=axis,
    )
    target = out / "profile.html"
    beside.write(target, page)
    return target

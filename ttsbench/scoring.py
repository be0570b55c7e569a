"""Drive metrics over a run: compute the features they ask for, score every row, write the scores.

`check` says before any work what will be missing; `score` does the work.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from ttsbench import metrics, systems
from ttsbench.errors import UserError, unknown
from ttsbench.execute import Executor
from ttsbench.execute.local import Local
from ttsbench.features import Features, Progress
from ttsbench.metrics import cost
from ttsbench.metrics.models import version
from ttsbench.metrics.weights import BY_NAME
from ttsbench.records import Card, Feature, Item, Measure, Protocol, Request, Sample, Score, Synthesis
from ttsbench.store import Run, file_digest
from ttsbench.systems import preflight
from ttsbench.transcripts import read_transcripts, read_values

NOT_SPOKEN = "not spoken yet: the run was cut short"

__all__ = ["check", "protocols_of", "score"]


def score(
    run: Run,
    names: Sequence[str],
    *,
    jobs: int,
    device: str,
    timeout: float,
    progress: Progress,
    executor: Executor | None = None,
    only: Sequence[str] = (),
    transcripts: Path | None = None,
) -> dict[str, dict[str, list[Score]]]:
    """Score `run` under the named protocols and write scores/<protocol>/. Returns protocol -> metric -> scores.

    `only` computes some metrics alone (see `protocols_of`). `transcripts`, a file of ids and texts, takes the place of
    the protocols' recognisers: the columns made of transcripts are computed, those that the file has values of, and
    those that need no audio (times), under the name `<protocol>-given-transcripts`. What cannot be computed (no model,
    no file, a crash) is an error of its row.
    """
    protocols = protocols_of(names, only)
    items = _items(run)
    protocols = _priced(protocols, items)
    texts: dict[str, str] | None = None
    if transcripts is not None:
        texts = read_transcripts(transcripts, [item.sample.id for item in items])
        protocols = [_given(protocol, transcripts) for protocol in protocols]
    wanted = [_wanted(protocol, items) for protocol in protocols]
    features = Features(run.path / "features", executor or Local())
    lost: list[str] = []
    if texts is None:
        requests = [request for plan in wanted for row in plan for reqs in row for request in reqs]
        lost = features.compute(requests, jobs=jobs, device=device, timeout=timeout, folder=run.path, note=progress)
    result = {}
    for protocol, plan in zip(protocols, wanted, strict=True):
        scores: dict[str, list[Score]] = {}
        for measure, row in zip(protocol.measures, plan, strict=True):
            found = (_found(item, reqs, features, texts) for item, reqs in zip(items, row, strict=True))
            scores[measure.metric.name] = [_one(measure, item, each) for item, each in zip(items, found, strict=True)]
        judges = {} if transcripts is not None else _judges(protocol, plan, features)
        _write(run, protocol, scores, only, judges)
        result[protocol.name] = scores
    if lost:
        raise OSError(28, f"{len(lost)} features could not be kept: {lost[0]}")
    return result


# --- what is asked for --------------------------------------------------------------------------------------------


def protocols_of(names: Sequence[str], only: Sequence[str] = ()) -> list[Protocol]:
    """The named protocols; with `only`, cut down to some of their columns. Raises UserError for an unknown name.

    A name in `only` is a column's (`wer`) or the beginning of several (`dnsmos` for dnsmos-ovrl and so on). One that no
    named protocol has, but that can be computed alone (`metrics.metric_names`), becomes a protocol of its one column.
    """
    protocols = [metrics.protocol(name) for name in dict.fromkeys(names)]
    if not only:
        return protocols
    columns = [measure.metric.name for protocol in protocols for measure in protocol.measures]
    chosen, alone = set[str](), list[str]()
    for name in dict.fromkeys(only):
        found = {column for column in columns if column == name} or {
            column for column in columns if column.startswith(f"{name}-")
        }
        chosen |= found
        if not found and name not in metrics.metric_names():
            raise UserError(unknown("metric", name, dict.fromkeys([*columns, *metrics.metric_names()])))
        alone += [] if found else [name]
    cut = [
        replace(protocol, measures=tuple(each for each in protocol.measures if each.metric.name in chosen))
        for protocol in protocols
    ]
    return [*(protocol for protocol in cut if protocol.measures), *map(metrics.protocol, alone)]


def check(names: Sequence[str], device: str = "cpu", only: Sequence[str] = ()) -> list[str]:
    """What of the named protocols cannot be computed on this machine, a line each with what to do; [] where all can.

    To be called before the first row is spoken. Raises UserError for a protocol, metric or device that does not exist,
    and where a protocol has no column left but those that need no model.
    """
    preflight.device(device)
    lines: dict[str, list[str]] = {}
    for protocol in protocols_of(names, only):
        found = {measure.metric.name: _models(measure, protocol) for measure in protocol.measures}
        absent = list(dict.fromkeys(reason for reasons in found.values() for reason in reasons if reason))
        if absent and all(all(reasons) for reasons in found.values()):
            raise UserError(f"protocol {protocol.name}: none of its models is here: {'; '.join(absent)}")
        for reason in absent:
            columns = [f"{protocol.name}/{name}" for name, reasons in found.items() if reason in reasons]
            lines.setdefault(reason, []).extend(columns)
        for reason in [] if only else _packages(protocol):
            lines.setdefault(reason, []).append(protocol.name)
    return [f"{', '.join(columns)}: {reason}" for reason, columns in lines.items()]


def _packages(protocol: Protocol) -> list[str]:
    """For each model of a protocol whose packages are not installed: what to install."""
    models = [BY_NAME[name] for name in protocol.models if name in BY_NAME]
    absent = {model.about: [name for name in model.needs if not version(name)] for model in models}
    return [f"{about} needs pip install {' '.join(names)}" for about, names in absent.items() if names]


def _models(measure: Measure, protocol: Protocol) -> list[str]:
    """For each model that a column asks for: why it cannot run here, "" where it can."""
    reasons: list[str] = []
    models = {(request.extractor, request.settings) for item in _examples(protocol) for request in _asks(measure, item)}
    for name, settings in sorted(models):
        try:
            metrics.extractor(name).identity(dict(settings))
            reasons.append("")
        except metrics.MissingModel as fault:
            reasons.append(str(fault))
    return reasons


def _examples(protocol: Protocol) -> Iterable[Item]:
    """Items to which every column of a protocol can apply, to see which models it asks for."""
    path = Path("example.wav")
    synthesis = Synthesis("example", str(path), seconds=1.0, total=1.0, audible=0.1)
    for language in protocol.languages or ("en",):
        for task in ("zero-shot", "resynthesis"):
            sample = Sample("example", "example", language, task, path, "example", path)  # type: ignore[arg-type]
            yield Item(sample, synthesis, Card("example"), path, path)


# --- scoring ------------------------------------------------------------------------------------------------------


def _items(run: Run) -> list[Item]:
    syntheses = run.syntheses
    card = msgspec.convert(run.info["system"]["card"], Card)
    untimed, hour = _untimed(run), _hour(run)
    items = []
    for sample in run.samples:
        row = syntheses.get(sample.id)
        if row is None:
            row = Synthesis(sample.id, error=NOT_SPOKEN)
        resynthesis = (run.path / row.resynthesis).resolve() if row.resynthesis else None
        items.append(Item(sample, row, card, run.audio(row), resynthesis, untimed, hour))
    return items


def _priced(protocols: list[Protocol], items: list[Item]) -> list[Protocol]:
    """The protocols with a column of cost beside that of the real-time factor, where a price is known."""
    if not any(map(cost.known, items)):
        return protocols
    timed = [{"rtf"} == {each.metric.name for each in protocol.measures} & {"rtf", "cost"} for protocol in protocols]
    more = cost.measures()
    return [replace(p, measures=(*p.measures, *more)) if add else p for p, add in zip(protocols, timed, strict=True)]


def _hour(run: Run) -> float | None:
    """USD for an hour of the machine, per utterance that is spoken at once; None where no price was given."""
    price = run.info.get("machine_price")
    devices = str(run.info.get("device", "")).split(",")
    return None if price is None else float(price) / max(int(run.info.get("jobs", 1)), len(devices))


def _untimed(run: Run) -> str:
    """Why a run has no timings at all, "" where the clock ran."""
    if run.info.get("untimed"):
        return str(run.info["untimed"])
    if systems.is_recorded(run.info["system"].get("spec", "")):
        return "recordings are not timed"
    return "pieces and clusters are not timed, as their machines differ" if run.info.get("spread") else ""


def _wanted(protocol: Protocol, items: list[Item]) -> list[list[tuple[Request, ...]]]:
    """For each measure, for each item, the requests."""
    return [[_asks(measure, item) for item in items] for measure in protocol.measures]


def _asks(measure: Measure, item: Item) -> tuple[Request, ...]:
    """None where there is no audio or the metric does not apply."""
    return () if item.audio is None or _na(measure, item) else measure.requests(item)


def _na(measure: Measure, item: Item) -> str:
    """Why a metric does not apply to a row: nobody asked the system for it, or the metric's own reason."""
    spoken = item.audio is not None or item.synthesis.error != NOT_SPOKEN
    if not spoken and not item.card.speaks(item.sample.language):
        return f"language {item.sample.language}: the system does not speak it and was not asked"
    return measure.na(item)


def _found(
    item: Item, requests: tuple[Request, ...], features: Features, texts: dict[str, str] | None
) -> tuple[Feature, ...]:
    if texts is None:
        return tuple(features[request] for request in requests)
    text = texts.get(item.sample.id)
    given = Feature(error="the file of transcripts has none for this id") if text is None else Feature({"text": text})
    return tuple(given for _ in requests)


def _one(measure: Measure, item: Item, features: tuple[Feature, ...]) -> Score:
    reason = _na(measure, item)
    if reason:
        return Score(item.sample.id, na=reason)
    try:
        score = measure.score(item, features)
    except UserError as fault:  # a package that a text rule needs is not installed, a vector is zero
        return Score(item.sample.id, error=str(fault))
    except Exception as fault:
        if measure.score.__module__.startswith("ttsbench."):
            raise  # a fault of ours keeps its traceback
        return Score(item.sample.id, error=f"the metric failed: {type(fault).__name__}: {fault}")
    if score.error or score.na or (score.value is not None and math.isfinite(score.value)):
        return score
    return replace(score, value=None, error=f"the metric gave {score.value} in place of a number")


def _given(protocol: Protocol, file: Path) -> Protocol:
    """The protocol's columns that are made of transcripts, over those of `file`; those that it has values of; times."""
    if all(each.metric.family != "intelligibility" for each in protocol.measures):
        raise UserError(f"protocol {protocol.name} has no column that is made of transcripts")
    values = read_values(file)
    examples = list(_examples(protocol))

    def kept(measure: Measure) -> Measure | None:
        metric = measure.metric
        if metric.family == "intelligibility":
            about = re.sub(r"recogniser [\w.-]+", f"transcripts of {file.name}", metric.about)
            return replace(measure, metric=replace(metric, about=about))
        if metric.name in values:
            return _taken(
                replace(measure, metric=replace(metric, about=f"as {file.name} gives it")), values[metric.name]
            )
        timed = metric.family == "speed" and not any(measure.requests(item) for item in examples)
        return measure if timed else None

    line = f"Transcripts: {file.name} (sha256 {file_digest(file)}), made elsewhere, in place of any recogniser below."
    return replace(
        protocol,
        name=f"{protocol.name}-given-transcripts",
        title=f"{protocol.title}, transcripts given",
        explain=f"{line}\n{protocol.explain}",
        measures=tuple(filter(None, map(kept, protocol.measures))),
    )


def _taken(measure: Measure, values: dict[str, float]) -> Measure:
    """A column whose values are given: rows without one are errors."""

    def score(item: Item, features: tuple[Feature, ...]) -> Score:
        value = values.get(item.sample.id)
        error = item.synthesis.error or ("" if value is not None else "the file has no value for this id")
        return Score(item.sample.id, None if error else value, error=error)

    return replace(measure, requests=lambda item: (), score=score)


Judges = dict[str, dict[str, dict[str, Any]]]


def _judges(protocol: Protocol, plan: list[list[tuple[Request, ...]]], features: Features) -> Judges:
    """Metric -> extractor and settings -> identity of the model, for a comparison that refuses other judges."""
    found: Judges = {}
    for measure, row in zip(protocol.measures, plan, strict=True):
        models = {(each.extractor, each.settings): each for requests in row for each in requests}
        named = {" ".join([name, *(value for _, value in settings)]): features.identity(one)
                 for (name, settings), one in models.items()}  # fmt: skip
        found[measure.metric.name] = dict(sorted(named.items()))
    return found


def _write(run: Run, protocol: Protocol, scores: dict[str, list[Score]], only: Sequence[str], judges: Judges) -> None:
    about: dict[str, Any] = {
        "name": protocol.name,
        "version": protocol.version,
        "title": protocol.title,
        "explain": protocol.explain,
        "source": protocol.source,
        "only": list(only),
        "judges": judges,
    }
    run.write_scores(about, scores, [measure.metric for measure in protocol.measures])

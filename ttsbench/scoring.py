"""Drive metrics over a run: find the features that are missing, compute them in worker processes, write the scores.

Features are kept by content, so scoring again under another protocol or normalisation recognises nothing twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from ttsbench.execute import Executor, Failed
from ttsbench.execute.local import Local
from ttsbench.records import Card, Feature, Item, Measure, Protocol, Request, Score, Synthesis
from ttsbench.store import FeatureStore, Run, feature_key, file_digest

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Batch:
    """Requests to one model, for a worker."""

    extractor: str
    settings: tuple[tuple[str, str], ...]
    requests: list[Request]

    def files(self) -> list[Path]:
        """Their audio."""
        paths = (path for request in self.requests for path in (request.audio, request.reference) if path)
        return list(dict.fromkeys(paths))

    def moved(self, here: Mapping[Path, Path], folder: Path) -> Batch:
        """The batch over copies of its audio."""

        def at(path: Path) -> Path:
            return here.get(path, path)

        requests = [replace(r, audio=at(r.audio), reference=r.reference and at(r.reference)) for r in self.requests]
        return replace(self, requests=requests)


def score(
    run: Run,
    names: list[str],
    *,
    jobs: int,
    device: str,
    timeout: float,
    progress: Progress,
    executor: Executor | None = None,
) -> dict[str, dict[str, list[Score]]]:
    """Score `run` under the named protocols and write scores/<protocol>/. Returns protocol -> metric -> scores."""
    from ttsbench import metrics

    items = _items(run)
    protocols = [metrics.protocol(name) for name in names]
    wanted = [_wanted(protocol, items) for protocol in protocols]
    features = _Features(run.path / "features", executor or Local())
    requests = [request for plan in wanted for row in plan for reqs in row for request in reqs]
    lost = features.compute(requests, jobs=jobs, device=device, timeout=timeout, folder=run.path, note=progress)
    result = {}
    for protocol, plan in zip(protocols, wanted, strict=True):
        scores = {
            measure.metric.name: [_one(measure, item, reqs, features) for item, reqs in zip(items, row, strict=True)]
            for measure, row in zip(protocol.measures, plan, strict=True)
        }
        _write(run, protocol, scores)
        result[protocol.name] = scores
    if lost:
        raise OSError(28, f"{len(lost)} features could not be kept: {lost[0]}")
    return result


def _items(run: Run) -> list[Item]:
    syntheses = run.syntheses
    card = _card(run.info["system"]["card"])
    items = []
    for sample in run.samples:
        row = syntheses.get(sample.id)
        if row is None:
            row = Synthesis(sample.id, error="not spoken yet: the run was cut short")
        resynthesis = (run.path / row.resynthesis).resolve() if row.resynthesis else None
        items.append(Item(sample, row, card, run.audio(row), resynthesis))
    return items


def _card(fields: dict[str, Any]) -> Card:
    return msgspec.convert(fields, Card)


def _wanted(protocol: Protocol, items: list[Item]) -> list[list[tuple[Request, ...]]]:
    """For each measure, for each item, the requests; none where there is no audio or the question does not apply."""
    return [
        [() if item.audio is None or measure.na(item) else measure.requests(item) for item in items]
        for measure in protocol.measures
    ]


def _one(measure: Measure, item: Item, requests: tuple[Request, ...], features: _Features) -> Score:
    reason = measure.na(item)
    if reason:
        return Score(item.sample.id, na=reason)
    return measure.score(item, tuple(features[request] for request in requests))


def _write(run: Run, protocol: Protocol, scores: dict[str, list[Score]]) -> None:
    about = {
        "name": protocol.name,
        "version": protocol.version,
        "title": protocol.title,
        "explain": protocol.explain,
        "source": protocol.source,
    }
    run.write_scores(about, scores, [measure.metric for measure in protocol.measures])


class _Features:
    """Features of this run by request: cached ones from disk, missing ones from the workers."""

    def __init__(self, folder: Path, executor: Executor) -> None:
        self.store = FeatureStore(folder)
        self.executor = executor
        self._identities: dict[tuple[str, tuple[tuple[str, str], ...]], dict[str, Any]] = {}
        self._digests: dict[Path, str] = {}
        self._broken: dict[Request, Feature] = {}

    def __getitem__(self, request: Request) -> Feature:
        if request in self._broken:
            return self._broken[request]
        found = self.store.get(request.extractor, self._key(request))
        return found or Feature(error="no feature was computed")

    def _key(self, request: Request) -> str:
        reference = self._digest(request.reference) if request.reference else ""
        return feature_key(
            self._identity(request), self._digest(request.audio), request.start, reference, request.reference_start
        )

    def _identity(self, request: Request) -> dict[str, Any]:
        """The model's; where its weights are not here, that of the features which were computed when they were."""
        from ttsbench import metrics

        model = (request.extractor, request.settings)
        if model not in self._identities:
            try:
                self._identities[model] = metrics.extractor(request.extractor).identity(dict(request.settings))
            except metrics.MissingModel:
                kept = self.store.identity(request.extractor, tuple(sorted(request.settings)))
                if kept is None:
                    raise
                self._identities[model] = kept
        return self._identities[model]

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = file_digest(path)
        return self._digests[path]

    def compute(
        self, requests: list[Request], *, jobs: int, device: str, timeout: float, folder: Path, note: Progress
    ) -> list[str]:
        """Compute what is missing. Returns what could not be written; a feature that failed carries its error."""
        missing: dict[str, Request] = {}
        for request in requests:
            try:
                key = self._key(request)
            except OSError as fault:
                self._broken[request] = Feature(error=f"{request.audio}: {fault.strerror or fault}")
                continue
            if key not in missing and self.store.get(request.extractor, key) is None:
                missing[key] = request
        lost: list[str] = []
        done, total = 0, len(missing)
        again: list[Request] = []
        batches = _batches(list(missing.values()), jobs)
        for round_ in (batches, None):
            if round_ is None:  # a batch that died is tried again one by one, so that one bad file costs one row
                round_ = [Batch(request.extractor, request.settings, [request]) for request in again]
                again = []
            outcomes = self.executor.run(
                round_, extracting, (device,), jobs=jobs, timeout=timeout, device=device, folder=folder
            )
            for index, outcome in outcomes:
                extractor, batch = round_[index].extractor, round_[index].requests
                if isinstance(outcome, Failed):
                    if len(batch) > 1:
                        again.extend(batch)
                        continue
                    outcome = [Feature(error=f"{extractor} failed: {outcome.reason}")]
                for request, feature in zip(batch, outcome, strict=True):
                    self._keep(request, feature, lost)
                done += len(batch)
                note(done, total, "scoring")
        return lost

    def _keep(self, request: Request, feature: Feature, lost: list[str]) -> None:
        about = {"file": request.audio.name, **dict(request.settings)}
        try:
            self.store.put(request.extractor, self._key(request), feature, about, self._identity(request))
        except OSError as fault:
            lost.append(f"{request.audio.name}: {fault.strerror or fault}")


def _batches(requests: list[Request], jobs: int) -> list[Batch]:
    """Group requests by model, longest models first; a worker then loads few models and no batch waits long."""
    from ttsbench import metrics

    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[Request]] = {}
    for request in requests:
        groups.setdefault((request.extractor, request.settings), []).append(request)
    batches = []
    for (extractor, settings), group in groups.items():
        group.sort(key=lambda request: -os.path.getsize(request.audio))
        size = max(1, min(metrics.extractor(extractor).BATCH, -(-len(group) // jobs)))
        batches += [Batch(extractor, settings, group[at : at + size]) for at in range(0, len(group), size)]
    return batches


# --- inside the worker --------------------------------------------------------------------------------------------


def extracting(device: str) -> Callable[[Batch], list[Feature]]:
    """Set up a scoring worker with one thread; models load when first asked for and stay."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from ttsbench import metrics

    loaded: dict[tuple[str, tuple[tuple[str, str], ...]], Any] = {}

    def handle(batch: Batch) -> list[Feature]:
        extractor, settings, requests = batch.extractor, batch.settings, batch.requests
        if (extractor, settings) not in loaded:
            loaded[extractor, settings] = metrics.extractor(extractor).load(dict(settings), device)
        features = loaded[extractor, settings](requests)
        if len(features) != len(requests):
            raise RuntimeError(f"{extractor} answered {len(features)} of {len(requests)} requests")
        return features

    return handle


def summary(protocol: Protocol) -> dict[str, Any]:
    """A protocol as plain data, for `ttsbench list protocols --json`."""
    return {
        "name": protocol.name,
        "version": protocol.version,
        "title": protocol.title,
        "languages": list(protocol.languages),
        "models": list(protocol.models),
        "metrics": [asdict(measure.metric) for measure in protocol.measures],
    }

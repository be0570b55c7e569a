"""Features of audio (transcripts, speaker embeddings, quality scores): from the run's cache, or from worker processes.

Features are kept by content, so scoring again under another protocol or normalisation recognises nothing twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ttsbench import metrics
from ttsbench.execute import Executor, Failed
from ttsbench.metrics import MissingModel
from ttsbench.records import Feature, Request
from ttsbench.store import FeatureStore, feature_key, file_digest

Progress = Callable[[int, int, str], None]
Model = tuple[str, tuple[tuple[str, str], ...]]


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


class Features:
    """Features of one run by request: known ones from disk, the others from workers. One that failed has an error."""

    def __init__(self, folder: Path, executor: Executor) -> None:
        self.store = FeatureStore(folder)
        self.executor = executor
        self._identities: dict[Model, dict[str, Any]] = {}
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

    def identity(self, request: Request) -> dict[str, Any]:
        """Model, versions, digest and settings; {} where its weights are not here."""
        try:
            return self._identity(request)
        except MissingModel:
            return {}

    def _identity(self, request: Request) -> dict[str, Any]:
        """The model's; where its weights are not here, that of the features which were computed when they were."""
        model = (request.extractor, request.settings)
        if model not in self._identities:
            try:
                self._identities[model] = metrics.extractor(request.extractor).identity(dict(request.settings))
            except MissingModel:
                kept = self.store.identity(request.extractor, tuple(sorted(request.settings)))
                if kept is None:
                    raise
                self._identities[model] = kept
        return self._identities[model]

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = file_digest(path)
        return self._digests[path]

    def _missing(self, requests: list[Request]) -> list[Request]:
        """The requests that have no feature yet. A file or a model that is not here is an error of its requests."""
        missing: dict[str, Request] = {}
        for request in requests:
            try:
                key = self._key(request)
            except OSError as fault:
                self._broken[request] = Feature(error=f"{fault.filename or request.audio}: {fault.strerror or fault}")
            except MissingModel as fault:
                self._broken[request] = Feature(error=str(fault))
            else:
                if key not in missing and self.store.get(request.extractor, key) is None:
                    missing[key] = request
        return list(missing.values())

    def compute(
        self, requests: list[Request], *, jobs: int, device: str, timeout: float, folder: Path, note: Progress
    ) -> list[str]:
        """Compute what is missing. Returns what could not be written."""
        missing = self._missing(requests)
        lost: list[str] = []
        done, again = 0, list[Request]()
        for batches in (_batches(missing, jobs), None):
            if batches is None:  # a batch that failed is tried again one by one, so that one bad file costs one row
                batches = [Batch(request.extractor, request.settings, [request]) for request in again]
            outcomes = self.executor.run(
                batches, extracting, (), jobs=jobs, timeout=timeout, device=device, folder=folder
            )
            for index, outcome in outcomes:
                batch = batches[index]
                if isinstance(outcome, Failed) and len(batch.requests) > 1:
                    again.extend(batch.requests)
                    continue
                if isinstance(outcome, Failed):
                    outcome = [Feature(error=f"{batch.extractor} failed: {outcome.reason}")]
                for request, feature in zip(batch.requests, outcome, strict=True):
                    self._keep(request, feature, lost)
                done += len(batch.requests)
                note(done, len(missing), "scoring")
        return lost

    def _keep(self, request: Request, feature: Feature, lost: list[str]) -> None:
        about = {"file": request.audio.name, **dict(request.settings)}
        try:
            self.store.put(request.extractor, self._key(request), feature, about, self._identity(request))
        except OSError as fault:
            lost.append(f"{request.audio.name}: {fault.strerror or fault}")


def _batches(requests: list[Request], jobs: int) -> list[Batch]:
    """Group requests by model, longest audio first; a worker then loads few models and no batch waits long."""
    groups: dict[Model, list[Request]] = {}
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
    loaded: dict[Model, Any] = {}

    def handle(batch: Batch) -> list[Feature]:
        extractor, settings, requests = batch.extractor, batch.settings, batch.requests
        if (extractor, settings) not in loaded:
            try:
                loaded[extractor, settings] = metrics.extractor(extractor).load(dict(settings), device)
            except MissingModel as fault:  # a package is not installed: no use in trying one by one
                return [Feature(error=str(fault)) for _ in requests]
        features = loaded[extractor, settings](requests)
        if len(features) != len(requests):
            raise RuntimeError(f"{extractor} answered {len(features)} of {len(requests)} requests")
        return features

    return handle

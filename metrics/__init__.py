"""Metrics, put together into named protocols. Importing this package imports nothing heavy.

What one adds is one file, in a folder here or in a package of one's own that names it as an entry point:

- a metric: a module with `measures()`, which gives its columns (`records.Measure`). Here `metrics/its_name.py`, outside
  group `ttsbench.metrics`. Protocols are made of such columns; each can be asked for by its own name, too;
- a protocol: a module with `make()`, which gives a `records.Protocol`. Here `metrics/protocols/its_name.py`, outside
  group `ttsbench.protocols`;
- an extractor, the model behind a metric: a module that turns audio into a feature (see `Extractor`). Here in
  `recognisers/`, `speakers/` or `quality/`; outside any module, named by its full name in `Request.extractor`.
"""

from __future__ import annotations

import functools
import importlib
import typing
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from ttsbench.errors import UserError, unknown
from ttsbench.metrics.models import MissingModel
from ttsbench.records import Feature, Measure, Protocol, Request

__all__ = ["Extract", "Extractor", "MissingModel", "extractor", "metric_names", "protocol", "protocol_names"]

HERE = Path(__file__).parent
Extract = Callable[[Sequence[Request]], list[Feature]]


class Extractor(typing.Protocol):
    """What a module named by `Request.extractor` offers.

    `BATCH`: how many requests make a good call. `identity(settings)`: a small printable dict (model, package version,
    digest of the weights) that names the feature in the cache; it imports no heavy library. `load(settings, device)`
    returns `extract(requests) -> features`, one feature a request, in order. A bad file gives a feature with an error;
    a model that is not there raises MissingModel.
    """

    BATCH: int

    def identity(self, settings: dict[str, str]) -> dict[str, str]: ...

    def load(self, settings: dict[str, str], device: str) -> Extract: ...


def extractor(name: str) -> Extractor:
    """The extractor `name`: "recognisers.faster_whisper", or the full name of a module outside. Raises UserError."""
    for full in (f"ttsbench.metrics.{name}", name):
        try:
            return typing.cast(Extractor, importlib.import_module(full))
        except ModuleNotFoundError as fault:
            if fault.name is None or not full.startswith(fault.name):
                raise
    raise UserError(f"no extractor {name!r}: neither module ttsbench.metrics.{name} nor module {name}")


def protocol_names() -> list[str]:
    """Names of the protocols, for `--protocol`: `embedded`, the others of this package, those of entry points."""
    own = _own_protocols()
    return [*own, *(name for name in _outside("ttsbench.protocols") if name not in own)]


def _own_protocols() -> list[str]:
    names = (path.stem.replace("_", "-") for path in (HERE / "protocols").glob("[a-z]*.py"))
    return sorted(names, key=lambda name: (name != "embedded", name))


def protocol(name: str) -> Protocol:
    """The protocol called `name`; for the name of a metric, a protocol of its one column. Raises UserError."""
    if name not in protocol_names():
        column = _columns().get(name)
        if column is None:
            raise UserError(unknown("protocol", name, protocol_names()))
        metric = column.metric
        return Protocol(name, metric.version, metric.title, metric.about, (column,), source=metric.citation)
    if name in _own_protocols():
        module = importlib.import_module(f"ttsbench.metrics.protocols.{name.replace('-', '_')}")
    else:
        module = _outside("ttsbench.protocols")[name]()
    found: Protocol = module.make()
    if found.name != name:
        raise UserError(f"protocol {name!r} calls itself {found.name!r}: both must be one name")
    return found


def metric_names() -> list[str]:
    """Names of the metrics that can be asked for alone: those of this folder and of entry points."""
    return sorted(_columns())


@functools.lru_cache(maxsize=1)
def _columns() -> dict[str, Measure]:
    """Every column of every module with `measures()`, by name."""
    own = [importlib.import_module(f"ttsbench.metrics.{path.stem}") for path in sorted(HERE.glob("[a-z]*.py"))]
    modules = [*own, *(load() for load in _outside("ttsbench.metrics").values())]
    columns: dict[str, Measure] = {}
    for module in modules:
        for column in module.measures() if hasattr(module, "measures") else ():
            if column.metric.name in columns:
                raise UserError(f"{module.__name__}: there is a metric {column.metric.name!r} already")
            columns[column.metric.name] = column
    return columns


def _outside(group: str) -> dict[str, Callable[[], ModuleType]]:
    """Modules that other packages name as entry points of `group`, by name, loaded when called."""
    return {point.name: point.load for point in sorted(entry_points(group=group), key=lambda point: point.name)}

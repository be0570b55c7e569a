"""Metrics: one file each, put together into named protocols. Importing this package imports nothing heavy.

`protocol(name)` gives the columns of a protocol, `protocol_names()` the names, `extractor(name)` the module that turns
audio into a feature. An extractor module has

- `BATCH`, how many requests make a good call;
- `identity(settings)`, a small printable dict: model, package version, digest of the weights. It names the feature in
  the cache and imports no heavy library;
- `load(settings, device)`, which returns `extract(requests) -> features`, one feature per request, in order. A bad file
  gives a feature with an error; a model that is not there raises MissingModel.
"""

from __future__ import annotations

import importlib
import typing
from collections.abc import Callable, Sequence

from ttsbench.errors import UserError
from ttsbench.metrics.models import MissingModel
from ttsbench.records import Feature, Protocol, Request

__all__ = ["Extract", "Extractor", "MissingModel", "extractor", "protocol", "protocol_names"]

Extract = Callable[[Sequence[Request]], list[Feature]]


class Extractor(typing.Protocol):
    """What a module named by `Request.extractor` offers."""

    BATCH: int

    def identity(self, settings: dict[str, str]) -> dict[str, str]: ...

    def load(self, settings: dict[str, str], device: str) -> Extract: ...


def extractor(name: str) -> Extractor:
    """The extractor `name`, such as "recognisers.pocketsphinx"; raises ValueError for an unknown one."""
    try:
        return typing.cast(Extractor, importlib.import_module(f"ttsbench.metrics.{name}"))
    except ModuleNotFoundError as fault:
        if fault.name is not None and f"ttsbench.metrics.{name}".startswith(fault.name):
            raise UserError(f"no extractor {name!r}: no module ttsbench.metrics.{name}") from fault
        raise


def protocol_names() -> list[str]:
    """Names of the protocols, for `--protocol`."""
    from ttsbench.metrics.protocols import MAKERS

    return list(MAKERS)


def protocol(name: str) -> Protocol:
    """The protocol called `name`; raises ValueError with the known names for another."""
    from ttsbench.metrics.protocols import MAKERS

    if name not in MAKERS:
        raise UserError(f"no protocol {name!r}; there are: {', '.join(MAKERS)}")
    return MAKERS[name]()

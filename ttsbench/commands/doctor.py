"""what is here, what is missing, which protocols can run"""

from __future__ import annotations

import argparse
import json
import shutil
import textwrap
from typing import Any

from ttsbench.metrics import protocol, protocol_names
from ttsbench.metrics.models import MissingModel, version
from ttsbench.metrics.weights import BY_NAME, locate
from ttsbench.metrics.weights_table import TABLE, Weights
from ttsbench.systems import weights as full_size


def missing(model: Weights) -> str:
    """What stands in the way of this model, "" where it can run."""
    return source(model)[1]


def source(model: Weights) -> tuple[str, str]:
    """Which source serves this model, and what stands in its way; one of the two is ""."""
    packages = [name for name in model.needs if not version(name)]
    install = f"pip install {' '.join(packages)}" if packages else ""
    try:
        place, kind = locate(model.name)
    except MissingModel as fault:
        return "", "; ".join(part for part in (install, str(fault)) if part)
    return ("", install) if install else (f"{kind}: {place}", "")


def models() -> list[dict[str, Any]]:
    """A row for each model of the weights table."""
    served = {model.name: source(model) for model in TABLE}
    return [
        {
            "model": model.name,
            "here": not served[model.name][1],
            "served by": served[model.name][0],
            "about": model.about,
            "licence": model.licence,
            "mib": round(model.size / (1 << 20)) if model.size else None,
            "from": model.origin,
            "revision": model.revision or ("" if model.package else "unknown"),
            "sha256": model.sha256 or ("" if model.package else "unknown"),
            "missing": served[model.name][1],
        }
        for model in TABLE
    ]


def able() -> list[dict[str, Any]]:
    """A row for each protocol: can it run, and which models stand in the way."""
    rows = []
    for name in protocol_names():
        needed = protocol(name).models
        gone = [each for each in needed if missing(BY_NAME[each])]
        rows.append({"protocol": name, "runs": not gone, "models": list(needed), "missing": gone})
    return rows


def published() -> list[dict[str, Any]]:
    """A row for each published text-to-speech model and codec: is it here, where, or what is missing and how to get it.

    Tensors are looked for, not read: what is found may still be refused when it is loaded.
    """
    rows = []
    for model in full_size.MODELS.values():
        gone, first = full_size.lacking(model), model.files[0]
        place = "" if gone else str(full_size.place(model))
        rows.append(
            {
                "model": model.name,
                "here": not gone,
                "served by": place,
                "about": model.about,
                "licence": first.licence,
                "from": f"huggingface.co/{first.hub}",
                "revision": first.revision,
                "variable": first.variable,
                "missing": f"{', '.join(gone)}: ttsbench fetch {model.name}, or set {first.variable}" if gone else "",
            }
        )
    return rows


def report() -> list[dict[str, Any]]:
    """All rows: models that judge, published models that speak, protocols."""
    return [*models(), *published(), *able()]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ttsbench doctor`."""
    parser.add_argument("--protocol", metavar="NAME", help="exit non-zero unless this protocol can run")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def run(options: argparse.Namespace) -> int:
    """Print the report. Exit status 1 where the protocol asked for cannot run."""
    lines = able()
    chosen = [row for row in lines if row["protocol"] == options.protocol]
    if options.protocol and not chosen:
        raise MissingModel(f"no protocol {options.protocol!r}; there are: {', '.join(protocol_names())}")
    stuck = [row for row in chosen if not row["runs"]]
    if options.json:
        print(json.dumps({"models": models(), "systems": published(), "protocols": lines}, indent=1))
        return 1 if stuck else 0
    for row in models():
        size = f"{row['mib']} MiB" if row["mib"] else "size unknown"
        _say(f"{'here   ' if row['here'] else 'missing'} {row['model']:24} {row['about']} ({row['licence']}, {size})")
        _say(f"        {row['missing'] or row['served by']}")
    _say("\nFull-size models that speak, and their codecs:")
    for row in published():
        _say(f"{'here   ' if row['here'] else 'missing'} {row['model']:24} {row['about']} ({row['licence']})")
        _say(f"        {row['missing'] or row['served by']}")
    _say("")
    for row in lines:
        state = "can run" if row["runs"] else f"needs {', '.join(row['missing'])}"
        _say(f"{row['protocol']:20} {state}")
    ready = sum(row["runs"] for row in lines)
    _say(f"\n{ready} of {len(lines)} protocols can run on this machine.")
    return 1 if stuck else 0


def _say(line: str) -> None:
    """Print a line, wrapped to the terminal, or to 120 characters where there is none."""
    width = shutil.get_terminal_size((120, 24)).columns
    print(textwrap.fill(line, width, subsequent_indent=" " * 8, break_long_words=False, break_on_hyphens=False))

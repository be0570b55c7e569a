"""list systems, test sets, metrics or protocols"""

from __future__ import annotations

import argparse
import json
from typing import Any

from ttsbench.columns import table
from ttsbench.errors import UserError, unknown

GROUPS = {  # kinds of test sets: heading, columns
    "ready": ("Need nothing; give the name:", ("name", "rows", "seconds", "languages", "licence", "about")),
    "published": ("Published; give the name when it is here:", ("name", "rows", "languages", "get", "here", "about")),
    "layout": ("Layouts of your own lists; give the spec:", ("spec", "about")),
}
SYSTEMS = {  # kinds of systems, and whether they can run: heading, columns
    "in-repo": ("In this repository:", ("name", "languages", "zero-shot", "streams", "licence", "about")),
    "installed": ("Installed here:", ("name", "languages", "zero-shot", "streams", "licence", "about")),
    "installable": ("Installable:", ("name", "languages", "zero-shot", "licence", "install")),
    "by key": ("By key, from the environment:", ("name", "languages", "price", "lacks", "about")),
    "anchor": ("Ends of the scale:", ("name", "about")),
}
KINDS = {"systems": "system", "testsets": "test set", "metrics": "metric", "protocols": "protocol"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ttsbench list`."""
    parser.add_argument("what", choices=KINDS)
    parser.add_argument("--explain", metavar="NAME", help="say in plain words what this one does")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def run(options: argparse.Namespace) -> int:
    """Print the rows, or the explanation of one."""
    text = explain(options.what, options.explain) if options.explain else ""
    found = [] if text else rows(options.what)
    if options.json:
        print(json.dumps(text or found, ensure_ascii=False, default=str, indent=1))
    else:
        grouped = {"testsets": _groups, "systems": _system_groups, "protocols": _with_distances}
        print(text or grouped.get(options.what, table)(found))
    return 0


def _with_distances(found: list[dict[str, Any]]) -> str:
    """The protocols, and the scores that are of a whole set and not of its rows."""
    from ttsbench.metrics.distributions import SCORES

    return f"{table(found)}\n\nOf a set as a distribution (ttsbench distance RUN --protocol NAME): {', '.join(SCORES)}"


def _groups(found: list[dict[str, Any]]) -> str:
    """Test sets by kind, each with the columns that say something about it."""
    blocks = []
    for kind, (heading, columns) in GROUPS.items():
        own = [row | {"here": row.get("here") or "no"} for row in found if row["kind"] == kind]
        blocks.append(heading + "\n" + table([{key: row.get(key, "") for key in columns} for row in own]))
    return "\n\n".join([*blocks, "Licence and address of one: ttsbench list testsets --explain NAME"])


def _system_groups(found: list[dict[str, Any]]) -> str:
    """Systems by where they are, each with the columns that say something about them."""
    blocks = []
    for group, (heading, columns) in SYSTEMS.items():
        if own := [row for row in found if row["group"] == group]:
            blocks.append(heading + "\n" + table([{key: row[key] for key in columns} for row in own]))
    return "\n\n".join([*blocks, "All about one, its card among it: ttsbench list systems --explain NAME"])


def rows(what: str) -> list[dict[str, Any]]:
    """One dict a system, test set, metric or protocol, ready to print or to dump as JSON."""
    if what == "testsets":
        from ttsbench import testsets

        return testsets.listing()
    return {"systems": _systems, "metrics": _metrics, "protocols": _protocols}[what]()


def _systems() -> list[dict[str, Any]]:
    from ttsbench import systems

    return [
        {
            "name": item.card.name,
            "group": _group(item.kind, item.missing),
            "version": item.card.version,
            "languages": " ".join(item.card.languages),
            "rate": item.card.sample_rate,
            "streams": "yes" if item.card.streaming else "no",
            "zero-shot": "yes" if item.card.zero_shot else "no",
            "licence": item.card.licence,
            "price": f"{item.card.price:g} USD/M characters" if item.card.price is not None else "",
            "price source": item.card.price_source,
            "about": item.card.about,
            "lacks": item.missing,
            "install": item.install,
            "paper": item.card.paper,
            "card": str(systems.card_file(item.card.name) or ""),
        }
        for item in systems.listing()
    ]


def _group(kind: str, missing: str) -> str:
    """Where `ttsbench list systems` shows a system."""
    if kind in ("in-repo", "variant"):
        return "installable" if missing else "in-repo"
    return kind if kind in ("by key", "anchor") else "installable" if missing else "installed"


def _protocols() -> list[dict[str, Any]]:
    from ttsbench import metrics

    return [
        {
            "name": protocol.name,
            "version": protocol.version,
            "languages": " ".join(protocol.languages),
            "metrics": " ".join(measure.metric.name for measure in protocol.measures),
            "title": protocol.title,
        }
        for protocol in map(metrics.protocol, metrics.protocol_names())
    ]


def _metrics() -> list[dict[str, Any]]:
    """Every column of every protocol, then the metrics that none has."""
    from ttsbench import metrics

    protocols = [metrics.protocol(name) for name in metrics.protocol_names()]
    within = {measure.metric.name for protocol in protocols for measure in protocol.measures}
    protocols += [metrics.protocol(name) for name in metrics.metric_names() if name not in within]
    return [
        {
            "name": measure.metric.name,
            "protocol": protocol.name,
            "unit": measure.metric.unit,
            "better": measure.metric.better,
            "title": measure.metric.title,
            "about": measure.metric.about,
        }
        for protocol in protocols
        for measure in protocol.measures
    ]


def explain(what: str, name: str) -> str:
    """Plain words about one protocol, metric, test set or system. Raises UserError for an unknown name."""
    known = rows(what)
    found = [row for row in known if row["name"] == name]
    if not found:
        raise UserError(unknown(KINDS[what], name, dict.fromkeys(str(row["name"]) for row in known)))
    if what == "protocols":
        from ttsbench import metrics

        protocol = metrics.protocol(name)
        columns = "\n".join(f"  {m.metric.name:24} {m.metric.about}" for m in protocol.measures)
        return f"{protocol.name} (version {protocol.version}): {protocol.title}\n\n{protocol.explain}\n\n{columns}"
    return "\n\n".join("\n".join(f"{key}: {value}" for key, value in row.items()) for row in found)

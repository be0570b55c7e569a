"""What `ttsbench list` prints: the rooms' contents as rows, and explanations in plain words."""

from __future__ import annotations

from typing import Any

from ttsbench.store import StoreError


def rows(what: str) -> list[dict[str, Any]]:
    """One dict a system, test set, metric or protocol, ready to print or to dump as JSON."""
    if what == "systems":
        from ttsbench import systems

        return [
            {
                "name": item.card.name,
                "kind": item.kind,
                "languages": " ".join(item.card.languages),
                "rate": item.card.sample_rate,
                "streams": "yes" if item.card.streaming else "no",
                "zero-shot": "yes" if item.card.zero_shot else "no",
                "licence": item.card.licence,
                "about": item.missing or item.card.about,
            }
            for item in systems.listing()
        ]
    if what == "testsets":
        from ttsbench import testsets

        return testsets.listing()
    from ttsbench import metrics

    protocols = [metrics.protocol(name) for name in metrics.protocol_names()]
    if what == "protocols":
        return [
            {
                "name": protocol.name,
                "version": protocol.version,
                "languages": " ".join(protocol.languages),
                "metrics": " ".join(measure.metric.name for measure in protocol.measures),
                "title": protocol.title,
            }
            for protocol in protocols
        ]
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
    """Plain words about one protocol, metric, test set or system. Raises StoreError for an unknown name."""
    known = rows(what)
    found = [row for row in known if row["name"] == name]
    if not found:
        raise StoreError(f"no {what[:-1]} named {name!r}; there are: {', '.join(str(row['name']) for row in known)}")
    if what == "protocols":
        from ttsbench import metrics

        protocol = metrics.protocol(name)
        columns = "\n".join(f"  {m.metric.name:24} {m.metric.about}" for m in protocol.measures)
        return f"{protocol.name} (version {protocol.version}): {protocol.title}\n\n{protocol.explain}\n\n{columns}"
    return "\n\n".join("\n".join(f"{key}: {value}" for key, value in row.items()) for row in found)


def table(entries: list[dict[str, Any]]) -> str:
    """Rows as aligned plain text; the last column wraps where the terminal ends."""
    if not entries:
        return "(none)"
    keys = list(entries[0])
    widths = {key: max(len(key), *(len(str(entry.get(key, ""))) for entry in entries)) for key in keys[:-1]}
    lines = ["  ".join([*(f"{key:{widths[key]}}" for key in keys[:-1]), keys[-1]])]
    for entry in entries:
        cells = [f"{entry.get(key, '')!s:{widths[key]}}" for key in keys[:-1]]
        lines.append("  ".join([*cells, str(entry.get(keys[-1], ""))]).rstrip())
    return "\n".join(lines)

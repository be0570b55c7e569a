"""Every yes of the table of evaluators leads to a test that is there, by name."""

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_each_yes_leads_to_a_test() -> None:
    rows = [line.split("|")[1:-1] for line in (DOCS / "peers.md").read_text().splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 20
    for feature, ours, *_ in rows:
        links = re.findall(r'\]\((\S+) "(\w+)"\)', ours)
        assert links or ours.strip() in ("no", "26"), feature
        assert len(links) == ours.count("]("), feature
        for file, test in links:
            assert f"def {test}(" in (DOCS / file).read_text("utf-8"), (feature, test)

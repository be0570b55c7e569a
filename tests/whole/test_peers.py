"""Every yes of the table of evaluators leads to a test that is there."""

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_each_yes_leads_to_a_test() -> None:
    rows = [line.split("|")[1:-1] for line in (DOCS / "peers.md").read_text().splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 20
    for feature, ours, *_ in rows:
        links = re.findall(r"\]\(([^)]+)\)", ours)
        assert links or ours.strip() in ("no", "26"), feature
        for link in links:
            assert (DOCS / link).is_file(), (feature, link)

"""Ids as names of files: which may be one, and when two of them are the same name."""

from __future__ import annotations

import re
import unicodedata

LONGEST_ID = 150  # bytes of UTF-8, so that the id with an ending is a file name everywhere
REPETITION = re.compile(r"(.*)~seed(\d+)", re.DOTALL)  # the id of a sample that is spoken once more with another seed


def id_problem(name: str) -> str:
    """Why `name` cannot name a file of its own, or "". Ids become file names, so they may not steer a path."""
    faults = {
        "is empty": not name,
        "holds a slash": "/" in name or "\\" in name,
        "holds a colon": ":" in name,
        "begins with a dot": name.startswith("."),
        "holds a control character": any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in name),
        "begins or ends with a space": name != name.strip(),
        "is not in composed form (Unicode NFC)": name != composed(name),
        "ends as the id of a repetition does (~seedN)": REPETITION.fullmatch(name) is not None,
        f"is longer than {LONGEST_ID} bytes": len(name.encode("utf-8", "surrogatepass")) > LONGEST_ID,
    }
    return next((fault for fault, found in faults.items() if found), "")


def repetition(name: str, number: int) -> str:
    """The id of a sample's row of seed `number` (from 0, whose id is the sample's own)."""
    return f"{name}~seed{number}" if number else name


def parted(name: str) -> tuple[str, int]:
    """The id of a sample and the number of the seed, from the id of a row."""
    found = REPETITION.fullmatch(name)
    return (found[1], int(found[2])) if found else (name, 0)


def composed(name: str) -> str:
    """`name` in composed form (Unicode NFC): lists and folders made on macOS hold decomposed ones."""
    return unicodedata.normalize("NFC", name)


def folded(name: str) -> str:
    """What two names have in common that are one file on a disk that does not tell upper from lower case."""
    return composed(composed(name).casefold())

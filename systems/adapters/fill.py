"""Placeholders such as `{text}` in a command line or a request, filled in one pass so that no text is read twice."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path

from ttsbench.errors import UserError
from ttsbench.records import Sample
from ttsbench.systems.errors import SpeechError

NAMES = ("text", "language", "prompt", "prompt_base64", "prompt_text", "seed", "output", "text_file", "python", "here")
_FIELD = re.compile(r"\{([a-z][a-z0-9_]*)\}")


def check(template: str, where: str, allowed: tuple[str, ...] = NAMES) -> None:
    """Raise ValueError for a placeholder that will never be filled."""
    for name in _FIELD.findall(template):
        if name not in allowed:
            raise UserError(f"{where}: unknown placeholder {{{name}}} in {template!r}; known: {', '.join(allowed)}")


def fill(template: str, values: Mapping[str, str]) -> str:
    """`template` with each placeholder replaced by its value; values are never searched for placeholders again.

    Raises SpeechError where the sample has no such value (a prompt asked for, none given).
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise SpeechError(f"the card asks for {{{match[1]}}}, which this utterance does not have")
        return values[match[1]]

    return _FIELD.sub(value, template)


def values(sample: Sample, seed: int, names: Mapping[str, str], templates: tuple[str, ...] = ()) -> dict[str, str]:
    """What a sample fills in. `names` renames languages (zh to cmn). The prompt is encoded only where asked for."""
    found = {
        "text": sample.text,
        "language": names.get(sample.language, sample.language),
        "prompt_text": sample.prompt_text,
        "seed": str(seed),
    }
    if sample.prompt is not None:
        found["prompt"] = str(Path(sample.prompt).resolve())
        if any("{prompt_base64}" in template for template in templates):
            found["prompt_base64"] = base64.b64encode(Path(sample.prompt).read_bytes()).decode()
    return found

"""Pages from templates: one self-contained file each, whose policy lets it run its own script and nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from ttsbench.reports import reasons, values

TEMPLATES = Path(__file__).parent / "templates"


@lru_cache(maxsize=1)
def environment() -> jinja2.Environment:
    """Templates that escape everything they print and fail on a misspelt name."""
    engine = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    engine.globals.update(
        number=values.number,
        interval=values.interval,
        heading=values.heading,
        codec_cells=values.codec_cells,
        covered=values.covered,
        value_text=values.value_text,
        failed_text=values.failed_text,
        busy_text=values.busy_text,
        seeds_text=values.seeds_text,
        reasons_text=reasons.reasons_text,
        arrow=values.arrow,
        rank_text=values.rank_text,
        p_value=values.p_value,
        other=values.other,
        zip=zip,
    )
    return engine


def embed(data: Any) -> str:
    """JSON for a script element: no text in it can close the element or open another."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def render(template: str, scripts: Sequence[str] = (), blocks: dict[str, Any] | None = None, **context: Any) -> str:
    """A page from a template, the style sheet, script files of `templates/`, and JSON data blocks by element id.

    The policy in its head lets run exactly this script and this style sheet, and fetch nothing but audio beside it.
    """
    style = (TEMPLATES / "style.css").read_text("utf-8")
    code = "\n".join(["'use strict';", *((TEMPLATES / name).read_text("utf-8") for name in scripts)]) if scripts else ""
    allowed = f"'{_hash(code)}'" if code else "'none'"
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; media-src data: blob: file: 'self'; "
        f"style-src '{_hash(style)}'; script-src {allowed}"
    )
    return environment().get_template(template).render(
        style=markupsafe.Markup(style), code=markupsafe.Markup(code), policy=markupsafe.Markup(policy),
        blocks={key: markupsafe.Markup(embed(data)) for key, data in (blocks or {}).items()}, **context,
    )  # fmt: skip


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

"""What is sent to a speech server: address, headers with the key, body. A key stays in the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit
from xml.sax.saxutils import escape

from ttsbench.errors import UserError
from ttsbench.records import Card, Sample
from ttsbench.systems.adapters import fill

PATH = "/v1/audio/speech"
ALLOWED = ("text", "language", "prompt", "prompt_base64", "prompt_text", "seed")
VARIABLE = re.compile(r"\{([A-Z][A-Z0-9_]*)\}")  # in an address: a variable of the environment
HIDDEN = "[key]"


@dataclass(frozen=True)
class Options:
    """The fields of a card with `adapter = "http"`.

    `url`: of the server or of the request: http://localhost:8000, .../v1 and .../v1/audio/speech are one; {NAME} in
    capitals is a variable of the environment. `format`: what is asked for, raw 16-bit mono 'pcm' at the card's sample
    rate, or 'wav'. `key_variable`: the environment variable that holds the key; `key_header`: where it goes.
    `connect_seconds`, `read_seconds` (longest pause between two pieces), `total_seconds` (of a row, waiting for the
    first piece and for another try included): time limits. `tries`: of status 429, 5xx and broken connections, only
    while no audio has come; a wait that the server asks for is no try. `extra`: more fields of the request, such as
    stream_format = "sse".

    Servers that speak otherwise: `body` is the whole JSON request in place of OpenAI's, `text_body` a request that is
    no JSON (its values are escaped for XML), `headers` go with it; `answer` is the field of a JSON answer that holds
    the audio in base64. Strings of `extra`, `body` and `text_body` may hold {text} {language} {prompt} {prompt_base64}
    {prompt_text} {seed}.
    """

    url: str
    model: str = "tts-1"
    voice: str = "alloy"
    format: Literal["pcm", "wav"] = "pcm"
    key_variable: str = ""
    key_header: str = "Authorization: Bearer {key}"
    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    total_seconds: float = 120.0
    tries: int = 3
    pause: float = 0.5
    language_names: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    text_body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    answer: str = ""


class Request:
    """What a card asks for: `url`, `headers`, and the body of each sample. `shown`: the address as the card has it."""

    def __init__(self, card: Card, options: Options) -> None:
        """Raises UserError for an address or placeholder that cannot work, or a variable that is not set."""
        where = f"card {card.name!r}"
        self.options = options
        self.shown = options.url
        self.url = full_url(with_variables(options.url, where), bool(options.body or options.text_body))
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError(f"{where}: url = {options.url!r}; give http://HOST:PORT{PATH}")
        if parts.password:
            raise UserError(f"{where}: the address holds a password, which a run would keep: set key_variable")
        for template in strings([options.extra, options.body, options.text_body]):
            fill.check(template, where, ALLOWED)
        if options.body and options.text_body:
            raise UserError(f"{where}: body and text_body are two requests; give one")
        self.headers = dict(options.headers)
        self.secret = variable(options.key_variable, where) if options.key_variable else ""
        if self.secret:
            name, colon, value = options.key_header.partition(": ")
            if not colon or "{key}" not in value:
                raise UserError(f"{where}: key_header = {options.key_header!r}; write it as 'NAME: {{key}}'")
            self.headers[name] = value.replace("{key}", self.secret)

    def content(self, sample: Sample, seed: int) -> dict[str, Any]:
        """The body as an argument of the client: `json` or `content`."""
        options = self.options
        templates = tuple(strings([options.extra, options.body, options.text_body]))
        values = fill.values(sample, seed, options.language_names, templates)
        if options.text_body:
            safe = {name: escape(value, {'"': "&quot;", "'": "&apos;"}) for name, value in values.items()}
            return {"content": fill.fill(options.text_body, safe).encode()}
        body: dict[str, Any] = {"model": options.model, "voice": options.voice, "input": sample.text}
        body["response_format"] = options.format
        body = filled(options.body, values) if options.body else body  # the text itself is never read for placeholders
        return {"json": {**body, **filled(options.extra, values)}}

    def without_key(self, text: str) -> str:
        """A text that may be kept: a server may say the key that it refuses."""
        return text.replace(self.secret, HIDDEN) if self.secret else text


def full_url(url: str, whole: bool = False) -> str:
    """The address of the request: a server's own, or one that ends in /v1, gets the rest, if not `whole`."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if whole:
        return url
    if path.endswith(PATH[:3]):
        return urlunsplit(parts._replace(path=path + PATH[3:]))
    return url if path else urlunsplit(parts._replace(path=PATH))


def variable(name: str, where: str) -> str:
    """A variable of the environment. Raises UserError where it is not set."""
    if not (value := os.environ.get(name, "")):
        raise UserError(f"{where}: the environment variable {name} is not set")
    return value


def variables(options: Mapping[str, Any]) -> list[str]:
    """Names of the environment variables that a card needs."""
    found = [*options.get("variables", ()), options.get("key_variable", "")]
    return list(dict.fromkeys([*filter(None, found), *VARIABLE.findall(str(options.get("url", "")))]))


def with_variables(url: str, where: str) -> str:
    """The address with the environment's variables in it."""
    return VARIABLE.sub(lambda match: variable(match[1], where), url)


def strings(value: Any) -> Iterator[str]:
    """All strings inside a TOML value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def filled(value: Any, values: dict[str, str]) -> Any:
    """`value` with the placeholders of its strings filled; a string that is {seed} alone becomes a number."""
    if isinstance(value, str):
        return int(values["seed"]) if value == "{seed}" else fill.fill(value, values)
    if isinstance(value, dict):
        return {name: filled(item, values) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item, values) for item in value]
    return value

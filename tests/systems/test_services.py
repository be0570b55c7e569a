"""Services by key, against a server on the loopback: each asked in its own words, no key in any file or message."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from ttsbench import cli, systems
from ttsbench.errors import UserError
from ttsbench.records import Sample
from ttsbench.systems.adapters import request
from ttsbench.systems.errors import SpeechError

from .test_adapters_http import PCM, Peer, header, peer, send
from .test_known_systems import BY_KEY, card_options, said

__all__ = ["peer"]
SECRET = "sk-very-secret-0123456789"


def server_card(name: str, url: str, folder: Path) -> Path:
    """A shipped card over a server of this machine."""
    source = systems.card_file(name)
    assert source is not None
    text, count = re.subn(r'^url = ".*"$', f'url = "{url}"', source.read_text(), flags=re.MULTILINE)
    assert count == 1
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_SPEECH_REGION", "nowhere")
    for name in BY_KEY:
        monkeypatch.setenv(card_options(name)["key_variable"], SECRET)


@pytest.mark.parametrize(
    ("name", "head", "value"),
    [
        ("openai", "authorization", f"Bearer {SECRET}"),
        ("elevenlabs", "xi-api-key", SECRET),
        ("cartesia", "authorization", f"Bearer {SECRET}"),
        ("azure", "ocp-apim-subscription-key", SECRET),
        ("google", "x-goog-api-key", SECRET),
    ],
)
def test_each_service_is_asked_in_its_own_words(
    peer: Peer, keys: None, tmp_path: Path, name: str, head: str, value: str
) -> None:
    wav = header(len(PCM), 24000) + PCM
    answer = json.dumps({"audioContent": base64.b64encode(wav).decode()}).encode() if name == "google" else PCM
    peer.act = lambda handler: send(handler, [answer], "application/json" if name == "google" else "audio/pcm")
    system = systems.load(str(server_card(name, peer.url, tmp_path)))
    text = 'Tom & "Jerry" <b>run</b> {seed}.'
    sound = said(system, Sample("a", text, "en"), seed=7)
    assert sound.size == len(PCM) // 2 and peer.headers[0][head] == value
    body = peer.raw[0].decode()
    if name == "azure":
        assert "Tom &amp; &quot;Jerry&quot; &lt;b&gt;run&lt;/b&gt; {seed}." in body and "xml:lang='en-US'" in body
        assert peer.headers[0]["content-type"] == "application/ssml+xml"
        assert peer.headers[0]["x-microsoft-outputformat"] == "raw-24khz-16bit-mono-pcm"
        return
    found = peer.bodies[0]
    expected = {
        "openai": {"model": "tts-1", "voice": "alloy", "input": text, "response_format": "pcm"},
        "elevenlabs": {"text": text, "model_id": "eleven_multilingual_v2", "seed": 7},
        "cartesia": {"transcript": text, "language": "en", "model_id": "sonic-3.5"},
        "google": {"input": {"text": text}, "audioConfig": {"audioEncoding": "LINEAR16", "sampleRateHertz": 24000}},
    }[name]
    assert expected.items() <= found.items()
    if name == "cartesia":
        assert peer.headers[0]["cartesia-version"] == "2026-03-01"


def test_a_key_is_in_no_file_and_no_message(
    peer: Peer, keys: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not in run.json, rows, log, page or terminal: neither where all goes well nor where the server says the key."""

    def act(handler: Any) -> None:
        if len(peer.bodies) < 3:
            return send(handler, [PCM])
        data = f'{{"error": "Incorrect API key provided: {SECRET}"}}'.encode()
        handler.send_response(401, f"Unauthorized {SECRET}")
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    peer.act = act
    monkeypatch.chdir(tmp_path)
    card = server_card("elevenlabs", peer.url, tmp_path)
    words = ["run", "--system", str(card), "--testset", "seed-mini", "--limit", "4", "--metrics", "rtf", "--json"]
    assert cli.main(words) == 1
    printed = capfd.readouterr()
    assert "[key]" in printed.err and SECRET not in printed.out + printed.err
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 8
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def test_a_password_in_an_address_is_refused_and_a_key_follows_no_redirect(
    peer: Peer, keys: None, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="holds a password"):
        systems.load("http://me:word@127.0.0.1:1/v1")

    def away(handler: Any) -> None:
        handler.send_response(307)
        handler.send_header("Location", peer.url + "/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    peer.act = away
    with pytest.raises(SpeechError, match="307"):
        said(systems.load(str(server_card("elevenlabs", peer.url, tmp_path))), Sample("a", "Hi."))
    assert len(peer.bodies) == 1


@pytest.mark.parametrize(
    ("field", "said_of_it"),
    [
        ('key_header = "xi-api-key"', "write it as 'NAME: {key}'"),
        ('text_body = "a"\n[body]\nx = "{text}"', "give one"),
        ('[body]\nx = "{nothing}"', "unknown placeholder"),
    ],
)
def test_a_card_that_cannot_work_is_refused(keys: None, tmp_path: Path, field: str, said_of_it: str) -> None:
    path = tmp_path / "card.toml"
    start = 'adapter = "http"\nurl = "http://127.0.0.1:1/x"\nkey_variable = "OPENAI_API_KEY"\n'
    path.write_text(start + field + "\n")
    with pytest.raises(UserError, match=re.escape(said_of_it)):
        systems.load(str(path))


def test_variables_of_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGION", "north")
    assert request.with_variables("https://{REGION}.example/{x}", "card") == "https://north.example/{x}"
    monkeypatch.delenv("REGION")
    with pytest.raises(UserError, match="REGION is not set"):
        request.with_variables("https://{REGION}.example", "card")
    assert request.variables({"url": "https://{A_B}/", "key_variable": "K", "variables": ["V"]}) == ["V", "K", "A_B"]

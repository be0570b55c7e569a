"""Adapters of programs: one process an utterance, and JSON lines to a process that stays; with real processes."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ttsbench import systems
from ttsbench.errors import UserError
from ttsbench.records import Sample, System
from ttsbench.systems.errors import SpeechError

from .spoken import HELLO, speak, tone


def program(tmp_path: Path, body: str, **fields: object) -> object:
    """A command system whose program is a Python script that has `output` at hand."""
    script = tmp_path / "program.py"
    script.write_text("import sys, time, os, wave\noutput = sys.argv[1]\n" + body)
    told = {"seconds": 60, "output": "file", **fields}
    given = "{output}" if told["output"] == "file" else "none"
    lines = [f"{name} = {value!r}" for name, value in told.items()]
    card = tmp_path / "card.toml"
    card.write_text(
        f"name = 'p'\nadapter = 'command'\nargv = ['{{python}}', '{{here}}/program.py', '{given}', '{{text}}']\n"
        + "\n".join(lines)
    )
    return systems.load(str(card))


WRITE = (
    "w = wave.open(output, 'wb'); w.setparams((1, 2, 16000, 0, 'NONE', '')); w.writeframes(b'\\1\\2' * 8000)\n"
    "w.close()\n"
)


def alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(number: int) -> bool:
    until = time.monotonic() + 5
    while alive(number) and time.monotonic() < until:
        time.sleep(0.02)
    return not alive(number)


# --- one process an utterance -------------------------------------------------------------------------------------


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs(name)) for name in ("flite", "espeak-ng")])
@pytest.mark.parametrize(
    "text",
    ["Hello there.", "-o /tmp/x; $(touch /tmp/y) {output}", "<b>bold</b>\nand\tnew line", "=1+1", "שלום hello"],
)
def test_real_programs_speak_whatever_the_text_holds(name: str, text: str) -> None:
    system = systems.load(name)
    assert isinstance(system, System)
    audio = speak(system, Sample("a", text))
    assert 0.3 < audio.size / system.card.sample_rate < 15
    assert np.abs(audio).max() > 0.05


@needs("espeak-ng")
def test_espeak_reads_characters_as_mandarin() -> None:
    system: Any = systems.load("espeak-ng")
    words = ["espeak-ng", "-v", system.options.language_names["zh"], "-q", "-x", "--stdin"]
    phones = subprocess.run(words, input="你知道附近哪里有水果", capture_output=True, text=True, check=True).stdout
    assert "(en)" not in phones, "no voice of another language takes over"


@needs("espeak-ng")
def test_espeak_streams_and_speaks_chinese() -> None:
    system = systems.load("espeak-ng")
    assert isinstance(system, System)
    chunks = [np.asarray(chunk) for chunk in system.synthesize(Sample("a", "今天天气很好。" * 6, language="zh"), 0)]
    # a pipe holds 64 KiB, so that no piece is longer, however long the reader was kept waiting
    assert len(chunks) >= 4 and max(chunk.size for chunk in chunks) <= 33000


@needs("espeak-ng")
def test_five_thousand_characters() -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 112
    assert speak(systems.load("espeak-ng"), Sample("a", text)).size > 22050 * 60


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("print('model file lacks', file=sys.stderr); sys.exit(3)", "ended with status 3; it said: model file lacks"),
        ("os.abort()", "SIGABRT"),
        ("pass", "wrote no file"),
        ("open(output, 'w')", "0 bytes"),
        ("open(output, 'wb').write(b'nonsense' * 400)", "not readable as audio"),
        ("open(output, 'wb').write(b'RIFF')", "inside the header"),
        (WRITE + "d = open(output, 'rb').read(); open(output, 'wb').write(d[:9000])", "cut short"),
        (WRITE + "d = open(output, 'rb').read(); open(output, 'wb').write(d[:44])", "cut short|without samples"),
        (WRITE.replace("16000", "8000"), "8000 Hz, the card says 16000"),
    ],
)
def test_each_way_a_program_fails_is_told(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(SpeechError, match=message):
        speak(program(tmp_path, body, sample_rate=16000))


@pytest.mark.parametrize("output", ["file", "wav"])
def test_the_sound_says_its_rate_where_the_card_does_not(tmp_path: Path, output: str) -> None:
    body = WRITE.replace("16000", "22050")
    if output == "wav":
        body = body.replace("output, 'wb'", "sys.stdout.buffer")
    system = program(tmp_path, body, output=output)
    assert speak(system).size == 8000 and system.card.sample_rate == 22050  # type: ignore[attr-defined]


def test_raw_samples_need_a_rate(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="output = 'pcm' has no header: give the card's sample_rate"):
        program(tmp_path, "pass", output="pcm")


def test_a_program_that_does_not_exist_or_needs_a_prompt(tmp_path: Path) -> None:
    card = tmp_path / "card.toml"
    card.write_text("adapter = 'command'\nargv = ['ttsbench-no-such-program', '{output}']")
    with pytest.raises(SpeechError, match="no such program"):
        speak(systems.load(str(card)))
    card.write_text("adapter = 'command'\nargv = ['true', '{prompt}', '{output}']")
    with pytest.raises(SpeechError, match=r"asks for \{prompt\}"):
        speak(systems.load(str(card)))
    with pytest.raises(SpeechError, match="cannot be started"):
        speak(program(tmp_path, WRITE), Sample("a", "nul \0 byte"))


def test_an_overrun_ends_the_program_and_its_children(tmp_path: Path) -> None:
    body = (
        "import subprocess; p = subprocess.Popen(['sleep', '60']);"
        "open(os.path.dirname(__file__) + '/pids', 'w').write(f'{os.getpid()} {p.pid}'); time.sleep(60)"
    )
    started = time.monotonic()
    with pytest.raises(SpeechError, match="time limit"):
        speak(program(tmp_path, body, seconds=1.0))
    assert time.monotonic() - started < 5
    assert all(gone(int(number)) for number in (tmp_path / "pids").read_text().split())


def test_children_die_when_the_harness_worker_is_killed(tmp_path: Path) -> None:
    body = (
        "import subprocess; p = subprocess.Popen(['sleep', '60']); n = os.path.dirname(__file__) + '/pids';"
        "open(n + '.part', 'w').write(f'{os.getpid()} {p.pid}'); os.replace(n + '.part', n); time.sleep(60)"
    )
    program(tmp_path, body, seconds=60.0)
    code = (
        "import sys; from ttsbench import systems; from ttsbench.records import Sample;"
        "list(systems.load(sys.argv[1]).synthesize(Sample('a', 'x'), 0))"
    )
    worker = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "card.toml")])
    until = time.monotonic() + 20
    while not (tmp_path / "pids").exists() and time.monotonic() < until:
        time.sleep(0.05)
    worker.kill()
    worker.wait()
    assert all(gone(int(number)) for number in (tmp_path / "pids").read_text().split())


def test_raw_samples_come_as_they_are_written(tmp_path: Path) -> None:
    body = "for n in range(4):\n    os.write(1, b'\\0\\x40' * 1000 + b'\\0'); time.sleep(0.15); os.write(1, b'\\x40')\n"
    system = program(tmp_path, body, output="pcm", sample_rate=16000)
    assert isinstance(system, System)
    start, arrivals, pieces = time.monotonic(), [], []
    for chunk in system.synthesize(HELLO, 0):
        arrivals.append(time.monotonic() - start)
        pieces.append(chunk)
    assert np.concatenate(pieces).tolist() == [0.5] * 4004
    assert arrivals[-1] - arrivals[0] > 0.3


def test_a_stream_that_fails_midway_is_an_error_after_its_chunks(tmp_path: Path) -> None:
    system = program(
        tmp_path, "os.write(1, b'\\0\\x40' * 1000); sys.exit('out of memory')", output="pcm", sample_rate=16000
    )
    assert isinstance(system, System)
    chunks = system.synthesize(HELLO, 0)
    assert next(chunks).size == 1000
    with pytest.raises(SpeechError, match="status 1; it said: out of memory"):
        next(chunks)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("pass", "no audio came"),
        ("os.write(1, b'ab' * 9 + b'c')", "inside a sample"),
        ("os.write(1, b'a')", "only 1 byte"),
    ],
)
def test_broken_streams(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(SpeechError, match=message):
        speak(program(tmp_path, body, output="pcm", sample_rate=16000))


def test_giving_up_early_ends_the_program(tmp_path: Path) -> None:
    body = "import os; os.write(1, (b'%06d' % os.getpid()) * 100); time.sleep(60)"
    system = program(tmp_path, body, output="pcm", sample_rate=16000)
    assert isinstance(system, System)
    chunks = system.synthesize(HELLO, 0)
    number = int((next(chunks) * 32768).astype("<i2").tobytes()[:6])
    assert alive(number)
    chunks.close()  # type: ignore[attr-defined]
    assert gone(number)


# --- JSON lines ---------------------------------------------------------------------------------------------------


def lines(tmp_path: Path, body: str, **fields: object) -> object:
    """A system of JSON lines whose program runs `body` for each request `ask`; `say` answers."""
    (tmp_path / "program.py").write_text(
        "import sys, json, base64, time, os\n"
        "def say(**m): print(json.dumps(m), flush=True)\n"
        "def pcm(n): return base64.b64encode(b'\\0\\x40' * n).decode()\n"
        "print('Loading 100%', end=''); say(ready=True)\n"
        "for line in sys.stdin:\n    ask = json.loads(line); r = ask['request']\n"
        + "".join(f"    {line}\n" for line in body.splitlines())
    )
    told = {"seconds": 60, "start_seconds": 60, **fields}
    (tmp_path / "card.toml").write_text(
        "name = 'l'\nadapter = 'json-lines'\nargv = ['{python}', '-u', '{here}/program.py']\n"
        + "\n".join(f"{name} = {value!r}" for name, value in told.items())
    )
    return systems.load(str(tmp_path / "card.toml"))


def test_banners_do_not_corrupt_the_lines(tmp_path: Path) -> None:
    body = (
        "print('warning: {slow}'); print('{}'); print('[1, 2]'); os.write(1, b'\\xff\\xfe{\"\\n')\n"
        "print('progress', end=' '); say(request=r, pcm=pcm(10)); say(request=r - 1, pcm=pcm(5))\n"
        "print('{\"x\": 1} ', end=''); say(request=r, pcm=pcm(20)); say(request=r, done=True)"
    )
    system = lines(tmp_path, body)
    assert [speak(system).size for _ in range(3)] == [30, 30, 30]


def test_a_file_may_answer(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "out.wav", tone(0.25), 16000)
    body = "say(request=r, file='out.wav'); say(request=r, done=True)"
    assert speak(lines(tmp_path, body)).size == 4000
    soundfile.write(tmp_path / "out.wav", tone(0.25), 24000)
    system = lines(tmp_path, body)
    assert speak(system).size == 4000 and system.card.sample_rate == 24000  # type: ignore[attr-defined]
    with pytest.raises(SpeechError, match="24000 Hz, the card says 16000"):
        speak(lines(tmp_path, body, sample_rate=16000))


def test_one_utterance_fails_and_the_next_is_spoken(tmp_path: Path) -> None:
    body = (
        "t = ask['text']\n"
        "if t == 'error': say(request=r, error='too long'); continue\n"
        "if t == 'die': print('cuda gone', file=sys.stderr); sys.exit(9)\n"
        "if t == 'hang': time.sleep(60)\n"
        "if t == 'nothing': say(request=r, done=True); continue\n"
        "if t == 'odd': say(request=r, pcm='AAAA'); say(request=r, done=True); continue\n"
        "if t == 'garbage': say(request=r, pcm='***'); say(request=r, done=True); continue\n"
        "say(request=r, pcm=pcm(10)); say(request=r, done=True)"
    )
    system = lines(tmp_path, body, seconds=3.0)
    for text, message in [
        ("error", "too long"),
        ("die", "status 9; it said: cuda gone"),
        ("hang", "time limit"),
        ("nothing", "no audio came"),
        ("odd", "inside a sample"),
        ("garbage", "not base64"),
    ]:
        with pytest.raises(SpeechError, match=message):
            speak(system, Sample("a", text))
        assert speak(system, Sample("b", "fine")).size == 10


def test_a_program_that_never_gets_ready(tmp_path: Path) -> None:
    for body, message in [("print('x')", "status 0"), ("import time; time.sleep(60)", "time limit")]:
        (tmp_path / "program.py").write_text(body)
        (tmp_path / "card.toml").write_text(
            "adapter = 'json-lines'\nstart_seconds = 1.0\nargv = ['{python}', '{here}/program.py']"
        )
        with pytest.raises(SpeechError, match="ready.*" + message):
            systems.load(str(tmp_path / "card.toml"))

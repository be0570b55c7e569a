"""Cards, and adapters of recordings and classes, through `systems.load`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ttsbench import systems
from ttsbench.records import Recorded, Sample, System
from ttsbench.systems.errors import SpeechError

from .spoken import speak, tone

EXAMPLES = Path(__file__).parents[2] / "examples"
# --- listing and naming -------------------------------------------------------------------------------------------


def test_listing_is_quick_and_loads_no_numbers() -> None:
    code = (
        "import sys; from ttsbench import systems; names = [x.card.name for x in systems.listing()];"
        "assert not {'numpy', 'torch', 'httpx'} & set(sys.modules); print(*names)"
    )
    names = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert {"flite", "espeak-ng", "ground-truth", "copy-prompt", "silence"} <= set(names)
    assert len(names) == len(set(names))


def test_a_wrong_name_shows_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'flite'"):
        systems.load("flit")
    with pytest.raises(ValueError, match="recorded:DIR"):
        systems.load("zzzzzz")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("adapter = 'magic'", "must be one of"),
        ("adapter = 'command'\nargv = ['x', '{output}']\nsecond = 3", "did you mean 'seconds'"),
        ("adapter = 'command'\nargv = 'x'", "array"),
        ("adapter = 'command'\nargv = []", "argv is empty"),
        ("adapter = 'command'\nargv = ['x', '{txt}', '{output}']", "unknown placeholder {txt}"),
        ("adapter = 'command'\nargv = ['x']", "output"),
        ("adapter = 'command'\nargv = ['x', '{output}']\nsample_rate = 'high'", "sample_rate"),
        ("adapter = \n", "line 1"),
        ("adapter = 'http'\nurl = 'localhost'", "give http://"),
        (
            "adapter = 'http'\nurl = 'http://x/'\nkey_variable = 'TTSBENCH_NO_SUCH_KEY'",
            "TTSBENCH_NO_SUCH_KEY is not set",
        ),
        ("adapter = 'python'\nsource = 'x.py'", "FILE.py:CLASS"),
        ("adapter = 'recorded'\nfolder = 'none'", "no such folder"),
    ],
)
def test_a_wrong_card_says_what_to_correct(tmp_path: Path, text: str, message: str) -> None:
    card = tmp_path / "card.toml"
    card.write_text(text)
    with pytest.raises(ValueError, match="(?i)" + message.replace("{", r"\{")):
        systems.load(str(card))


# --- recordings ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg", ".opus"])
def test_recordings_are_found_flat_and_nested(tmp_path: Path, suffix: str) -> None:
    for place in (tmp_path / f"a{suffix}", tmp_path / "19" / "198" / f"19-198-0000{suffix}"):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"x")
    folder = systems.load(f"recorded:{tmp_path}")
    assert isinstance(folder, Recorded)
    assert folder.recording(Sample("a", "")) == tmp_path / f"a{suffix}"
    assert folder.recording(Sample("19-198-0000", "")) == tmp_path / "19" / "198" / f"19-198-0000{suffix}"
    assert folder.recording(Sample("b", "")) is None


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "..", "sub/../../secret", "secret\0", "*", ""])
def test_no_id_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.wav").write_bytes(b"x")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "a.wav").write_bytes(b"x")
    folder = systems.load(f"recorded:{inside}")
    assert isinstance(folder, Recorded)
    assert folder.recording(Sample(name, "")) is None


def test_two_files_of_one_id_are_not_chosen_by_luck(tmp_path: Path) -> None:
    for name in ("a.wav", "a.flac", "x/b.wav", "y/b.wav", "c.wav", "y/c.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    folder = systems.load(f"recorded:{tmp_path}")
    assert isinstance(folder, Recorded)
    with pytest.raises(SpeechError, match="2 files for id 'a'"):
        folder.recording(Sample("a", ""))
    with pytest.raises(SpeechError, match=r"x/b\.wav, y/b\.wav"):
        folder.recording(Sample("b", ""))
    assert folder.recording(Sample("c", "")) == tmp_path / "c.wav"


def test_a_card_can_give_the_pattern_of_names(tmp_path: Path) -> None:
    (tmp_path / "wavs").mkdir()
    (tmp_path / "wavs" / "out_a_gen.wav").write_bytes(b"x")
    (tmp_path / "card.toml").write_text("adapter = 'recorded'\nfolder = 'wavs'\npattern = 'out_{id}_gen'")
    folder = systems.load(str(tmp_path / "card.toml"))
    assert isinstance(folder, Recorded)
    assert folder.recording(Sample("a", "")) == tmp_path / "wavs" / "out_a_gen.wav"


def test_anchors(tmp_path: Path) -> None:
    sample = Sample("a", "x" * 100, prompt=tmp_path / "p.wav", truth=tmp_path / "t.wav")
    truth, copy = systems.load("ground-truth"), systems.load("copy-prompt")
    assert isinstance(truth, Recorded) and truth.recording(sample) == sample.truth
    assert isinstance(copy, Recorded) and copy.recording(sample) == sample.prompt
    silence = speak(systems.load("silence"), sample)
    assert not silence.any() and silence.size == 16000 * 6.5


def test_the_example_of_json_lines_and_of_a_class(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "prompt.wav", tone(), 16000)
    for spec in (str(EXAMPLES / "lines.toml"), f"python:{EXAMPLES / 'tone.py'}:Tone"):
        system = systems.load(spec)
        assert isinstance(system, System)
        sample = Sample("a", "two words", prompt=tmp_path / "prompt.wav")
        assert len(list(system.synthesize(sample, 1))) == 2
        assert np.array_equal(speak(system, sample, 1), speak(system, sample, 1))
        assert not np.array_equal(speak(system, sample, 1), speak(system, sample, 2))


# --- classes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("class A: pass", "needs a member `card`"),
        ("from ttsbench.records import Card\nclass A: card = Card('a')", "needs a method `synthesize"),
        ("class B: pass", "no class 'A'"),
    ],
)
def test_a_class_that_cannot_speak(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "mine.py").write_text(source)
    with pytest.raises(ValueError, match=message):
        systems.load(f"python:{tmp_path / 'mine.py'}:A")


def test_a_card_gives_a_class_its_arguments(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpy as np\nfrom ttsbench.records import Card\n"
        "class A:\n    card = Card('a', sample_rate=8000, licence='MIT')\n"
        "    def __init__(self, n=1): self.n = n\n"
        "    def synthesize(self, sample, seed): yield np.zeros(self.n, np.float32)\n"
    )
    (tmp_path / "card.toml").write_text("adapter = 'python'\nname = 'a5'\nsource = 'mine.py:A'\narguments = {n = 5}")
    system = systems.load(str(tmp_path / "card.toml"))
    assert isinstance(system, System)
    assert speak(system).size == 5
    assert (system.card.name, system.card.sample_rate, system.card.licence) == ("a5", 8000, "MIT")


def test_an_entry_point_is_a_name(tmp_path: Path) -> None:
    (tmp_path / "their_tts.py").write_text((EXAMPLES / "tone.py").read_text())
    info = tmp_path / "their_tts-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-tts\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ttsbench.systems]\ntheirs = their_tts:Tone\n")
    code = (
        "from ttsbench import systems; from ttsbench.records import Sample;"
        "assert 'theirs' in [x.card.name for x in systems.listing()];"
        "print(len(list(systems.load('theirs').synthesize(Sample('a', 'two words'), 0))))"
    )
    path = os.pathsep.join([str(tmp_path), str(EXAMPLES.parent)])
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "2", done.stderr

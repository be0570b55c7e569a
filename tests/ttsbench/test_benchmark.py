"""A run is resumed only where it is the same run; what is checked before the first row; which part --limit takes."""

import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ttsbench import benchmark, identity, systems
from ttsbench.benchmark import Plan, limited, run_one, speaks
from ttsbench.errors import UserError
from ttsbench.files import LOCK, StoreError, locked
from ttsbench.records import Card, Sample, Synthesis, TestSet
from ttsbench.store import Run

VOICE = """
import pathlib
import numpy as np
from ttsbench.records import Card
from beside import LOUD

class Voice:
    card = Card("voice", version="1", languages=("en",))

    def __init__(self, device="none"):
        self.device = device

    def synthesize(self, sample, seed):
        with open(pathlib.Path(__file__).with_name("spoken"), "a") as log:
            log.write(sample.id + " " + self.device + chr(10))
        yield np.full(1600, LOUD * 0.1, dtype=np.float32) * np.sin(np.arange(1600) / 8).astype(np.float32)
"""
CARD = 'name = "small"\nversion = "1"\nadapter = "python"\nsource = "voice.py:Voice"\nweights = ["model.bin"]\n'
SET = TestSet("tiny", (Sample("a", "One."), Sample("b", "Two.")), "CC0", "here", digest="d1")


class Here:
    """An executor without processes."""

    timed = True
    where = ""

    def run(self, tasks: Any, setup: Any, args: Any, **rest: Any) -> Iterator[tuple[int, Any]]:
        handle = setup(*args, *([rest["device"]] if "device" in rest else []))
        return ((index, handle(task)) for index, task in enumerate(tasks))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class, a module beside it, and a card with weights, in the working directory; no processes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(benchmark, "executor", lambda plan: Here())
    monkeypatch.setattr(identity, "run_tasks", lambda tasks, setup, args, log: Here().run(tasks, setup, args))
    monkeypatch.setattr("sys.dont_write_bytecode", True)  # an edit within one second has the time stamp of the old file
    Path("voice.py").write_text(textwrap.dedent(VOICE))
    beside(1)
    Path("model.bin").write_bytes(b"weights")
    Path("card.toml").write_text(CARD)


def beside(loud: int) -> None:
    Path("beside.py").write_text(f"LOUD = {loud}\n")
    sys.modules.pop("beside", None)


def run(spec: str = "python:voice.py:Voice", testset: TestSet = SET, say: Any = lambda text: None, **plan: Any) -> Run:
    given = Plan(**{"protocols": (), "out": Path("runs"), **plan})
    return run_one(spec, testset, given, lambda *_: None, say=say)


def spoken() -> int:
    return len(Path("spoken").read_text().splitlines())


def test_the_same_command_keeps_every_row_and_says_so() -> None:
    first = run()
    before = spoken()
    said: list[str] = []
    second = run(say=said.append, jobs=2, timeout=9.0)  # these do not change what is spoken
    assert spoken() == before and second.syntheses == first.syntheses
    made = first.info["started"][:10]
    assert len(said) == 1 and said[0].startswith(f"2 of 2 rows kept, made {made} ")
    (first.path / "synth.jsonl").write_bytes((first.path / "synth.jsonl").read_bytes().splitlines(keepends=True)[0])
    said.clear()
    run(say=said.append)
    assert said[0].startswith("1 of 2 rows kept") and spoken() == before + 2  # b, twice for warm-up


CHANGES = {
    "seed": lambda: {"seed": 1},
    "code": lambda: Path("voice.py").write_text(Path("voice.py").read_text() + "# other\n"),
    "code beside": lambda: beside(2),
    "card.version '1' -> '2'": lambda: Path("voice.py").write_text(
        Path("voice.py").read_text().replace('version="1"', 'version="2"')
    ),
    "test set 'd1' -> 'd2'": lambda: {"testset": replace(SET, digest="d2")},
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_another_run_in_the_folder_is_refused_by_name_and_started_over_on_request(change: str) -> None:
    first = run()
    rows, lines = first.syntheses, (first.path / "synth.jsonl").read_bytes()
    (first.path / "left").write_text("over")
    asked = CHANGES[change]()
    asked = asked if isinstance(asked, dict) else {}
    word = change.replace(" beside", "").replace("seed", "seed '0' -> '1'")
    with pytest.raises(StoreError, match=r"voice@tiny holds another run: .*" + word) as refused:
        run(**asked)
    assert "--again to start over" in str(refused.value) and (first.path / "synth.jsonl").read_bytes() == lines
    before = spoken()
    again = run(again=True, **asked)
    assert spoken() == before + 3 and not (first.path / "left").exists()
    if change == "code beside":
        assert again.syntheses["a"].digest != rows["a"].digest
    assert run(**asked).syntheses == again.syntheses  # and this one is resumed


def test_recordings_have_no_seed() -> None:
    soundfile.write("a.wav", np.sin(np.arange(16000) / 10), 16000)
    testset = replace(SET, samples=(Sample("a", "One.", truth=Path("a.wav").resolve()),))
    first = run("ground-truth", testset)
    assert run("ground-truth", testset, seed=1).syntheses == first.syntheses and not first.syntheses["a"].error


def test_again_speaks_anew_what_is_there() -> None:
    run()
    before = spoken()
    run(again=True)
    assert spoken() == before + 3


def test_other_weights_or_settings_of_a_card_are_another_run() -> None:
    assert run("card.toml").info["identity"]["weights model.bin"]
    Path("model.bin").write_bytes(b"trained further")
    with pytest.raises(StoreError, match=r"weights model\.bin '[0-9a-f]{16}' -> '[0-9a-f]{16}'\. Give"):
        run("card.toml")
    Path("model.bin").write_bytes(b"weights")
    run("card.toml")
    Path("card.toml").write_text(CARD + 'about = "words alone change nothing"\n')
    run("card.toml")
    Path("card.toml").write_text(CARD + "arguments = {device = 'mine'}\n")
    with pytest.raises(StoreError, match=r"code '[0-9a-f]{16}' -> "):
        run("card.toml")


def test_the_device_is_an_argument_of_the_class() -> None:
    run()
    assert {line.split()[1] for line in Path("spoken").read_text().splitlines()} == {"cpu"}
    assert systems.load("python:voice.py:Voice", "mps").device == "mps"  # type: ignore[union-attr]


def test_a_folder_that_is_no_run_is_left_alone() -> None:
    place = Path("runs/voice@tiny")
    place.mkdir(parents=True)
    (place / "thesis.txt").write_text("years of work")
    for again in (False, True):
        with pytest.raises(StoreError, match="is not a run folder"):
            run(again=again)
    assert (place / "thesis.txt").read_text() == "years of work"


def test_a_folder_that_another_process_writes_is_left_alone() -> None:
    path = run().path
    for again in (False, True):
        with locked(path), pytest.raises(StoreError, match="is being written by process"):
            run(again=again)
    assert Run.open(path).syntheses and (path / LOCK).exists()


# --- checked before the first row ---------------------------------------------------------------------------------

HTTP = 'adapter = "http"\nurl = "http://127.0.0.1:9/v1/audio/speech"\n'


@pytest.mark.parametrize(
    ("card", "word"),
    [
        ('adapter = "command"\nargv = ["no-such-program", "{output}"]\n', "no program 'no-such-program'"),
        ('adapter = "json-lines"\nargv = ["{here}/absent.sh"]\n', "no program .*absent.sh"),
        ('adapter = "python"\nsource = "absent.py:Voice"\n', "no Python file .*absent.py"),
        ('adapter = "python"\nsource = "no_such_module:Voice"\n', "no Python module 'no_such_module'"),
        (CARD.replace("model.bin", "absent.bin"), "no weights absent.bin in"),
        (HTTP, "http://127.0.0.1:9/v1/audio/speech: no server answers"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_spoken(card: str, word: str) -> None:
    Path("outside.toml").write_text(card)
    with pytest.raises(UserError, match=word):
        systems.check("outside.toml")
    with pytest.raises(UserError):
        run("outside.toml")
    assert not Path("runs").exists()


@pytest.mark.parametrize("device", ["cuda:99", "mps:1", "gpu", "cuda:x"])
def test_a_device_that_is_not_here_is_refused(device: str) -> None:
    with pytest.raises(UserError, match=f"--device {device}: "):
        systems.check("silence", device)


def test_a_check_passes_what_can_speak() -> None:
    for spec in ("python:voice.py:Voice", "card.toml", "silence", "ground-truth"):
        systems.check(spec)


def test_a_server_that_is_off_does_not_hinder_a_run_that_is_whole() -> None:
    Path("server.toml").write_text(HTTP)
    path = Path("runs/server@tiny")
    card = systems.card("server.toml")
    assert card is not None
    info = {
        "identity": identity.identity("server.toml", card, SET, 0),
        "seed": 0,
        "system": {"card": {"name": "server"}},
    }
    whole = Run.create(path, info, SET.samples)
    for sample in SET.samples:
        whole.add_synthesis(Synthesis(sample.id, error="once"))
    assert run("server.toml").path == path
    with pytest.raises(UserError, match="no server answers"):
        run("server.toml", retry=True)


def test_reading_a_card_loads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systems, "load", lambda *_: pytest.fail("a system was loaded"))
    monkeypatch.setattr(identity, "run_tasks", lambda *_: pytest.fail("a process was started"))
    for item in systems.listing():
        if item.kind in ("in-repo", "anchor") or item.card.name in ("flite", "espeak-ng"):
            assert identity.card_of(item.card.name) == item.card
    assert identity.card_of("http://host:80/x").name == "http-host-80"


# --- parts --------------------------------------------------------------------------------------------------------


def grid() -> TestSet:
    """14 speakers times 7 categories times 3 rows, speaker after speaker."""
    cells = [(s, c, n) for s in range(14) for c in range(7) for n in range(3)]
    samples = tuple(Sample(f"{s}-{c}-{n}", "x", speaker=f"s{s}", category=f"c{c}") for s, c, n in cells)
    return TestSet("grid", samples, "CC0", "here", digest="d")


@pytest.mark.parametrize("limit", [7, 14, 20, 42, 100])
def test_a_limit_is_spread_evenly_over_speakers_and_categories(limit: int) -> None:
    part = limited(grid(), limit)
    assert len(part.samples) == limit and part.name == f"grid-sample{limit}" and part.digest == f"d:sample{limit}:0"
    for counts, kinds in (
        (Counter(s.speaker for s in part.samples), 14),
        (Counter(s.category for s in part.samples), 7),
    ):
        every = [*counts.values(), *[0] * (kinds - len(counts))]
        assert max(every) - min(every) <= 1, counts
    order = [sample.id for sample in grid().samples]
    assert [sample.id for sample in part.samples] == sorted((s.id for s in part.samples), key=order.index)


def test_a_limit_draws_by_seed_and_keeps_what_a_smaller_one_draws() -> None:
    ids = {(limit, seed): {s.id for s in limited(grid(), limit, seed).samples} for limit in (10, 20) for seed in (0, 1)}
    assert ids[10, 0] < ids[20, 0] and ids[10, 0] != ids[10, 1]
    assert limited(grid(), 10, 1).digest != limited(grid(), 10).digest
    assert limited(grid(), 0) == limited(grid(), 294) == limited(grid(), 999) == grid()


def test_a_system_is_asked_for_its_own_languages_only() -> None:
    both = TestSet("both", (Sample("a", "x", "en"), Sample("b", "x", "zh")), "CC0", "here")
    english = replace(both, samples=both.samples[:1])
    assert speaks(Card("x", languages=("zh",)), both) and not speaks(Card("x", languages=("zh", "ja")), english)
    assert speaks(Card("x", languages=("*",)), english) and speaks(Card("x", languages=("en",)), english)

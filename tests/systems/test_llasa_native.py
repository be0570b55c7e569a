"""Small Llasa's frames in C against torch: the same values, the same draws, and torch alone where there is no C."""

from __future__ import annotations

import copy
import gc
import shutil
from pathlib import Path

import pytest
import torch

from ttsbench.systems.llasa import native
from ttsbench.systems.llasa.decoding import Sampling
from ttsbench.systems.llasa.small import Size, SmallLlasa, Texts, places
from ttsbench.systems.llasa.system import SmallWriter
from ttsbench.systems.nn.counting import count

LEVELS = (16,) * 2 + (8,) * 3 + (4,) * 4  # draws of one, two and three digits
compiled = pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="there is no C compiler")


@pytest.fixture(scope="module")
def model() -> SmallLlasa:
    torch.manual_seed(0)
    return SmallLlasa(Size(LEVELS, dim=48, layers=3, heads=3, hidden=100, digits=22)).eval().requires_grad_(False)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "ttsbench"


def prompt() -> tuple[Texts, torch.Tensor]:
    torch.manual_seed(1)
    codes = torch.stack([torch.randint(0, level, (1, 30)) for level in LEVELS], dim=-1)
    return Texts(torch.randint(1, 41, (1, 9)), places([9], [0], [4.6])[None]), codes


@compiled
@pytest.mark.parametrize("how", [Sampling(0), Sampling(0.8)])
def test_frames_are_those_of_torch(model: SmallLlasa, kept: Path, how: Sampling) -> None:
    fast = native.build(model)
    assert fast is not None and len(list(kept.glob("*.so"))) == 1
    state, hidden = model.begin(*prompt())
    one, two = state.fork(1, 40), state.fork(1, 40)
    here, there = torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    ends = []
    for at in range(31, 71):
        frame, over = model.head.sample(hidden, how, here)
        again, stopped = fast.sample(hidden, how.temperature, there)
        assert torch.equal(frame, again) and torch.equal(over, stopped)
        ends.append(bool(over))
        hidden = model.read(frame, one, at)
        torch.testing.assert_close(fast.read(frame, two, at), hidden, rtol=1e-4, atol=1e-5)
    assert one.length == two.length
    torch.testing.assert_close(two.own[2][0], one.own[2][0], rtol=1e-4, atol=1e-5)
    if how.temperature:
        assert any(ends) and not all(ends)  # the end is drawn among 17 values now and then
    with pytest.raises(ValueError, match="the cache holds"):
        fast.read(frame, two, 71)


@compiled
def test_a_writer_takes_c_for_a_single_row_and_torch_to_count(model: SmallLlasa, kept: Path) -> None:
    class Codec:
        frame_rate = 50.0

    fast = native.build(model)
    assert fast is not None
    calls = []
    reading = fast.read
    fast.read = lambda *given: calls.append(len(given[0])) or reading(*given)  # type: ignore[method-assign, func-returns-value]

    def write(rows: int) -> None:
        writer = SmallWriter(model, Codec(), *prompt(), 40, Sampling(), fast)  # type: ignore[arg-type]
        state, hidden = writer.begin()
        batch = state.fork(rows, 5)
        frames, _ = writer.next(hidden.expand(rows, -1), torch.zeros(rows, 0, len(LEVELS)), torch.Generator())
        assert writer.read(frames, batch).shape == (rows, 48)

    write(1)
    assert calls == [1]
    write(3)
    assert calls == [1]
    assert count(lambda: write(1)).linear > 3 * (4 * 48 * 48 + 2 * 48 * 100) and calls == [1]


def test_torch_does_it_where_c_cannot(model: SmallLlasa, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert native.build(copy.deepcopy(model).bfloat16()) is None
    monkeypatch.setenv("PATH", str(kept))
    assert native.build(model) is None
    monkeypatch.undo()
    monkeypatch.setenv("TTSBENCH_NATIVE", "0")
    assert native.build(model) is None


@compiled
def test_a_compiler_that_fails_and_a_folder_that_is_none_leave_torch(
    model: SmallLlasa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert native.build(model) is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(native, "FLAGS", ("-no-such-flag",))
    assert native.build(model) is None and not list(tmp_path.glob("ttsbench/*"))


@compiled
def test_changed_weights_are_seen(model: SmallLlasa, kept: Path) -> None:
    other = copy.deepcopy(model)
    fast = native.build(other)
    assert fast is not None and fast.fits(other) and not fast.fits(model)
    other.head.bias[0, 16] += 100
    assert not fast.fits(other)


@compiled
def test_weights_are_given_back(model: SmallLlasa, kept: Path) -> None:
    fast = native.build(model)
    assert fast is not None
    given: list[object] = []

    class Watched:
        def __getattr__(self, name: str) -> object:
            return given.append if name == "give_back" else getattr(library, name)

    library = fast.library
    fast.library = Watched()  # type: ignore[assignment]
    del fast
    gc.collect()
    assert len(given) == 2

"""The shipped codecs as systems: recordings there and back."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ttsbench import audio, systems, testsets
from ttsbench.records import Sample
from ttsbench.systems.codecs.round_trip import System
from ttsbench.systems.errors import SpeechError
from ttsbench.systems.nn.vocoder.loss import vocoder_loss

SPEECH = Path(testsets.__file__).parent / "embedded" / "seed-mini" / "wavs"
CARDS = Path(systems.__file__).parent / "adapters" / "cards"


def test_a_codec_keeps_length_says_its_shape_and_speaks_nothing() -> None:
    system = systems.load(str(CARDS / "codec-rvq.toml"))
    facts = system.card.codec
    assert facts is not None and (facts.frame_rate * facts.codebooks, facts.codebook_size, facts.bits_per_second) == (
        400,
        1024,
        4000,
    )
    tone = (0.1 * np.sin(np.arange(24001) / 12)).astype(np.float32)
    assert isinstance(system, System)
    made = system.resynthesize(tone, 24000)
    assert abs(len(made) - 16000) <= 1 and np.isfinite(made).all() and made.std() > 0.001
    with pytest.raises(SpeechError, match="task=resynthesis"):
        next(iter(system.synthesize(Sample("a", "hello"), 0)))


def test_fewer_codebooks_are_fewer_bits_and_too_many_are_refused() -> None:
    four = System("rvq", 4)
    assert four.card.codec is not None and four.card.codec.bits_per_second == 2000
    tone = (0.1 * np.sin(np.arange(16000) / 12)).astype(np.float32)
    assert not np.allclose(four.resynthesize(tone, 16000), System("rvq").resynthesize(tone, 16000))
    with pytest.raises(ValueError, match="8 codebooks, not 9"):
        System("rvq", 9)
    with pytest.raises(ValueError, match="xcodec2"):
        System("mp3")


@pytest.mark.parametrize("name", ["fsq", "rvq", "flowvae"])
def test_a_closed_loop_comes_nearer_in_the_same_bits(name: str) -> None:
    said = audio.read_at(next(iter(sorted(SPEECH.glob("*.opus")))), 16000, stop=2.0)
    open_loop, closed = System(name), systems.load(str(CARDS / f"codec-{name}-closed-loop.toml"))
    assert isinstance(closed, System) and closed.card.codec == open_loop.card.codec

    def away(system: System) -> float:
        made, true = (torch.from_numpy(x)[None] for x in (system.resynthesize(said, 16000), said))
        return float(vocoder_loss(made, true)["total"])

    assert away(closed) < away(open_loop)  # by how much depends on the processor's sums
    short = closed.resynthesize(said[:300], 16000)  # shorter than a window of the loss
    assert short.shape == (300,) and np.isfinite(short).all()


def test_closed_loops_are_for_shipped_codecs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ttsbench.systems.codecs.round_trip._load", lambda *_: object())
    with pytest.raises(ValueError, match="closed loops are for rvq, fsq, flowvae"):
        System("encodec", rounds=3)

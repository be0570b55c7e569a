"""The shipped codecs as systems: recordings there and back."""

from pathlib import Path

import numpy as np
import pytest

from ttsbench import systems
from ttsbench.records import Sample
from ttsbench.systems.codecs.round_trip import System
from ttsbench.systems.errors import SpeechError

CARDS = Path(systems.__file__).parent / "outside" / "cards"


def test_a_codec_keeps_length_says_its_shape_and_speaks_nothing() -> None:
    system = systems.load(str(CARDS / "codec-rvq.toml"))
    facts = system.card.codec
    assert facts is not None and (facts.token_rate, facts.codebook_size, facts.bits_per_second) == (400, 1024, 4000)
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

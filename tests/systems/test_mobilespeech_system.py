"""The shipped MobileSpeech: it speaks whole texts, in the prompt's voice, and says why where it cannot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ttsbench import audio, systems
from ttsbench.records import Resynthesizer, Sample, System
from ttsbench.systems.codecs import checkpoints
from ttsbench.systems.errors import SpeechError
from ttsbench.systems.mobilespeech.system import System as MobileSpeech

FILES = [checkpoints() / name for name in ("mobilespeech.safetensors", "codec-fsq.safetensors", "vocoder.safetensors")]
MISSING = [path.name for path in FILES if not path.is_file()]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not in the folder of checkpoints: {', '.join(MISSING)}")
PROMPTS = sorted((Path(__file__).parents[2] / "testsets/embedded/seed-mini/prompt-wavs").glob("*.opus"))
TEXT = "The train to the coast leaves at seven in the morning."


@pytest.fixture(scope="module")
def system() -> MobileSpeech:
    found = systems.load("mobilespeech")
    assert isinstance(found, MobileSpeech) and isinstance(found, System) and isinstance(found, Resynthesizer)
    return found


def speak(system: MobileSpeech, text: str = TEXT, prompt: Path = PROMPTS[0], seed: int = 0) -> np.ndarray:
    return np.concatenate(list(system.synthesize(Sample("a", text, prompt=prompt), seed)))


def test_it_speaks_at_a_plausible_length_and_level(system: MobileSpeech) -> None:
    one, again, other = speak(system), speak(system), speak(system, seed=1)
    assert one.dtype == np.float32 and 2.0 < one.size / 16000 < 5.0
    assert 0.01 < float(np.sqrt(np.mean(one**2))) < 0.3 and float(np.abs(one).max()) <= 1.0
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def test_the_prompt_changes_the_voice(system: MobileSpeech) -> None:
    low, high = (speak(system, prompt=prompt) for prompt in (PROMPTS[0], PROMPTS[-1]))
    spectra = [np.abs(np.fft.rfft(x[:32000] * np.hanning(32000)))[:4000] for x in (low, high)]
    assert float(np.corrcoef(spectra[0], spectra[1])[0, 1]) < 0.9


@pytest.mark.parametrize("text", ["a", "...", "12:45 £3 <b>x</b> =1+1", "Łódź naïve 🙂"])
def test_odd_texts_are_spoken(system: MobileSpeech, text: str) -> None:
    found = speak(system, text)
    assert found.size and np.isfinite(found).all()


def test_what_it_cannot_do_is_said(system: MobileSpeech) -> None:
    with pytest.raises(SpeechError, match="voice of a prompt"):
        list(system.synthesize(Sample("a", TEXT), 0))
    with pytest.raises(ValueError, match=r"(?i)unsupported|chinese"):
        speak(system, "今天天气很好")


def test_long_texts_come_in_pieces_of_whole_sentences(system: MobileSpeech) -> None:
    text = " ".join([TEXT] * 12)  # 132 words
    chunks = list(system.synthesize(Sample("a", text, prompt=PROMPTS[0]), 0))
    assert len(chunks) == 3  # of 55, 55 and 22 words
    assert 10 * speak(system).size < sum(chunk.size for chunk in chunks) < 13 * speak(system).size


def test_clauses_come_one_by_one() -> None:
    system = systems.load("mobilespeech-clauses")
    assert isinstance(system, System) and system.card.streaming and system.card.name == "mobilespeech-clauses"
    text = "When the rain stopped, we went for a walk. The streets were empty; nobody was there."
    assert len(list(system.synthesize(Sample("a", text, prompt=PROMPTS[0]), 0))) == 4


def test_resynthesis_keeps_length_at_its_own_rate(system: MobileSpeech) -> None:
    heard, rate = audio.read(PROMPTS[0])
    made = system.resynthesize(audio.resample(heard, rate, 24000), 24000)
    assert abs(made.size - heard.size * 16000 / rate) <= 2


def test_a_continuation_says_what_follows(system: MobileSpeech) -> None:
    hurried = " ".join(["every word of this was said in a hurry"] * 6)  # so that the pace is the model's own
    known = Sample("a", TEXT, prompt=PROMPTS[0], prompt_text=hurried, task="continuation", prompt_seconds=1.5)
    unknown = Sample("a", TEXT, prompt=PROMPTS[0], task="continuation", prompt_seconds=1.5)
    lengths = [sum(x.size for x in system.synthesize(sample, 0)) / 16000 for sample in (known, unknown)]
    assert 1.0 < lengths[0] - lengths[1] < 2.0


def test_a_prompt_that_is_slow_for_its_transcript_makes_the_speech_slow(system: MobileSpeech) -> None:
    lengths = {}
    for said in ("", "... !", "今天天气很好", "Yes.", " ".join(["every word of this was said in a hurry"] * 6)):
        sample = Sample("a", TEXT, prompt=PROMPTS[0], prompt_text=said)
        lengths[said[:6]] = sum(len(chunk) for chunk in system.synthesize(sample, 0))
    assert lengths[""] == lengths["... !"] == lengths["今天天气很好"]  # nothing is known of the pace
    assert 1.2 < lengths["Yes."] / lengths[""] < 1.3 and lengths["every "] == lengths[""]

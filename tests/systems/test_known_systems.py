"""Cards over packages that people know: stand-ins with the documented calls, and the real ones where installed."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ttsbench import cli, systems
from ttsbench.errors import UserError
from ttsbench.records import Sample
from ttsbench.systems import cards, preflight
from ttsbench.systems.errors import SpeechError

from .test_adapters_http import PCM, header

SOUND = (0.1 * np.sin(np.arange(2400) / 9)).astype(np.float32)
BY_KEY = ("openai", "openai-mini", "elevenlabs", "cartesia", "azure", "google")
PACKAGES = ("chatterbox", "chatterbox-multilingual", "cosyvoice2", "cosyvoice3", "f5-tts", "hibari", "kokoro",
            "kokoro-int8", "piper", "pocket-tts", "xtts")  # fmt: skip


class Tensor:
    """As much of a torch tensor as the classes use."""

    def __init__(self, samples: np.ndarray) -> None:
        self.samples = samples

    def squeeze(self, axis: int) -> Tensor:
        return Tensor(self.samples[0])

    def cpu(self) -> Tensor:
        return self

    def numpy(self) -> np.ndarray:
        return self.samples


def module(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
    """A stand-in for a module and the packages that it lies in."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        monkeypatch.setitem(__import__("sys").modules, ".".join(parts[:end]), types.ModuleType(".".join(parts[:end])))
    for member, value in members.items():
        setattr(__import__("sys").modules[name], member, value)


@pytest.fixture
def prompt(tmp_path: Path) -> Path:
    path = tmp_path / "prompt.wav"
    path.write_bytes(header(len(PCM)) + PCM)
    return path


def said(system: Any, sample: Sample, seed: int = 5) -> np.ndarray:
    pieces = list(system.synthesize(sample, seed))
    assert all(piece.dtype == np.float32 and piece.ndim == 1 for piece in pieces)
    return np.concatenate(pieces)


def card_options(name: str) -> dict[str, Any]:
    path = systems.card_file(name)
    assert path is not None
    return cards.read(path)[1]


def made(name: str) -> Any:
    """The class of a card with the card's arguments."""
    module_name, _, kind = card_options(name)["source"].partition(":")
    found = getattr(__import__(module_name, fromlist=[kind]), kind)
    return found(**card_options(name).get("arguments", {}))


def test_every_card_says_licence_languages_and_how_to_get_it() -> None:
    shipped = {item.card.name: item for item in systems.listing()}
    assert {*BY_KEY, *PACKAGES} <= set(shipped)
    for name in (*BY_KEY, *PACKAGES):
        item = shipped[name]
        assert item.card.licence != "unknown" and item.card.about and item.card.paper.startswith("https://"), name
        assert item.install, name
        assert item.card.price is None or item.card.price_source, name


def test_f5_tts(monkeypatch: pytest.MonkeyPatch, prompt: Path) -> None:
    asked: dict[str, Any] = {}

    class F5TTS:
        def __init__(self, model: str, device: str) -> None:
            asked.update(model=model, device=device)

        def infer(
            self, ref_file: str, ref_text: str, gen_text: str, nfe_step: int, cfg_strength: float, seed: int
        ) -> Any:
            asked.update(words=(ref_text, gen_text), steps=nfe_step, guidance=cfg_strength, seed=seed, file=ref_file)
            return SOUND, 24000, None

    module(monkeypatch, "f5_tts.api", F5TTS=F5TTS)
    system = made("f5-tts")
    assert np.array_equal(said(system, Sample("a", "Hi.", prompt=prompt, prompt_text="So.")), SOUND)
    assert asked == {"model": "F5TTS_v1_Base", "device": "cpu", "words": ("So.", "Hi."), "steps": 32, "guidance": 2.0,
                     "seed": 5, "file": str(prompt)}  # fmt: skip
    with pytest.raises(SpeechError, match="prompt"):
        said(system, Sample("a", "Hi."))


@pytest.mark.parametrize(
    ("name", "words"), [("cosyvoice2", "So."), ("cosyvoice3", "You are a helpful assistant.<|endofprompt|>So.")]
)
def test_cosyvoice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, prompt: Path, name: str, words: str) -> None:
    class AutoModel:
        def __init__(self, model_dir: str) -> None:
            assert Path(model_dir).is_dir()

        def inference_zero_shot(self, text: str, prompt_text: str, prompt_wav: str, stream: bool) -> Iterator[Any]:
            assert (text, prompt_text, prompt_wav, stream) == ("Hi.", words, str(prompt), True)
            yield from ({"tts_speech": Tensor(SOUND[None])} for _ in range(2))

    module(monkeypatch, "cosyvoice.cli.cosyvoice", AutoModel=AutoModel)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    monkeypatch.setenv("COSYVOICE", str(tmp_path))
    with pytest.raises(UserError, match="no model"):
        made(name)
    (tmp_path / "pretrained_models" / card_options(name)["arguments"]["model"]).mkdir(parents=True)
    assert said(made(name), Sample("a", "Hi.", prompt=prompt, prompt_text="So.")).size == 4800


def test_xtts(monkeypatch: pytest.MonkeyPatch, prompt: Path) -> None:
    asked: list[Any] = []

    class Model:
        def get_conditioning_latents(self, audio_path: list[str]) -> tuple[str, str]:
            asked.append(audio_path)
            return "latent", "speaker"

        def inference_stream(
            self, text: str, language: str, latent: str, speaker: str, enable_text_splitting: bool
        ) -> Iterator[Tensor]:
            asked.append((text, language, latent, speaker))
            yield Tensor(SOUND)

    class TTS:
        def __init__(self, name: str) -> None:
            assert name.endswith("xtts_v2")
            self.synthesizer = types.SimpleNamespace(tts_model=Model())

        def to(self, device: str) -> TTS:
            return self

    module(monkeypatch, "TTS.api", TTS=TTS)
    system = made("xtts")
    for language in ("en", "zh"):
        said(system, Sample("a", "Hi.", language, prompt=prompt))
    assert asked == [[str(prompt)], ("Hi.", "en", "latent", "speaker"), ("Hi.", "zh-cn", "latent", "speaker")]


def test_chatterbox(monkeypatch: pytest.MonkeyPatch, prompt: Path) -> None:
    asked: list[Any] = []

    class Model:
        @classmethod
        def from_pretrained(cls, device: str) -> Model:
            return cls()

        def generate(self, text: str, language_id: str = "none", audio_prompt_path: str | None = None) -> Tensor:
            asked.append((text, language_id, audio_prompt_path))
            return Tensor(SOUND[None])

    module(monkeypatch, "chatterbox.tts", ChatterboxTTS=Model)
    assert said(made("chatterbox"), Sample("a", "Hi.", prompt=prompt)).size == 2400
    module(monkeypatch, "chatterbox.mtl_tts", ChatterboxMultilingualTTS=Model)
    said(made("chatterbox-multilingual"), Sample("a", "Hi.", "zh"))
    assert asked == [("Hi.", "none", str(prompt)), ("Hi.", "zh", None)]


def test_pocket_tts(monkeypatch: pytest.MonkeyPatch, prompt: Path) -> None:
    asked: list[Any] = []

    class TTSModel:
        @classmethod
        def load_model(cls, language: str) -> TTSModel:
            asked.append(language)
            return cls()

        def get_state_for_audio_prompt(self, audio: Path | str, truncate: bool) -> str:
            asked.append(audio)
            return "state"

        def generate_audio_stream(self, state: str, text: str) -> Iterator[Tensor]:
            yield from (Tensor(SOUND), Tensor(SOUND))

    module(monkeypatch, "pocket_tts", TTSModel=TTSModel)
    system = made("pocket-tts")
    for sample in (Sample("a", "Hi.", prompt=prompt), Sample("b", "Ho.", prompt=prompt), Sample("c", "Hu.")):
        assert said(system, sample).size == 4800
    assert asked == ["english", prompt, "alba"]  # a prompt is read once


def test_kokoro(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class KPipeline:
        def __init__(self, lang_code: str, device: str) -> None:
            asked.append(lang_code)

        def __call__(self, text: str, voice: str) -> Iterator[Any]:
            asked.append(voice)
            yield from [("Hi", "haI", SOUND)] * 2

    module(monkeypatch, "kokoro", KPipeline=KPipeline)
    system = made("kokoro")
    for sample in (Sample("a", "Hi."), Sample("b", "你好。", "zh"), Sample("c", "Hi.")):
        assert said(system, sample).size == 4800
    assert asked == ["a", "af_heart", "z", "zf_xiaoxiao", "af_heart"]


@pytest.mark.parametrize("name", ["hibari", "piper", "kokoro-int8"])
def test_what_is_installed_speaks(name: str) -> None:
    try:
        systems.check(name)
    except UserError as fault:
        pytest.skip(str(fault).splitlines()[0][:200])
    system: Any = systems.load(name)
    sample = Sample("a", "The harbour was quiet this morning.")
    sound = said(system, sample)
    assert 1.0 < sound.size / system.card.sample_rate < 6.0 and 0.02 < np.abs(sound).max() <= 1.0
    if name != "piper":  # whose network draws its own noise
        assert np.array_equal(sound, said(system, sample))


def test_what_a_card_lacks_is_said_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    path.write_text('adapter = "python"\npackages = ["no-such-package-here"]\ninstall = "pip install it"\n'
                    'source = "ttsbench.systems.known.xtts:System"\n')  # fmt: skip
    with pytest.raises(UserError, match="no-such-package-here is not installed: pip install it"):
        systems.check(str(path))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UserError, match="OPENAI_API_KEY is not set"):
        systems.check("openai")


def test_the_version_of_a_package_is_part_of_what_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    before = systems.identity("hibari")["code"]
    monkeypatch.setattr("ttsbench.systems.digests._version", lambda name: "99")
    assert systems.identity("hibari")["code"] != before


def test_the_list_groups_systems(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        preflight, "missing_packages", lambda options: [n for n in options.get("packages", []) if n != "f5-tts"]
    )
    assert cli.main(["list", "systems"]) == 0
    printed = capsys.readouterr().out
    blocks = dict(block.split("\n", 1) for block in printed.split("\n\n") if "\n" in block)
    heads = [
        "In this repository:",
        "Installed here:",
        "Installable:",
        "By key, from the environment:",
        "Ends of the scale:",
    ]
    assert list(blocks)[:5] == heads
    assert "f5-tts" in blocks["Installed here:"] and "chatterbox" in blocks["Installable:"]
    assert "15 USD/M" in blocks["By key, from the environment:"] and "llasa" in blocks["In this repository:"]

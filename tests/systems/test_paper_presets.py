"""The paper presets train: each recipe on a tiny shape and a tiny corpus, killed after a step and resumed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
import torch
from safetensors.torch import load_file

from ttsbench import systems
from ttsbench.audio import write
from ttsbench.records import Sample
from ttsbench.systems.codecs.flowvae_full import FlowVAE, FlowVAEShape
from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.corpus.shards import Spoken, collect, write_shard
from ttsbench.systems.kalle import full
from ttsbench.systems.kalle import paper as kalle
from ttsbench.systems.kalle.full import END_OF_TEXT, START_OF_SPEECH
from ttsbench.systems.kalle.model import LLAMA_1B, Kalle, KalleShape, SpeakerShape
from ttsbench.systems.livespeech import paper as livespeech
from ttsbench.systems.livespeech.design import PAPER_GROUPS
from ttsbench.systems.livespeech.full import WEIGHTS, Trained
from ttsbench.systems.livespeech.train import PAPER_RECIPES
from ttsbench.systems.mobilespeech import paper as mobilespeech
from ttsbench.systems.mobilespeech.design import PAPER
from ttsbench.systems.training import stages, trainer
from ttsbench.systems.training.data import StoredCodes, TtsBatches, encode_recordings
from ttsbench.systems.training.llama import published, start_from
from ttsbench.systems.training.log import read_log
from ttsbench.systems.training.trainer import Settings
from ttsbench.systems.weights import MissingWeights

from .spoken_by_run import spoken_by_run

BODY = replace(LLAMA_1B, dim=32, layers=2, heads=4, kv_heads=2, hidden=64)
SPEAKER = SpeakerShape(mels=80, channels=16, wide=24, bottleneck=8, latent=32)
TINY_VAE = FlowVAEShape(latent=8, channels=(2, 2, 4, 4, 4, 8, 8), first=64, flow_hidden=8)


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight utterances of noise by two speakers in two shards, each with a text and two phones."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    for shard in range(2):
        write_shard(
            folder, str(shard), "libritts",
            iter([
                Spoken(f"u{shard}{i}", f"s{i % 2}", "dev" if i == 0 else "train", "hi there",
                 rng.normal(0, 0.1, 8000 + 1600 * i).astype(np.float32), [("hh", 0.2), ("ay", 0.5 + 0.1 * i)])
                for i in range(4)
            ]),
        )  # fmt: skip
    collect(folder)
    return folder


def short(settings: Settings) -> Settings:
    return replace(settings, steps=2, accumulate=min(2, settings.accumulate), save_every=1, eval_every=2, log_every=1)


def train_mobilespeech(corpus: Path, folder: Path) -> object:
    from ttsbench.systems.codecs.encodec import EnCodec

    torch.manual_seed(0)
    design = replace(
        PAPER, dim=32, heads=2, hidden=32, text_hidden=32, text_layers=1, prompt_layers=1, duration_layers=1,
        decoder_layers=1,
    )  # fmt: skip
    return mobilespeech.train_paper(corpus, folder, EnCodec(8), design, short(mobilespeech.SETTINGS))


def train_livespeech(corpus: Path, folder: Path) -> object:
    from ttsbench.systems.codecs.encodec import EnCodec

    torch.manual_seed(0)
    design = replace(
        PAPER_GROUPS, dim=32, heads=2, hidden=32, shared_layers=1, group_layers=1, enrolled=4, encoder_dim=16,
        encoder_layers=1, encoder_heads=2, encoder_hidden=16,
    )  # fmt: skip
    recipe = livespeech.PAPER_RECIPE
    return livespeech.train_paper(
        corpus, folder, EnCodec(16), replace(recipe, design=design, settings=short(recipe.settings)), size=2
    )


def letters() -> Any:
    vocabulary = {letter: at for at, letter in enumerate("abcdefghijklmnopqrstuvwxyz .,")}
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    made.add_special_tokens([END_OF_TEXT, START_OF_SPEECH])
    return made


def train_kalle(corpus: Path, folder: Path) -> object:
    torch.manual_seed(0)
    text_model = Kalle(KalleShape(BODY, 30, 8)).state_dict()  # knows fewer tokens than are needed
    llama = {k.removeprefix("base_model."): v for k, v in text_model.items() if k.startswith("base_model.")}
    shape = KalleShape(BODY, 40, 8, speaker=SPEAKER)
    settings = short(published(10_000))
    return kalle.train_paper(corpus, folder, FlowVAE(TINY_VAE), letters(), llama, shape, settings)


@pytest.fixture(scope="module")
def encodec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with EnCodec's weights, random ones."""
    from safetensors.torch import save_file

    from ttsbench.systems.codecs.encodec import EnCodec

    torch.manual_seed(0)
    folder, model = tmp_path_factory.mktemp("encodec"), EnCodec(8).model
    for layer in model.quantizer.layers:
        layer.codebook.embed.normal_()  # zeros else, and every recording has the same codes
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize(
    ("train", "spec", "variable"),
    [
        (train_livespeech, "python:ttsbench.systems.livespeech.full:Trained", "LIVESPEECH_DIR"),
        (train_mobilespeech, "python:ttsbench.systems.mobilespeech.full:Trained", "MOBILESPEECH_DIR"),
        (train_kalle, "python:ttsbench.systems.kalle.full:Trained", "KALLE_PAPER_DIR"),
    ],
)
def test_two_steps_and_resumed_after_one_end_alike_and_what_is_made_speaks(
    train: Callable[[Path, Path], object],
    spec: str,
    variable: str,
    corpus: Path,
    encodec: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train(corpus, tmp_path / "whole")
    with monkeypatch.context() as patch:
        real = trainer._gradients

        def dying(batches: Any, loss: Any, step: int, *rest: Any) -> dict[str, float]:
            if step == 1:
                raise Killed
            return real(batches, loss, step, *rest)

        patch.setattr(trainer, "_gradients", dying)
        with pytest.raises(Killed):
            train(corpus, tmp_path / "killed")
    first = torch.load(tmp_path / "killed" / "state.pt", weights_only=True)
    assert first["run"]["step"] == 1
    train(corpus, tmp_path / "killed")
    whole, killed = (torch.load(tmp_path / name / "state.pt", weights_only=True) for name in ("whole", "killed"))
    changed = 0
    for name, value in whole["model"].items():
        assert torch.equal(value, killed["model"][name]), name
        changed += not torch.equal(value, first["model"][name])
    assert changed > len(whole["model"]) // 2
    names = {row["name"] for row in read_log(tmp_path / "whole")}
    assert any(name.startswith("eval_") for name in names)

    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(FileNotFoundError, match=r"ttsbench train .* --preset paper"):
        systems.load(spec)
    monkeypatch.setenv("ENCODEC_DIR", str(encodec))
    monkeypatch.setenv(variable, str(tmp_path / "whole"))
    rng = np.random.default_rng(0)
    write(tmp_path / "p.wav", 0.1 * rng.normal(size=16_000).astype(np.float32), 16_000)
    said = spoken_by_run(tmp_path, spec, "runs")
    assert said.size > 500
    assert np.abs(said).max() > 0


def test_of_the_checkpoints_the_one_with_the_lowest_error_rate_is_kept(
    corpus: Path, encodec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENCODEC_DIR", str(encodec))
    tiny = replace(
        PAPER_GROUPS, dim=32, heads=2, hidden=32, shared_layers=1, group_layers=1, enrolled=4, encoder_dim=16,
        encoder_layers=1, encoder_heads=2, encoder_hidden=16,
    )  # fmt: skip
    recipe, settings = livespeech.PAPER_RECIPE, replace(short(livespeech.PAPER_RECIPE.settings), listen_every=1)
    recipe = replace(recipe, design=tiny, settings=replace(settings, steps=3))
    monkeypatch.setitem(PAPER_RECIPES, "adaptive", recipe)
    rates, heard = iter((0.5, 0.2, 0.4)), []

    def hear(system: Any, samples: Any) -> dict[str, float]:
        assert isinstance(system, Trained) and [sample.text for sample in samples] == ["hi there", "hi there"]
        assert next(system.synthesize(samples[0], 0)).size, "what it says leaves nothing behind that stops the training"
        heard.append(system.model.text.weight.detach().clone())
        return {"cer": next(rates)}

    order = stages.Order("livespeech", corpus, tmp_path, preset="paper", listen=2)
    assert stages.run(order, hear) == 0
    kept = load_file(tmp_path / "livespeech-paper" / WEIGHTS)["text.weight"]
    assert [torch.equal(kept, weights) for weights in heard] == [False, True, False]


def test_the_speaker_encoder_gives_voices_of_prompts_and_of_the_prior(corpus: Path, tmp_path: Path) -> None:
    train_kalle(corpus, tmp_path)
    write(tmp_path / "p.wav", 0.1 * np.random.default_rng(0).normal(size=16_000).astype(np.float32), 16_000)
    sample = Sample("a", "hi there", prompt=tmp_path / "p.wav", prompt_text="hi")
    short_ = {"most": 6, "stop": 0.0}

    def said(seed: int = 1, text: str = "hi", prompt: Path | None = sample.prompt, **more: Any) -> np.ndarray:
        system = full.Trained(tmp_path, sampling=short_, **more)
        return np.concatenate(list(system.synthesize(replace(sample, prompt=prompt, prompt_text=text), seed)))

    assert not np.array_equal(said(), said(context=False))  # prompt and speaker latent; the latent alone
    np.testing.assert_array_equal(said(context=False), said(text=""))
    np.testing.assert_array_equal(said(voice=7), said(voice=7, prompt=None))  # a stored voice, whatever the prompt
    drawn = full.Trained(tmp_path)
    latents = [drawn.speaker(None, seed) for seed in (1, 1, 2)]
    assert torch.equal(latents[0], latents[1]) and not torch.equal(latents[0], latents[2])
    tuned = {"samples": 4, "batch": 2, "lr": 1e-2}
    assert not np.array_equal(said(), said(test_time=tuned))
    released = full.Released(Kalle(KalleShape(BODY, 40, 8)), drawn.codec, drawn.tokenizer, voice=7)
    with pytest.raises(ValueError, match="no speaker encoder"):
        list(released.synthesize(sample, 1))


def test_codes_are_stored_once_and_a_killed_encoding_goes_on(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, calls = Corpus(corpus), []

    class Level:
        name, sample_rate, hop, frame_rate = "level", 16000, 320, 50.0
        codebooks, codebook_size, levels, bits_per_second = 1, 99, (99,), None

        def encode(self, audio: torch.Tensor) -> torch.Tensor:
            calls.append(audio.shape[1])
            if len(calls) == 6:
                raise Killed
            return torch.full((1, audio.shape[1] // 320 + 1, 1), audio.shape[1] // 160)

    codec: Any = Level()
    with pytest.raises(Killed):
        encode_recordings(data, codec, "level")
    encode_recordings(data, codec, "level")
    assert len(calls) == 6 + 4  # the first shard's four are not encoded again
    encode_recordings(data, codec, "level")
    assert len(calls) == 10
    stored = StoredCodes(data, "level")
    for u in data.utterances:
        assert stored.of(u).tolist() == [[u.frames]] * (u.frames // 2)
    assert sorted(path.name for path in corpus.glob("codes-level*")) == ["codes-level.json", "codes-level.npy"]
    batch = TtsBatches(data, "level", 50.0)(0)
    assert torch.equal(batch.durations.sum(1), batch.lengths)


def test_published_schedules() -> None:
    assert trainer.schedule(0.5, 10**6, mobilespeech.SETTINGS) == pytest.approx(0.5)  # a line, not a cosine
    assert trainer.schedule(0.9, 10**6, mobilespeech.SETTINGS) == pytest.approx(0.1)
    settings = published(320_000)
    assert (settings.steps, settings.warmup, settings.accumulate) == (2000, 60, 40)


def test_a_llama_that_does_not_fit_is_named() -> None:
    model = Kalle(KalleShape(BODY, 40, 8))
    with pytest.raises(ValueError, match=r"base_model\.model\.\S+ is None"):
        start_from(model, {}, "base_model.")
    tensors = {k.removeprefix("base_model."): v for k, v in model.state_dict().items()}
    tensors["model.norm.weight"] = torch.ones(7)
    with pytest.raises(ValueError, match=r"model\.norm\.weight is \(7,\), wanted \(32,\)"):
        start_from(model, tensors, "base_model.")


@pytest.mark.parametrize(
    ("what", "file"),
    [
        ("livespeech", "EnCodec 24 kHz: model.safetensors"),
        ("mobilespeech", "EnCodec 24 kHz: model.safetensors"),
        ("kalle", "KALL-E Flow-VAE: flowvae.pt"),
        ("llasa", "X-codec2: model.safetensors"),
    ],
)
def test_missing_weights_are_named(
    what: str, file: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTSBENCH_WEIGHTS", str(tmp_path))
    for variable in ("ENCODEC_DIR", "KALLE_DIR", "XCODEC2_DIR", "LLASA_DIR"):
        monkeypatch.delenv(variable, raising=False)
    order = stages.Order(what, corpus, tmp_path, preset="paper")
    with pytest.raises(MissingWeights, match=f"{file} is not on this machine. Put"):
        stages.run(order)
    with pytest.raises(ValueError, match="leave --minutes"):
        stages.run(replace(order, minutes=3.0))

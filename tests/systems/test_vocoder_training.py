"""The vocoder and the decoders trained against critics, on a corpus of two short recordings."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ttsbench.systems.codecs.mel_codec import FlowVAE, build
from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.corpus.shards import Spoken, write_shard
from ttsbench.systems.nn.vocoder import Vocoder
from ttsbench.systems.training import joint, vocoder
from ttsbench.systems.training.codec import Spread
from ttsbench.systems.training.log import read_log
from ttsbench.systems.training.trainer import export


class Killed(Exception):
    pass


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A rising tone with overtones in train and dev, and synthetic noise that must not be taken."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    t = np.arange(16000) / 16000
    speech = sum(0.1 / k * np.sin(2 * np.pi * k * (120 * t + 40 * t**2)) for k in range(1, 20)).astype(np.float32)
    noise = np.random.default_rng(0).uniform(-0.9, 0.9, 16000).astype(np.float32)

    def spoken(sound: np.ndarray, *splits: str) -> Iterator[Spoken]:
        for split in splits:
            yield Spoken(f"{split}-1", "one", split, "", sound, [])

    write_shard(folder, "kathleen", "kathleen", spoken(speech, "train", "dev"))
    write_shard(folder, "flite", "flite", spoken(noise, "train"))
    manifest = "".join((folder / f"shard-{name}.jsonl").read_text() for name in ("kathleen", "flite"))
    (folder / "manifest.jsonl").write_text(manifest)
    return folder


def test_a_crop_has_the_mels_of_its_place_in_the_recording(corpus: Path) -> None:
    data = Corpus(corpus)
    audio = vocoder.crops(data, "train", 6, 32)(3)
    mel, true = vocoder.cut(audio)
    assert mel.shape == (6, 32, 100) and true.shape == (6, 32 * 160)
    whole = torch.from_numpy(data.mel(data.select("train", "kathleen")[0]))
    for row in mel:
        errors = []
        for first in range(100 - 32 + 1):
            apart = row - whole[first : first + 32]
            errors.append(float((apart - apart.median()).abs().median()))  # a gain shifts log-mels
        assert min(errors) < 2e-3


def test_crops_of_synthetic_speech_alone_and_of_nothing(corpus: Path) -> None:
    data = Corpus(corpus)
    data.utterances = [u for u in data.utterances if u.source == "flite"]
    assert float(vocoder.crops(data, "train", 2, 32)(0).std()) > 0.2
    data.utterances = []
    with pytest.raises(ValueError, match="no utterance in split 'train'"):
        vocoder.crops(data, "train", 2, 32)


def killed_at(step: int, make: Callable[..., Any]) -> Callable[..., Any]:
    """`make` gives a function from step to a batch; one that raises Killed at `step`."""

    @functools.wraps(make)
    def made(*words: Any, **named: Any) -> Callable[[int], Any]:
        at = make(*words, **named)

        def batch(number: int) -> Any:
            if number == step:
                raise Killed
            return at(number)

        return batch

    return made


def often(make: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *words: replace(make(*words), save_every=2, log_every=1, eval_every=10)


def test_the_vocoder_learns_and_resumes_bit_for_bit(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vocoder, "Vocoder", lambda: Vocoder(32, 64, 3))
    monkeypatch.setattr(vocoder, "settings", often(vocoder.settings))
    fit = functools.partial(vocoder.train_vocoder, corpus, batch=2, frames=16, lr=3e-3, head_start=2)
    fit(tmp_path / "whole", steps=9)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(vocoder, "crops", killed_at(5, vocoder.crops))
        fit(tmp_path / "killed", steps=9)
    assert not (tmp_path / "killed" / "vocoder.safetensors").exists()
    fit(tmp_path / "killed", steps=9)
    whole, killed = (load_file(tmp_path / name / "last.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], killed[name]) for name in whole) and whole.keys() == killed.keys()
    own = load_file(tmp_path / "whole" / "vocoder.safetensors")
    assert own.keys() == Vocoder(32, 64, 3).state_dict().keys()
    log = [float(row["value"]) for row in read_log(tmp_path / "whole") if row["name"] == "mel"]
    assert log[-1] < log[0]


def test_decoders_learn_while_codes_stay_and_a_killed_run_resumes_bit_for_bit(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    codecs = {name: tmp_path / f"codec-{name}.safetensors" for name in ("fsq",)}
    for name, path in codecs.items():
        export(build(name).state_dict(), path)
    export(Vocoder(32, 64, 3).state_dict(), tmp_path / "vocoder.safetensors")
    monkeypatch.setattr(joint, "Vocoder", lambda: Vocoder(32, 64, 3))
    monkeypatch.setattr(joint, "judge", lambda model, clips: {"loss": 0.0})
    monkeypatch.setattr(joint, "settings", often(joint.settings))
    fit = functools.partial(
        joint.train_joint, corpus, steps=4, minutes=None, vocoder=tmp_path / "vocoder.safetensors", codecs=codecs,
        batch=1, frames=16, head_start=1,
    )  # fmt: skip
    fit(tmp_path / "whole")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(joint, "crops", killed_at(3, joint.crops))
        fit(tmp_path / "killed")
    fit(tmp_path / "killed")
    whole, killed = (load_file(tmp_path / name / "last.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], killed[name]) for name in whole)
    joint.split_weights(tmp_path / "whole" / "last.safetensors", tmp_path / "new", shipped=False)
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"codec-fsq.safetensors", "vocoder.safetensors"}
    before, after = load_file(codecs["fsq"]), load_file(tmp_path / "new" / "codec-fsq.safetensors")
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"decoder", "outward", "skip_out"}


def test_whole_codecs_learn_before_a_vocoder_that_stays(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    codecs = {"flowvae": tmp_path / "codec-flowvae.safetensors"}
    export(build("flowvae").state_dict(), codecs["flowvae"])
    export(Vocoder(32, 64, 3).state_dict(), tmp_path / "vocoder.safetensors")
    monkeypatch.setattr(joint, "Vocoder", lambda: Vocoder(32, 64, 3))
    monkeypatch.setattr(joint, "judge", lambda model, clips: {"loss": 0.0})
    monkeypatch.setattr(joint, "settings", often(joint.settings))
    fit = functools.partial(
        joint.train_joint, corpus, steps=4, minutes=None, vocoder=tmp_path / "vocoder.safetensors", codecs=codecs,
        batch=1, frames=16, head_start=1, encoders=True,
    )  # fmt: skip
    fit(tmp_path / "whole")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(joint, "crops", killed_at(3, joint.crops))
        fit(tmp_path / "killed")
    fit(tmp_path / "killed")
    whole, killed = (load_file(tmp_path / name / "last.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], killed[name]) for name in whole)
    states = [torch.load(tmp_path / name / "state.pt", weights_only=True)["also"] for name in ("whole", "killed")]
    assert states[0] == states[1] and states[0][0]["weight"] > 3e-5  # the deviation was below its aim
    joint.split_weights(tmp_path / "whole" / "last.safetensors", tmp_path / "new", shipped=False)
    before, after = load_file(codecs["flowvae"]), load_file(tmp_path / "new" / "codec-flowvae.safetensors")
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert {"encoder", "inward", "spread", "flow", "decoder"} <= changed
    first, last = load_file(tmp_path / "vocoder.safetensors"), load_file(tmp_path / "new" / "vocoder.safetensors")
    assert all(torch.equal(first[name], last[name]) for name in first)


def test_the_divergences_weight_follows_the_posteriors_deviation() -> None:
    vae = build("flowvae")
    assert isinstance(vae, FlowVAE)
    spread = Spread(vae, aim=0.5)
    for _ in range(100):
        spread.follow(0.1)
    risen = vae.weight
    assert 1e-4 < risen < 2e-4
    spread.follow(0.5)
    assert vae.weight == pytest.approx(risen)
    spread.follow(0.9)
    assert vae.weight < risen
    again = Spread(build("flowvae"))  # type: ignore[arg-type]
    again.load_state_dict(spread.state_dict())
    assert again.model.weight == vae.weight

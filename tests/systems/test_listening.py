"""Held-out sentences spoken with the weights of a system in training."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ttsbench.audio import read
from ttsbench.records import Sample, System
from ttsbench.systems.codecs import checkpoints
from ttsbench.systems.corpus.build import collect, write_shard
from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.training.listening import held_out, listener

pytestmark = pytest.mark.skipif(
    not (checkpoints() / "codec-flowvae.safetensors").is_file(), reason="the shipped codecs are not here"
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    write_shard(
        folder, "x", "flite",
        iter([
            (f"u{i}", f"s{i % 3}", "dev" if i < 3 else "train", f"Sentence {i}.",
             rng.normal(0, 0.1, 16000 + 8000 * i).astype(np.float32), [])
            for i in range(9)
        ]),
    )  # fmt: skip
    collect(folder)
    return folder


def test_held_out_sentences_come_with_a_prompt_of_their_speaker(corpus: Path, tmp_path: Path) -> None:
    samples = held_out(Corpus(corpus), tmp_path, 2)
    assert [(s.id, s.speaker, s.prompt_text) for s in samples] == [
        ("u0", "s0", "Sentence 3."),
        ("u1", "s1", "Sentence 4."),
    ]
    assert samples[0].prompt is not None and len(read(samples[0].prompt)[0]) == 40000
    (tmp_path / "manifest.jsonl").write_text("")
    with pytest.raises(ValueError, match="--listen 0"):
        held_out(Corpus(tmp_path), tmp_path, 2)


def livespeech() -> nn.Module:
    from ttsbench.systems.livespeech.design import SMALL
    from ttsbench.systems.livespeech.model import LiveSpeech

    return LiveSpeech(SMALL)


def mobilespeech() -> nn.Module:
    from ttsbench.systems.mobilespeech.design import SMALL
    from ttsbench.systems.mobilespeech.model import MobileSpeech
    from ttsbench.systems.mobilespeech.train import Trained

    return Trained(MobileSpeech(SMALL))


def kalle() -> nn.Module:
    from ttsbench.systems.kalle.model import SMALL, Kalle

    return Kalle(SMALL)


def llasa() -> nn.Module:
    from ttsbench.systems.codecs import load_codec
    from ttsbench.systems.llasa.small import Size, SmallLlasa

    return SmallLlasa(Size(load_codec("fsq").levels, 64, 4, hidden=64, pace=4.5))


@pytest.mark.parametrize("make", [livespeech, mobilespeech, kalle, llasa])
def test_every_system_is_heard_with_the_weights_it_has_now(
    make: Callable[[], nn.Module], corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TTSBENCH_CHECKPOINTS", raising=False)
    what, threads = make.__name__, torch.get_num_threads()
    seen: list[tuple[Any, Sequence[Sample]]] = []

    def hear(system: Any, samples: Sequence[Sample]) -> dict[str, float]:
        seen.append((system, samples))
        return {"wer": 0.25}

    torch.manual_seed(0)
    module = make()
    listen = listener(what, corpus, tmp_path, checkpoints(), 2, hear)
    assert listen(module) == {"wer": 0.25}
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(2.0)
    listen(module)
    (first, samples), (second, _) = seen
    sizes = [float(sum(p.float().square().sum() for p in system.model.parameters())) for system in (first, second)]
    assert isinstance(first, System) and first.card.name == what and len(samples) == 2
    assert sizes[1] == pytest.approx(4 * sizes[0], rel=0.05)
    assert "TTSBENCH_CHECKPOINTS" not in os.environ and torch.get_num_threads() == threads

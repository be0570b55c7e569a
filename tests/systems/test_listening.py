"""Held-out sentences spoken with the weights of a system in training."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ttsbench.audio import read, write
from ttsbench.errors import UserError
from ttsbench.records import Sample, System
from ttsbench.systems.codecs import checkpoints
from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.corpus.shards import Spoken, collect, write_shard
from ttsbench.systems.training.listening import held_out, listener, pairs

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
            Spoken(f"u{i}", f"s{i % 3}", "dev" if i < 3 else "train", f"Sentence {i}.",
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


def test_recorded_voices_are_listened_to_where_the_corpus_has_any(corpus: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (corpus / "manifest.jsonl").read_text().splitlines()]
    for row in rows:
        row["source"] = "librispeech" if row["speaker"] == "s1" else "flite"
    for path in corpus.glob("shard-*"):
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [(s.id, s.speaker) for s in held_out(Corpus(tmp_path), tmp_path / "held-out", 3)] == [("u1", "s1")]


def readers(folder: Path, table: str) -> Path:
    for name in ("a-1", "a-2", "b-1", "c-1"):
        (folder / name[0]).mkdir(exist_ok=True)
        write(folder / name[0] / f"{name}.flac", np.zeros(1600, np.float32), 16000)
    (folder / "transcripts.tsv").write_text(table, encoding="utf-8")
    return folder


def test_a_folder_of_readers_gives_every_text_another_clip_of_its_reader(tmp_path: Path) -> None:
    table = 'utt\ttext\na-1\tOne.\na-2\tTwo "quoted.\nb-1\tThree.\nc-1\t四个苹果\nd-9\t\n'
    found = pairs(readers(tmp_path, table))
    said = [(s.text, s.prompt.stem, s.prompt_text, s.speaker) for s in found if s.prompt]
    assert said == [
        ("One.", "a-2", 'Two "quoted.', "a"),
        ('Two "quoted.', "a-1", "One.", "a"),
        ("四个苹果", "b-1", "Three.", "b"),  # readers with one recording: another one's text
        ("Three.", "c-1", "四个苹果", "c"),
    ]
    assert [s.language for s in found] == ["en", "en", "zh", "en"]
    assert all(s.truth and s.truth.is_file() and s.truth != s.prompt for s in found)
    assert len({s.id for s in found}) == 4


def test_a_folder_that_does_not_fit_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"transcripts\.tsv: not there"):
        pairs(tmp_path)
    with pytest.raises(UserError, match=r"transcripts\.tsv, line 3: no recording 'x-1.wav'"):
        pairs(readers(tmp_path, "file\tspeaker\ttext\na/a-1.flac\ta\tOne.\nx-1.wav\ta\tTwo.\n"))


def test_a_folder_of_prompts_is_listened_to_in_place_of_the_corpus(tmp_path: Path) -> None:
    folder = readers(tmp_path, "file\tspeaker\ttext\na-1.flac\ta\tOne.\na-2.flac\ta\tTwo.\n")
    seen: list[Sequence[Sample]] = []

    def hear(system: Any, samples: Sequence[Sample]) -> dict[str, float]:
        seen.append(samples)
        return {"score": 0.5}

    listen = listener("kalle", tmp_path / "no corpus", tmp_path / "run", checkpoints(), 1, hear, folder)
    assert listen(kalle()) == {"score": 0.5}
    assert [sample.text for sample in seen[0]] == ["One."]


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

"""How full-size Llasa is trained: what is learned, the loss against transformers, an interrupted run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ttsbench.audio import write
from ttsbench.systems.codecs import Codec
from ttsbench.systems.codecs.xcodec2 import XCodec2, XCodec2Shape
from ttsbench.systems.corpus.shards import Spoken, collect, write_shard
from ttsbench.systems.llasa import core, full, prompt, tuning
from ttsbench.systems.training.llama import published as published_settings
from ttsbench.systems.training.llama import start_from
from ttsbench.systems.training.paper import Paper, train_paper

from .llasa_folder import publish, write_tokenizer
from .spoken_by_run import spoken_by_run


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tokenizer(tmp_path_factory.mktemp("llasa"))


def test_only_speech_is_learned(published: Path) -> None:
    tokenizer = prompt.load_tokenizer(published)
    found = tuning.row(tokenizer, "Hi.", [7, 9], 400)
    kept = found.labels[found.labels != tuning.UNLABELLED].tolist()
    assert kept == [prompt.START, core.SPEECH + 7, core.SPEECH + 9, prompt.END]
    assert (found.ids[found.labels != tuning.UNLABELLED] == torch.tensor(kept)).all()
    after = found.ids[found.ids.tolist().index(prompt.END) + 1 :]
    assert len(after) > 10
    assert set(after.tolist()) == {tokenizer.token_to_id("<|eot_id|>")}
    short = tuning.row(tokenizer, "Hi.", [7] * 900, 400)
    assert short.ids.shape == short.labels.shape == (400,)
    assert short.labels[-1] == core.SPEECH + 7


def test_the_other_direction_learns_the_text_behind_the_speech(published: Path, tmp_path: Path) -> None:
    """Recognition (Table 3): only the text is learned, and what overfits one row says it again."""
    tokenizer = prompt.load_tokenizer(published)
    found = tuning.row(tokenizer, "Hi.", [7, 9], 170, heard=True)
    kept = found.labels[found.labels != tuning.UNLABELLED].tolist()
    assert tokenizer.decode(kept[1:-1]) == "Hi." and kept[-1] == prompt.TEXT_END
    assert kept[0] == core.TEXT + core.MARKERS.index("<|TEXT_GENERATION_START|>")
    ids = found.ids.tolist()
    marks = [core.TEXT + core.MARKERS.index(f"<|SPEECH_UNDERSTANDING_{kind}|>") for kind in ("START", "END")]
    assert ids[ids.index(marks[0]) : ids.index(marks[1]) + 1] == [marks[0], core.SPEECH + 7, core.SPEECH + 9, marks[1]]
    torch.manual_seed(0)
    model = core.Llama(core.Config(core._shape(32, 1, 8, 48, 32.0)))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(12):
        loss = tuning.loss(model, found.ids[None], found.labels[None])["nats"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    tuning.write_published(model.eval(), tokenizer, tmp_path)

    class Two:
        def encode(self, audio: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[[7], [9]]])

    listener = full.Paper(tmp_path, Two())
    assert listener.transcribe(np.zeros(640, np.float32), 16_000) == "Hi."


def test_loss_equals_transformers_and_falls(tmp_path: Path) -> None:
    theirs = publish(tmp_path, True)
    model = core.load(tmp_path)
    torch.manual_seed(0)
    ids = torch.randint(0, 120, (6, 20))
    labels = ids.clone()
    labels[:, :8] = tuning.UNLABELLED
    before = tuning.loss(model, ids, labels)["nats"]
    torch.testing.assert_close(before, theirs(ids, labels=labels).loss, atol=1e-4, rtol=1e-4)
    rows = [tuning.Row(one, two) for one, two in zip(ids, labels, strict=True)]
    settings = tuning.Settings(steps=15, lr=3e-3, warmup=1, ema=0.0, save_every=15, bf16=False)
    tuning.tune(model, rows, tmp_path / "run", settings, sequences=4)
    assert tuning.loss(model, ids, labels)["nats"] < before - 0.5


LIVELY = """
from ttsbench.systems.llasa import decoding, full, paper

paper.CONTEXT = 190

class Lively(full.Paper):
    "The trained folder, so warm that an untrained model says codes, too."

    def __init__(self):
        super().__init__(sampling=decoding.Sampling(temperature=3.0))
"""


class Heard(Exception):
    pass


def test_the_paper_preset_trains_resumes_and_writes_what_the_system_reads(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    rows: list[Spoken] = [
        Spoken(f"u{i}", "s", "dev" if i == 0 else "train", "hi", rng.normal(0, 0.1, 8000).astype(np.float32), [])
        for i in range(4)
    ]
    write_shard(tmp_path, "x", "libritts", iter(rows))
    collect(tmp_path)
    torch.manual_seed(0)
    shape = XCodec2Shape(base=4, dim=64, layers=2, heads=4, semantic_dim=64, semantic_layers=2, semantic_hidden=128)
    codec, tokenizer = cast(Codec, XCodec2(shape).eval()), prompt.load_tokenizer(published)
    config = core.Config(core._shape(16, 1, 8, 24, 32.0))
    text_model = core.Llama(core.Config(config.shape, vocabulary=120)).state_dict()
    settings = dataclasses.replace(published_settings(1600), steps=2, accumulate=2, save_every=1, eval_every=2)
    assert published_settings(1600).steps == 10  # two epochs of 1600 rows, 320 a step

    def train(folder: str, say: Callable[[str], None] | None = None) -> core.Llama:
        return tuning.train_paper(
            tmp_path, tmp_path / folder, codec, tokenizer, text_model, config, settings, 150, say=say
        )

    def interrupt(line: str) -> None:
        if "eval" in line:  # after the second step and before it is saved
            raise Heard

    whole = train("whole")
    with pytest.raises(Heard):
        train("killed", interrupt)
    assert torch.load(tmp_path / "killed" / "state.pt", weights_only=True)["run"]["step"] == 1
    again = train("killed")
    for (name, one), two in zip(whole.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(one, two), name
    begun = core.Llama(config)
    start_from(begun, text_model)
    start = begun.state_dict()
    assert torch.equal(start["model.embed_tokens.weight"][:120], text_model["model.embed_tokens.weight"])
    name = "model.layers.0.mlp.up_proj.weight"
    assert not torch.equal(start[name], whole.state_dict()[name])
    read = core.load(tmp_path / "whole" / "llasa")
    assert read.config == config
    assert torch.equal(read.embedding, whole.embedding)
    assert prompt.load_tokenizer(tmp_path / "whole" / "llasa").get_vocab_size() == core.VOCABULARY
    cast(XCodec2, codec).save(tmp_path / "x" / "model.safetensors")
    monkeypatch.setenv("XCODEC2_DIR", str(tmp_path / "x"))
    monkeypatch.setenv("LLASA_DIR", str(tmp_path / "whole" / "llasa"))
    write(tmp_path / "p.wav", rng.normal(0, 0.1, 8000).astype(np.float32), 16_000)
    (tmp_path / "lively.py").write_text(LIVELY)
    said = spoken_by_run(tmp_path, f"python:{tmp_path / 'lively.py'}:Lively", "runs", "hi")
    assert said.size > 300 and np.abs(said).max() > 0


@pytest.mark.parametrize("size", ["1b", "3b", "8b"])
def test_every_size_starts_from_its_llama_and_reads(size: str) -> None:
    """Shapes alone: nothing is allocated."""
    config = core.SIZES[size]
    with torch.device("meta"):
        model = core.Llama(config)
        text_model = core.Llama(dataclasses.replace(config, vocabulary=128_256)).state_dict()
        start_from(model, text_model)
        hidden = model.read(torch.zeros(1, 16, dtype=torch.long))
        assert model.head(hidden).shape == (1, 16, core.VOCABULARY)
    other = "3b" if size != "3b" else "8b"
    with torch.device("meta"), pytest.raises(ValueError, match="not the Llama to start from"):
        start_from(core.Llama(core.SIZES[other]), text_model)


def test_the_variant_chooses_size_and_llama(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr("ttsbench.systems.llasa.tuning.train_paper", lambda *given, **_: seen.append(given))
    monkeypatch.setattr("ttsbench.systems.llasa.prompt.load_tokenizer", lambda folder: folder.name)
    monkeypatch.setattr(XCodec2, "published", lambda: torch.nn.Identity())
    for name in ("LLASA_3B_DIR", "LLAMA_3B_INSTRUCT_DIR"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    (tmp_path / "LLASA_3B_DIR" / "tokenizer.json").touch()
    parts = {"a": "model-1.safetensors", "b": "model-2.safetensors"}
    for key, file in parts.items():
        save_file({key: torch.ones(1)}, tmp_path / "LLAMA_3B_INSTRUCT_DIR" / file)
    index = tmp_path / "LLAMA_3B_INSTRUCT_DIR" / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": parts}))
    train_paper("llasa", Paper(tmp_path, tmp_path, variant="3b"))
    train_paper("llasa", Paper(tmp_path, tmp_path, variant="3b", start=tmp_path / "LLAMA_3B_INSTRUCT_DIR"))
    for _, _, _, tokenizer, llama, config in seen:
        assert (tokenizer, sorted(llama), config) == ("LLASA_3B_DIR", ["a", "b"], core.SIZES["3b"])
    assert len(seen) == 2
    with pytest.raises(ValueError, match="--variant 70b: llasa has 1b, 3b, 8b, 1b-asr"):
        train_paper("llasa", Paper(tmp_path, tmp_path, variant="70b"))
    with pytest.raises(ValueError, match="--variant fixed: kalle has none"):
        train_paper("kalle", Paper(tmp_path, tmp_path, variant="fixed"))

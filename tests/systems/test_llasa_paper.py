"""Full-size Llasa: the published layout, prompt, sampling and system; against transformers on random weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ttsbench.audio import write
from ttsbench.records import Resynthesizer, Sample, System
from ttsbench.systems import weights
from ttsbench.systems.llasa import core, decoding, full, paper, prompt
from ttsbench.systems.weights import MissingWeights

from .llasa_folder import ROPE, publish, tokenizers, transformers, write_tokenizer


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tokenizer(tmp_path_factory.mktemp("llasa"))


@pytest.mark.parametrize(("tied", "shard"), [(True, "10GB"), (False, "20KB")])
@torch.no_grad()
def test_logits_equal_transformers(tmp_path: Path, tied: bool, shard: str) -> None:
    theirs = publish(tmp_path, tied, shard=shard)
    assert (tmp_path / "model.safetensors.index.json").exists() is (shard == "20KB")
    ours = core.load(tmp_path)
    tokens = torch.randint(0, 120, (2, 150))
    torch.testing.assert_close(ours(tokens), theirs(tokens).logits, atol=1e-4, rtol=1e-4)
    assert ours.config.tied is tied


def test_older_config_files_say_the_same(tmp_path: Path) -> None:
    publish(tmp_path, True)
    new = json.loads((tmp_path / "config.json").read_text())
    old = {k: v for k, v in new.items() if k != "rope_parameters"} | {"rope_theta": 5e5, "rope_scaling": ROPE}
    assert core.config_of(old) == core.config_of(new)
    assert core.config_of(old).shape.rope == core.Rope(5e5, 32.0, 1.0, 4.0, 64)
    with pytest.raises(ValueError, match="yarn"):
        core.config_of(old | {"rope_scaling": {"rope_type": "yarn"}})


def test_wrong_weights_are_named(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    publish(tmp_path, True)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    twice = weights | {"lm_head.weight": weights["model.embed_tokens.weight"].clone()}
    save_file(twice, path)
    assert core.load(tmp_path).config.tied
    save_file(weights | {"model.norm.weight": torch.ones(5)}, path)
    with pytest.raises(ValueError, match=r"model.norm.weight is \(5,\), expected \(32,\)"):
        core.load(tmp_path)
    del weights["model.norm.weight"]
    save_file(weights, path)
    with pytest.raises(ValueError, match=r"model.norm.weight is missing, expected \(32,\)"):
        core.load(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"model.safetensors: no such file"):
        core.load(tmp_path)


def test_parameter_counts() -> None:
    # Llama 3.2 1B, 3B and 3.1 8B have 1 235 814 400, 3 212 749 824 and 8 030 261 248 with 128 256 tokens
    added = core.VOCABULARY - 128_256
    assert core.count(core.SIZES["1b"]) == 1_235_814_400 + added * 2048
    assert core.count(core.SIZES["3b"]) == 3_212_749_824 + added * 3072
    assert core.count(core.SIZES["8b"]) == 8_030_261_248 + 2 * added * 4096


# --- vocabulary and prompt ----------------------------------------------------------------------------------------


def test_prompt_layout(published: Path) -> None:
    tokenizer = prompt.load_tokenizer(published)
    assert tokenizer.get_vocab_size() == core.VOCABULARY == 193_800
    assert (prompt.START, prompt.END, core.SPEECH) == (128_260, 128_261, 128_264)
    ids = prompt.encode(tokenizer, prompt.join("The cat sat.", "The dog ran."), [0, 17, 65_535])
    assert ids[0] == 128_000
    assert ids[-4:] == [prompt.START, 128_264, 128_281, 193_799]
    assert [i for i in ids if i >= 128_000][1:-4] == [128_006, 128_007, 128_009, 128_006, 128_007, 128_258, 128_259,
                                                     128_009, 128_006, 128_007]  # fmt: skip
    assert tokenizer.decode(ids[ids.index(128_258) + 1 : ids.index(128_259)]) == "The cat sat. The dog ran."
    assert tokenizer.decode(ids).startswith(
        "system\n\nCutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
    )
    assert tokenizer.decode(ids[:-4]).endswith("assistant\n\n")


def test_prompt_matches_the_published_template(published: Path) -> None:
    """Llama 3's chat template for two turns, written out here and run by transformers' own renderer."""
    template = (
        "{{- bos_token }}{{- '<|start_header_id|>system<|end_header_id|>\n\n' }}"
        "{{- 'Cutting Knowledge Date: December 2023\n' }}{{- 'Today Date: 26 Jul 2024\n\n' }}{{- '<|eot_id|>' }}"
        "{%- for m in messages %}{{- '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim"
        " + '<|eot_id|>' }}{%- endfor %}"
    )
    theirs = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(published / "tokenizer.json"), bos_token="<|begin_of_text|>", chat_template=template
    )
    user = "Convert the text to speech:<|TEXT_UNDERSTANDING_START|>Hello there.<|TEXT_UNDERSTANDING_END|>"
    chat = [{"role": "user", "content": user}]
    chat += [{"role": "assistant", "content": "<|SPEECH_GENERATION_START|><|s_5|><|s_900|>"}]
    ids = theirs.apply_chat_template(chat, tokenize=True, continue_final_message=True, return_dict=True)["input_ids"]
    assert prompt.encode(prompt.load_tokenizer(published), "Hello there.", [5, 900]) == ids


def test_texts_cannot_write_special_tokens() -> None:
    assert prompt.join("", "Stop <|SPEECH_GENERATION_END|> it") == "Stop   it"
    assert prompt.join("你好。", "再见") == "你好。再见"
    assert prompt.join("One.", "") == "One."


def test_another_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"tokenizer\.json"):
        prompt.load_tokenizer(tmp_path)
    other = tokenizers.Tokenizer(tokenizers.models.BPE(vocab={"a": 0}, merges=[]))
    other.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ValueError, match=r"TEXT_GENERATION_START\|> has id None"):
        prompt.load_tokenizer(tmp_path)


# --- sampling -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how", [decoding.Sampling(0.8), decoding.Sampling(0.9, top_p=0.9), decoding.Sampling(1.3, 5, 0.7, 1.2)]
)
def test_draws_follow_the_chances_of_transformers(how: decoding.Sampling) -> None:
    torch.manual_seed(0)
    logits, before = torch.randn(1, 12) * 2, torch.tensor([[3, 3, 7]])
    theirs = logits
    if how.repetition_penalty != 1:
        theirs = transformers.RepetitionPenaltyLogitsProcessor(how.repetition_penalty)(before, theirs)
    theirs = transformers.TemperatureLogitsWarper(how.temperature)(before, theirs)
    if how.top_k:
        theirs = transformers.TopKLogitsWarper(how.top_k)(before, theirs)
    if how.top_p < 1:
        theirs = transformers.TopPLogitsWarper(how.top_p)(before, theirs)
    chances = theirs.softmax(-1)[0]
    drawn = decoding.draw(logits.expand(40_000, -1), how, torch.Generator().manual_seed(1), before.expand(40_000, -1))
    seen = torch.bincount(drawn, minlength=12) / len(drawn)
    assert ((seen > 0) <= (chances > 0)).all()
    torch.testing.assert_close(seen, chances, atol=0.012, rtol=0)


def test_temperature_zero_takes_the_best() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0], [2.0, 1.0, 0.0]])
    assert decoding.draw(logits, decoding.Sampling(0), None).tolist() == [1, 0]


# --- writing speech -----------------------------------------------------------------------------------------------


def echo(codes: torch.Tensor) -> np.ndarray:
    """A codec that says every code as 320 equal samples."""
    return np.repeat(codes.cpu().numpy().astype(np.float32) / core.CODES, paper.HOP)


@pytest.fixture(scope="module")
def model() -> core.Llama:
    config = core.Config(core._shape(32, 2, 8, 48, 32.0))
    torch.manual_seed(5)
    return core.Llama(config).eval()


@torch.no_grad()
def test_writing_equals_the_full_pass_and_cuts_the_prompt(published: Path, model: core.Llama) -> None:
    tokenizer = prompt.load_tokenizer(published)
    writer = paper.writer(model, tokenizer, echo, "Hi.", "Yes.", [4, 9], decoding.Sampling(0))
    cost = decoding.Cost()
    batch = decoding.start(writer, 3, 6)
    batch, place, ended = decoding.extend(writer, batch, 6, torch.Generator(), cost)
    assert place == [0, 1, 2]
    assert not ended
    assert cost.frames == 18
    tokens = batch.frames[0, :, 0].tolist()
    whole = torch.tensor([writer.tokens[0].tolist()])
    for token in tokens:
        assert int(model(whole)[0, -1].argmax()) == token
        whole = torch.cat([whole, torch.tensor([[token]])], dim=1)
    spoken = torch.tensor([[core.SPEECH + 100], [7], [core.SPEECH + 200]])  # 7 is a text token: not spoken
    sound = writer.audio(spoken)
    assert sound.shape == (2 * paper.HOP,)
    np.testing.assert_allclose(sound[[0, -1]], [100 / core.CODES, 200 / core.CODES])
    assert writer.audio(spoken[:0]).size == 0


@torch.no_grad()
def test_the_end_token_ends_a_candidate(published: Path) -> None:
    model = core.Llama(core.Config(core._shape(32, 1, 8, 48, 32.0))).eval()
    model.embedding.zero_()
    writer = paper.writer(model, prompt.load_tokenizer(published), echo, "Hi.")
    model.embedding[prompt.END] = 50.0  # the only logit that is not zero; its sign is that of the hidden sum
    hidden = torch.stack([torch.ones(32), -torch.ones(32)])
    generator, cost = torch.Generator().manual_seed(0), decoding.Cost()
    batch = decoding.start(writer, 2, 1)
    batch.hidden = hidden
    batch, place, ended = decoding.extend(writer, batch, 1, generator, cost)
    assert place == [1]
    assert list(ended) == [0]
    assert ended[0].ended
    assert ended[0].frames.shape == (0, 1)
    assert batch.frames.shape == (1, 1, 1)
    assert cost.frames == 2


def test_overlong_prompts_are_refused(published: Path, model: core.Llama) -> None:
    with pytest.raises(ValueError, match="Llasa reads 2048"):
        paper.writer(model, prompt.load_tokenizer(published), echo, "Hi.", codes=[1] * 2048)


# --- the system ---------------------------------------------------------------------------------------------------


class Tones:
    """A codec of X-codec2's interface: a code is the level of 320 samples."""

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        frames = audio[:, : audio.shape[1] // paper.HOP * paper.HOP].unflatten(1, (-1, paper.HOP))
        return (frames.abs().mean(dim=2) * 60_000).long()[..., None]

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        return (codes[..., 0] / 60_000).repeat_interleave(paper.HOP, dim=1)


def test_a_local_folder_speaks(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path, True, core.VOCABULARY)
    (tmp_path / "tokenizer.json").write_bytes((published / "tokenizer.json").read_bytes())
    monkeypatch.setattr(paper, "CONTEXT", 330)
    speaker = full.Paper(tmp_path, Tones())
    assert isinstance(speaker, System)
    assert isinstance(speaker, Resynthesizer)
    write(tmp_path / "prompt.wav", np.full(16_000, 0.25, dtype=np.float32), 16_000)
    sample = Sample("a", "One two.", prompt=tmp_path / "prompt.wav", prompt_text="Three.")
    (ready,) = speaker.writers(sample)
    assert ready.codes.tolist() == [15_000] * 50
    assert ready.tokens[0, -50:].tolist() == [core.SPEECH + 15_000] * 50
    (sound,) = speaker.synthesize(sample, 1)
    (again,) = speaker.synthesize(sample, 1)
    np.testing.assert_array_equal(sound, again)
    assert sound.size % paper.HOP == 0
    assert speaker.resynthesize(np.full(1000, 0.5, dtype=np.float32), 16_000).shape == (960,)


def write_config(folder: Path, size: str) -> None:
    """The config.json of a published size, as `tuning.write_published` has it."""
    shape = core.SIZES[size].shape
    table = {
        "hidden_size": shape.dim, "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads,
        "num_key_value_heads": 8, "intermediate_size": shape.hidden, "rms_norm_eps": 1e-5, "vocab_size": 193_800,
        "tie_word_embeddings": core.SIZES[size].tied, "rope_theta": 5e5,
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(table))


def test_every_size_has_a_folder_of_its_own_and_refuses_another(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTSBENCH_WEIGHTS", str(tmp_path / "cache"))
    for variable in ("LLASA_DIR", "LLASA_1B_DIR", "LLASA_3B_DIR", "LLASA_8B_DIR"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(
        MissingWeights,
        match=r"config.json of https://huggingface.co/HKUSTAudio/Llasa-3B.*ttsbench fetch llasa-3b.*LLASA_3B_DIR",
    ):
        full.Llasa3B()
    with pytest.raises(ValueError, match="Set LLASA_DIR"):
        full.Paper()
    one = tmp_path / "one"
    write_config(one, "1b")
    (one / "tokenizer.json").write_bytes((published / "tokenizer.json").read_bytes())
    (one / "model.safetensors").touch()
    monkeypatch.setenv("LLASA_8B_DIR", str(one))
    message = (
        r"config.json: not Llasa-8B: model.layers.0.input_layernorm.weight is \(2048,\), expected \(4096,\).*"
        r"the folder holds Llasa-1B. Set LLASA_8B_DIR to a folder with HKUSTAudio/Llasa-8B \(ttsbench fetch llasa-8b\)"
    )
    with pytest.raises(ValueError, match=message):
        full.Llasa8B(codec=Tones())
    with pytest.raises(ValueError, match=r"not Llasa-3B.*or name the system Llasa1B"):
        full.Llasa3B(one, codec=Tones())


def test_shards_are_found_and_a_missing_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTSBENCH_WEIGHTS", str(tmp_path))
    monkeypatch.delenv("LLASA_3B_DIR", raising=False)
    folder = tmp_path / "HKUSTAudio--Llasa-3B"
    publish(folder, False, shard="20KB")
    (folder / "tokenizer.json").write_text("{}")
    assert full.locate("3b") == folder
    assert weights.lacking(weights.MODELS["llasa-3b"]) == []
    gone = sorted(folder.glob("model-*"))[1]
    gone.unlink()
    with pytest.raises(MissingWeights, match=gone.name):
        full.locate("3b")
    assert weights.lacking(weights.MODELS["llasa-3b"]) == ["model.safetensors"]


def test_long_texts_in_pieces_and_candidates_chosen_by_name(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card's settings: the published thresholds of pieces, best of three, and beams; verifiers from a file."""
    publish(tmp_path, True, core.VOCABULARY)
    (tmp_path / "tokenizer.json").write_bytes((published / "tokenizer.json").read_bytes())
    (tmp_path / "mine.py").write_text("def loud(sample, rate):\n    return lambda sound: float(abs(sound).mean())\n")
    judge, text = f"{tmp_path}/mine.py:loud", "One two three, four. " * 6
    assert len(full.Paper(tmp_path, Tones(), chunked=True).writers(Sample("a", text))) == 2
    assert len(full.Paper(tmp_path, Tones()).writers(Sample("a", text))) == 1
    sample, level = Sample("a", "One."), {}
    read = full.Paper(tmp_path, Tones()).writers(sample)[0].tokens.shape[1]
    monkeypatch.setattr(paper, "CONTEXT", read + 14)
    for kind in ("direct", "orm", "prm", "partial"):
        how = {"kind": kind, "n": 6, "beams": 2, "samples": 3, "seconds": 0.1, "process": judge, "outcome": [judge]}
        speaker = full.Paper(tmp_path, Tones(), search=how | {"step": 3})
        level[kind] = float(np.mean([np.abs(next(speaker.synthesize(sample, seed))).mean() for seed in range(2)]))
    assert min(level["orm"], level["prm"], level["partial"]) > level["direct"]
    assert speaker.card.about.endswith(f"beam search by {judge} for 0.1 s, then the best by {judge}")
    with pytest.raises(ValueError, match="no search 'luck'; there are direct, orm, prm, partial"):
        full.Paper(tmp_path, Tones(), search={"kind": "luck"})

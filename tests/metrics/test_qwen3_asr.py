"""Qwen3-ASR on a tiny model with random weights, written and read as the published checkpoint is."""

import sys

import numpy as np
import pytest
import soundfile

from ttsbench.metrics import MissingModel, extractor, weights
from ttsbench.records import Request

transformers = pytest.importorskip("transformers", reason="needs transformers, in extra 'paper'")
NAME = "qwen3-asr-1.7b"
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'audio' %}<|audio_start|><|audio_pad|><|audio_end|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% if not (loop.last and continue_final_message) %}<|im_end|>\n{% endif %}{% endfor %}"
)


def write_tiny(place):
    """A checkpoint folder: byte-level tokens without merges, one layer of width 16 on either side."""
    import torch
    from tokenizers.pre_tokenizers import ByteLevel

    letters = {letter: index for index, letter in enumerate(sorted(ByteLevel.alphabet()))}
    roles = {name: f"<|audio_{part}|>" for name, part in
             (("audio_token", "pad"), ("audio_bos_token", "start"), ("audio_eos_token", "end"))}  # fmt: skip
    words = transformers.Qwen2Tokenizer(
        vocab=letters, merges=[], eos_token="<|im_end|>", pad_token="<|im_end|>", extra_special_tokens=roles
    )
    words.add_tokens(["<|im_start|>"], special_tokens=True)
    words.add_tokens(["<asr_text>"])
    hearing = transformers.Qwen3ASRFeatureExtractor(feature_size=128)
    transformers.Qwen3ASRProcessor(hearing, words, chat_template=TEMPLATE).save_pretrained(place)
    sizes = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 32}
    config = transformers.Qwen3ASRConfig(
        audio_config={"encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 32, "d_model": 16,
                      "output_dim": 16, "downsample_hidden_size": 8},
        text_config={**sizes, "vocab_size": len(words), "num_key_value_heads": 1, "head_dim": 8,
                     "max_position_embeddings": 2048, "tie_word_embeddings": True},
        audio_token_id=words.convert_tokens_to_ids("<|audio_pad|>"),
        pad_token_id=words.pad_token_id,
        eos_token_id=[words.eos_token_id],
    )  # fmt: skip
    torch.manual_seed(4)
    model = transformers.Qwen3ASRForConditionalGeneration(config)
    with torch.no_grad():
        for value in model.parameters():
            value.mul_(6) if value.dim() > 1 else None
    model.save_pretrained(place)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    if not hasattr(transformers, "Qwen3ASRForConditionalGeneration"):
        pytest.skip("this transformers has no Qwen3-ASR")
    monkeypatch.setenv("TTSBENCH_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr("ttsbench.metrics.recognisers.qwen3_asr.NEW_TOKENS", 6)
    write_tiny(tmp_path / "weights" / NAME)
    seconds = np.arange(22050) / 22050
    for index, name in enumerate(("low", "high")):
        soundfile.write(tmp_path / f"{name}.wav", 0.3 * np.sin(2 * np.pi * 200 * (1 + 9 * index) * seconds), 22050)
    (tmp_path / "broken.wav").write_text("no audio")
    soundfile.write(tmp_path / "long.wav", np.tile(0.3 * np.sin(2 * np.pi * 200 * seconds), 31), 22050)
    return tmp_path


def test_files_of_a_batch_are_heard_and_a_broken_one_is_alone(tiny):
    module = extractor("recognisers.qwen3_asr")
    assert module.identity({"language": "en"})["model"] == "Qwen/Qwen3-ASR-1.7B-hf"
    heard = module.load({"language": "en", "precision": "float32"}, "cpu")
    files = [tiny / f"{name}.wav" for name in ("low", "broken", "high", "long")]
    found = heard([Request("recognisers.qwen3_asr", file) for file in files])
    assert [bool(each.error) for each in found] == [False, True, False, False]
    assert str(files[1]) in found[1].error
    alone = [heard([Request("recognisers.qwen3_asr", files[index])])[0].value["text"] for index in (0, 2)]
    assert alone == [found[0].value["text"], found[2].value["text"]]
    assert found[3].value["flags"][0] == "only the first 30 of 31.0 s were recognised"


def test_the_language_is_part_of_the_prompt(tiny, monkeypatch):
    given = []
    kind = transformers.Qwen3ASRProcessor
    real = kind.apply_transcription_request
    monkeypatch.setattr(
        kind, "apply_transcription_request", lambda *a, **named: given.append(named) or real(*a, **named)
    )
    heard = extractor("recognisers.qwen3_asr").load({"language": "de", "precision": "float32"}, "cpu")
    heard([Request("recognisers.qwen3_asr", tiny / "low.wav")])
    assert given == [{"language": ["de"]}]


def test_without_the_class_the_message_names_the_version(tmp_path, monkeypatch):
    monkeypatch.setenv("TTSBENCH_WEIGHTS", str(tmp_path))
    for file in weights.BY_NAME[NAME].files:
        (tmp_path / NAME).mkdir(exist_ok=True)
        (tmp_path / NAME / file).write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "transformers", type(sys)("transformers"))
    with pytest.raises(MissingModel, match=r"transformers with Qwen3ASRForConditionalGeneration.*here is 5\."):
        extractor("recognisers.qwen3_asr").load({}, "cpu")

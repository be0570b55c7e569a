"""Folders in the published layout of Llasa with random tiny weights, written by transformers and tokenizers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ttsbench.systems.llasa import core

transformers = pytest.importorskip("transformers", reason="the reference implementation of Llama")
tokenizers = pytest.importorskip("tokenizers", reason="reads and builds tokenizer.json")

ROPE = {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
ROPE |= {"original_max_position_embeddings": 64}


def publish(folder: Path, tied: bool, vocabulary: int = 120, shard: str = "10GB") -> transformers.LlamaForCausalLM:
    """Random tiny weights, saved by transformers in the published layout."""
    config = transformers.LlamaConfig(
        vocab_size=vocabulary, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, rms_norm_eps=1e-5, max_position_embeddings=4096, tie_word_embeddings=tied,
        rope_theta=5e5, rope_scaling=ROPE | {"rope_theta": 5e5},
    )  # fmt: skip
    torch.manual_seed(3)
    model = transformers.LlamaForCausalLM(config).eval()
    model.save_pretrained(folder, max_shard_size=shard)
    return model


def write_tokenizer(folder: Path) -> Path:
    """Write a tokenizer.json of Llasa's layout: 128 000 pieces, 256 + 8 special tokens, 65 536 codes; the folder."""
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    pieces = {letter: at for at, letter in enumerate(letters)}
    pieces |= {f"\x00{at}": at for at in range(len(letters), 128_000)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=pieces, merges=[]))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    llama = ["<|begin_of_text|>", "<|end_of_text|>", *(f"<|reserved_{i}|>" for i in range(4))]
    llama += ["<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>"]
    llama += [f"<|reserved_{i}|>" for i in range(4, 250)]
    tokenizer.add_special_tokens([*llama, *core.MARKERS])
    tokenizer.add_tokens([f"<|s_{code}|>" for code in range(core.CODES)])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder

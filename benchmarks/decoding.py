"""Llasa's decode loop against transformers', in one run on one machine: equal weights, precision, prompt and output.

    python benchmarks/decoding.py                  # the 1B shape in bf16, random weights: about 8 GB of memory
    python benchmarks/decoding.py --tiny           # a look at the script itself, in seconds

Both sides are greedy, batch 1, and the tokens are compared (in bf16 random weights give near ties, at which two orders
of summation part; from there on the texts differ, the work does not); sides take turns, the best of each counts. The
1B shape needs its two vocabularies told apart: all 193 800 tokens, or speech alone (transformers suppresses text by
adding minus infinity; ours does not compute those rows).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
import transformers
from torch import Tensor

from ttsbench.systems.llasa import core
from ttsbench.systems.nn.cache import Cache

TINY = core.Config(core._shape(64, 2, 8, 128, 32.0), vocabulary=core.TEXT + 72)
Side = tuple[str, Callable[[], Any]]


def race(sides: list[Side], repeats: int) -> dict[str, tuple[float, Any]]:
    """Seconds of the best turn of each side, and what it gave; one turn of each goes before and is not counted."""
    found: dict[str, tuple[float, Any]] = {}
    for turn in range(repeats + 1):
        for name, call in sides:
            start = time.perf_counter()
            given = call()
            seconds = time.perf_counter() - start
            if turn:
                found[name] = (min(seconds, found.get(name, (seconds,))[0]), given)
    return found


def read_speed() -> float:
    """Gigabytes a second that a sum over 512 MB reads, the best of five: what bounds a batch of one."""
    block, best = torch.ones(2**27), 0.0
    for _ in range(5):
        start = time.perf_counter()
        block.sum()
        best = max(best, block.numel() * 4e-9 / (time.perf_counter() - start))
    return best


# --- the 1B shape -------------------------------------------------------------------------------------------------


def llama(config: core.Config) -> core.Llama:
    """Random weights in bf16, without a second copy in float32."""
    with torch.device("meta"):
        model = core.Llama(config).to(torch.bfloat16)
    model = model.to_empty(device="cpu").eval().requires_grad_(False)
    torch.manual_seed(0)
    for name, weight in model.named_parameters():
        if name.endswith("norm.weight"):
            weight.fill_(1.0)
        else:
            weight.normal_(std=0.02)
    return model


def theirs(model: core.Llama) -> Any:
    """transformers' Llama on the same tensors."""
    shape, rope = model.config.shape, model.config.shape.rope
    assert rope is not None
    scaling = {"rope_type": "llama3", "rope_theta": rope.theta, "factor": rope.factor, "low_freq_factor": rope.low}
    config = transformers.LlamaConfig(
        vocab_size=model.config.vocabulary, hidden_size=shape.dim, intermediate_size=shape.hidden,
        num_hidden_layers=shape.layers, num_attention_heads=shape.heads, num_key_value_heads=shape.groups,
        rms_norm_eps=shape.eps, max_position_embeddings=131072, tie_word_embeddings=True, rope_theta=rope.theta,
        rope_scaling=scaling | {"high_freq_factor": rope.high, "original_max_position_embeddings": rope.trained},
    )  # fmt: skip
    with torch.device("meta"):
        other = transformers.LlamaForCausalLM(config)
    missing, extra = other.load_state_dict(model.state_dict(), assign=True, strict=False)
    assert missing == ["lm_head.weight"] and not extra, (missing, extra)
    other.tie_weights()
    rotary = type(other.model.rotary_emb)
    other.model.rotary_emb = rotary(config)  # its frequencies are no weights, and stayed on the meta device
    return other.eval()


class NoText(transformers.LogitsProcessor):
    """Speech tokens and markers alone."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        scores[:, : core.TEXT] = -torch.inf
        return scores


@torch.inference_mode()
def our_tokens(model: core.Llama, prompt: Tensor, count: int, first: int, pack: bool = True) -> list[int]:
    """Greedy tokens after the prompt."""
    cache = Cache(model.config.shape, 1, prompt.shape[1] + count, dtype=torch.bfloat16)
    model.model.ready(cache, pack)
    hidden, tokens = model.read(prompt, cache)[:, -1], []
    for left in range(count, 0, -1):
        token = model.head(hidden, first).argmax(dim=-1) + first
        tokens.append(token)
        if left > 1:
            hidden = model.read(token[:, None], cache)[:, -1]
    return torch.cat(tokens).tolist()


def full_size(options: argparse.Namespace) -> None:
    model = llama(TINY if options.tiny else core.SIZES["1b"])
    other = theirs(model)
    prompt = torch.randint(core.SPEECH, model.config.vocabulary, (1, options.prompt))
    count = options.tokens

    @torch.inference_mode()
    def generated(processors: list[Any]) -> list[int]:
        given = other.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=count, min_new_tokens=count,
            do_sample=False, pad_token_id=0, eos_token_id=None, logits_processor=processors,
        )  # fmt: skip
        return given[0, options.prompt :].tolist()

    plain = race([("prompt alone", lambda: our_tokens(model, prompt, 1, 0, False))], options.repeats)
    loose = race([("ours, plain layout", lambda: our_tokens(model, prompt, count, 0, False))], options.repeats)
    model.model._step = None  # from here on in oneDNN's layout
    found = race(
        [
            ("transformers, all tokens", lambda: generated([])),
            ("ours, all tokens", lambda: our_tokens(model, prompt, count, 0)),
        ],
        options.repeats,
    )
    found |= race(
        [
            ("transformers, speech tokens", lambda: generated([NoText()])),
            ("ours, speech tokens", lambda: our_tokens(model, prompt, count, core.TEXT)),
        ],
        options.repeats,
    )
    weights = 2e-9 * sum(p.numel() for p in model.parameters())
    rows = 2e-9 * core.TEXT * model.config.shape.dim
    print(
        f"weights {weights:.2f} GB, of it text rows of the output matrix {rows:.2f} GB; reads {read_speed():.1f} GB/s"
    )
    print(f"{options.prompt} tokens of prompt, {count} written, bf16, {torch.get_num_threads()} threads")
    print(f"reading the prompt takes {plain['prompt alone'][0]:.2f} s of each")
    for name, (seconds, _) in (loose | found).items():
        size = weights - (rows if name.startswith("ours, speech") else 0.0)
        print(
            f"{name:28s} {seconds:8.2f} s {count / seconds:8.2f} tokens/s {size * count / seconds:7.1f} GB/s of weights"
        )
    for kind in ("all", "speech"):
        one, two = found[f"transformers, {kind} tokens"], found[f"ours, {kind} tokens"]
        same = next((at for at, pair in enumerate(zip(one[1], two[1], strict=True)) if pair[0] != pair[1]), count)
        print(f"{kind} tokens: {one[0] / two[0]:.2f} times transformers, equal for the first {same} of {count} tokens")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="toy sizes")
    parser.add_argument("--prompt", type=int, default=200, help="tokens or frames of prompt (default: 200)")
    parser.add_argument("--tokens", type=int, default=100, help="tokens or frames to write (default: 100)")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each side (default: 3)")
    parser.add_argument("--threads", type=int, default=0, help="torch's threads (default: torch's choice)")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    full_size(options)


if __name__ == "__main__":
    main()

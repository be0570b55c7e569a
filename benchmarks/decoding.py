"""Llasa's decode loop against transformers', in one run on one machine: equal weights, precision, prompt and output.

    python benchmarks/decoding.py                  # the 1B shape in bf16, random weights: about 8 GB of memory
    python benchmarks/decoding.py --small          # the small model in float32
    python benchmarks/decoding.py --tiny           # a look at the script itself, in seconds

Both sides are greedy, batch 1, and the tokens are compared (in bf16 random weights give near ties, at which two orders
of summation part; from there on the texts differ, the work does not); sides take turns, the best of each counts. The
1B shape
needs its two vocabularies told apart: all 193 800 tokens, or speech alone (transformers suppresses text by adding
minus infinity; ours does not compute those rows). The small model's frame is drawn by a head of 12 draws that no
model of transformers has: its loop is GPT-NeoX with the same weights (rotary, layer norms, two-layer perceptron) and
that head, with `generate`'s softmax and multinomial; a second row is `generate` itself, with one token of 1024 a frame.
Ours is measured in torch alone, and with `systems/llasa/step.c` where there is a C compiler.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
import transformers
from torch import Tensor

from ttsbench.systems.llasa import core, native
from ttsbench.systems.llasa.decoding import Sampling, draw
from ttsbench.systems.llasa.small import DigitHead, Size, SmallLlasa, Texts, places
from ttsbench.systems.nn.cache import Cache
from ttsbench.systems.nn.transformer import Transformer

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


# --- the small model ----------------------------------------------------------------------------------------------


def neox(model: Transformer, vocabulary: int = 1024) -> Any:
    """transformers' GPT-NeoX with the same weights: queries, keys and values stand head by head in one matrix."""
    shape = model.shape
    config = transformers.GPTNeoXConfig(
        vocab_size=vocabulary, hidden_size=shape.dim, num_hidden_layers=shape.layers, num_attention_heads=shape.heads,
        intermediate_size=shape.hidden, hidden_act="relu", rotary_pct=1.0, rotary_emb_base=10000,
        use_parallel_residual=False, attention_bias=False, layer_norm_eps=shape.eps, attention_dropout=0.0,
        hidden_dropout=0.0,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 1.0},
    )  # fmt: skip
    other = transformers.GPTNeoXForCausalLM(config).eval().requires_grad_(False)
    weights = {"gpt_neox.final_layer_norm." + k: v for k, v in model.norm.state_dict().items()}
    for index, block in enumerate(model.blocks):
        own, name = block.self_attn, f"gpt_neox.layers.{index}."
        parts = [p.weight.view(shape.heads, shape.head_dim, -1) for p in (own.q_proj, own.k_proj, own.v_proj)]
        weights[name + "attention.query_key_value.weight"] = torch.cat(parts, dim=1).flatten(0, 1)
        weights[name + "attention.dense.weight"] = own.o_proj.weight
        weights[name + "mlp.dense_h_to_4h.weight"] = block.mlp.up_proj.weight
        weights[name + "mlp.dense_4h_to_h.weight"] = block.mlp.down_proj.weight
        for norm in ("input_layernorm", "post_attention_layernorm"):
            weights |= {f"{name}{norm}.{k}": v for k, v in getattr(block, norm).state_dict().items()}
    missing, extra = other.load_state_dict(weights, strict=False)
    assert not extra and all("bias" in n or "embed" in n or "lm_head" in n for n in missing), (missing, extra)
    for name, weight in other.named_parameters():
        if "mlp" in name and name.endswith("bias"):
            weight.zero_()
    return other


@torch.no_grad()
def plainly(head: DigitHead, hidden: Tensor, how: Sampling, generator: torch.Generator) -> Tensor:
    """`DigitHead.sample` as one writes it at first: logits, temperature, softmax, multinomial for every draw."""
    entered, digits = head.enter(hidden), []
    for at, group in enumerate(head.groups):
        x = F.relu(entered + head.place[at])
        x = x + F.relu(head.middle(x))
        logits = (x @ head.leave[at]).view(1, head.wide, head.most)[:, : len(group)]
        logits = logits + (head.bias + head.never)[group[0] : group[-1] + 1]
        values = draw(logits.flatten(0, 1), how, generator).view(1, len(group))
        digits.append(values.clamp_max(head.levels[0] - 1) if at == 0 else values)
        entered = entered + head.before(digits[-1] + head.first[group[0] : group[-1] + 1]).sum(dim=1)
    return torch.cat(digits, dim=1)


def small(options: argparse.Namespace) -> None:
    torch.manual_seed(0)
    levels = (16,) * 4 + (8,) * 8 + (4,) * 12
    model = SmallLlasa(Size(levels, dim=64, layers=2, hidden=128) if options.tiny else Size(levels)).eval()
    model.requires_grad_(False)
    other = neox(model.transformer)
    texts = Texts(torch.randint(1, 41, (1, 40)), places([40], [0], [4.6])[None])
    codes = torch.stack([torch.randint(0, level, (1, options.prompt)) for level in levels], dim=-1)
    count = options.tokens

    compiled = native.build(model)

    @torch.inference_mode()
    def ours(how: Sampling, in_c: bool) -> Tensor:
        cache, hidden = model.begin(texts, codes)
        cache, frames, generator = cache.fork(1, count), [], torch.Generator().manual_seed(0)
        for at in range(options.prompt + 1, options.prompt + count + 1):
            if in_c and compiled is not None:
                frames.append(compiled.sample(hidden, how.temperature, generator)[0])
                hidden = compiled.read(frames[-1], cache, at)
            else:
                frames.append(model.head.sample(hidden, how, generator)[0])
                hidden = model.read(frames[-1], cache, at)
        return torch.cat(frames)

    @torch.inference_mode()
    def loop(how: Sampling) -> Tensor:
        cache, frames, generator = transformers.DynamicCache(), [], torch.Generator().manual_seed(0)
        x = torch.cat([model.text(texts.phones), model.start.expand(1, 1, -1), model.embed(codes)], dim=1)
        where = torch.cat([texts.positions, torch.arange(options.prompt + 1.0)[None]], dim=1)
        for at in range(options.prompt + 1, options.prompt + count + 1):
            given = other.gpt_neox(inputs_embeds=x, position_ids=where, past_key_values=cache, use_cache=True)
            frame = plainly(model.head, given.last_hidden_state[:, -1], how, generator)
            frames.append(frame)
            x, where = model.embed(frame)[:, None], torch.full((1, 1), float(at))
        return torch.cat(frames)

    prompt = torch.randint(0, 1024, (1, 41 + options.prompt))

    @torch.inference_mode()
    def generated() -> Tensor:
        return other.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=count, min_new_tokens=count,
            do_sample=True, temperature=0.8, top_k=0, pad_token_id=0, eos_token_id=None,
        )  # fmt: skip

    ways = {"ours, torch": False} | ({"ours, C": True} if compiled is not None else {})
    sides: list[Side] = [("generate, one token a frame", generated)]
    for kind, how in (("greedy", Sampling(0)), ("sampled", Sampling())):
        sides.append((f"transformers' loop, {kind}", lambda how=how: loop(how)))  # type: ignore[misc]
        sides += [(f"{way}, {kind}", lambda how=how, in_c=in_c: ours(how, in_c)) for way, in_c in ways.items()]  # type: ignore[misc]
    found = race(sides, options.repeats)
    print(f"{options.prompt} frames of prompt, {count} written, float32, {torch.get_num_threads()} threads")
    for name, (seconds, _) in found.items():
        print(f"{name:28s} {1000 * seconds / count:7.2f} ms a frame, RTF of the model {50 * seconds / count:.3f}")
    frames = {name: given for name, (_, given) in found.items()}
    for way in ways:
        for kind in ("greedy", "sampled"):
            ratio = found[f"transformers' loop, {kind}"][0] / found[f"{way}, {kind}"][0]
            print(f"{way}, {kind}: {ratio:.2f} times transformers' loop")
        print(f"{way}: {found['generate, one token a frame'][0] / found[f'{way}, sampled'][0]:.2f} times generate")
        same = torch.equal(frames[f"{way}, greedy"], frames["transformers' loop, greedy"])
        print(f"{way}: greedy frames equal to transformers': {same}")
    if compiled is not None:
        same = torch.equal(frames["ours, torch, sampled"], frames["ours, C, sampled"])
        print(f"sampled frames of torch and C equal: {same}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="the small model")
    parser.add_argument("--tiny", action="store_true", help="toy sizes")
    parser.add_argument("--prompt", type=int, default=200, help="tokens or frames of prompt (default: 200)")
    parser.add_argument("--tokens", type=int, default=100, help="tokens or frames to write (default: 100)")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each side (default: 3)")
    parser.add_argument("--threads", type=int, default=0, help="torch's threads (default: torch's choice)")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    (small if options.small else full_size)(options)


if __name__ == "__main__":
    main()

"""Llasa-1B on a GPU against transformers' `generate`: one set of random weights, bf16, greedy, batch 1, in one run.

    python benchmarks/gpu/against_generate.py                         # on cuda: aim 4 times, and 60 % of the bandwidth
    python benchmarks/gpu/against_generate.py --device cpu --tiny     # a look at the script itself, in seconds

Ours records one step as a CUDA graph and replays it. Both draw from all 193 800 tokens; the tokens are compared (random
weights give near ties in bf16, at which two orders of summation part; the work stays the same).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from replay import Place, Replay, Stepper, ready

sys.path.append(str(Path(__file__).parents[1]))
from decoding import TINY, race, theirs

from ttsbench.speed.limits import probe
from ttsbench.systems.llasa import core
from ttsbench.systems.nn.cache import Cache


@dataclass(frozen=True)
class Raced:
    """Tokens a second of both, the share of the copy's bandwidth that ours reads weights at, and how they agree: equal
    tokens from the first on, and by how many nats transformers preferred its own where they part (0: never).
    """

    theirs: float
    ours: float
    share: float
    equal: int
    tokens: int
    gap: float


@torch.inference_mode()
def measure(place: Place, start: int, count: int, repeats: int) -> Raced:
    """`count` tokens after a prompt of `start`, greedy, batch 1."""
    torch.manual_seed(0)
    config = TINY if place.tiny else core.SIZES["1b"]
    model = ready(lambda: core.Llama(config), place)
    for name, weight in model.named_parameters():
        if name.endswith("norm.weight"):
            weight.fill_(1.0)
    other = theirs(model).to(place.device)
    prompt = torch.randint(core.SPEECH, config.vocabulary, (1, start), device=place.device)
    cache = Cache(config.shape, 1, start + count, place.device, place.dtype)
    at, token = torch.tensor([start], device=place.device), prompt[:, -1:].clone()
    out = torch.zeros(start + count + 1, dtype=torch.long, device=place.device)
    reader = Stepper(model.model, cache, at)

    def advance() -> None:
        token.copy_(model.head(reader(F.embedding(token, model.embedding)[:, 0])).argmax(dim=-1)[:, None])
        out.index_copy_(0, at + 1, token[:, 0])
        at.add_(1)

    at.zero_()  # recording steps writes a few positions
    replay = Replay(advance, place.device)

    def ours() -> list[int]:
        cache.length = 0
        at.fill_(start)
        token.copy_(model.head(model.read(prompt, cache)[:, -1]).argmax(dim=-1)[:, None])
        out[start] = token[0, 0]
        for _ in range(count - 1):
            replay()
        return out[start : start + count].tolist()

    def generated() -> list[int]:
        given = other.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=count, min_new_tokens=count,
            do_sample=False, pad_token_id=0, eos_token_id=None,
        )  # fmt: skip
        return given[0, start:].tolist()

    found = race([("transformers", generated), ("ours", ours)], repeats)
    (slow, first), (fast, second) = found["transformers"], found["ours"]
    same = next((place for place, pair in enumerate(zip(first, second, strict=True)) if pair[0] != pair[1]), count)
    gap = 0.0
    if same < count:
        read = torch.cat([prompt, torch.tensor([first[:same]], dtype=torch.long, device=place.device)], dim=1)
        logits = other(read).logits[0, -1].float().log_softmax(-1)
        gap = float(logits[first[same]] - logits[second[same]])
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    share = weights * count / fast / 1e9 / probe(str(place.device))["copy_gb_per_s"]
    return Raced(count / slow, count / fast, share, same, count, gap)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--prompt", type=int, default=210, help="tokens of text and prompt (default: 210)")
    parser.add_argument("--tokens", type=int, default=500, help="tokens to write: 10 s of speech (default: 500)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="toy sizes")
    options = parser.parse_args()
    place = Place(torch.device(options.device), torch.bfloat16, 0.0, options.tiny, False)
    found = measure(place, options.prompt, options.tokens, options.repeats)
    print(f"transformers {found.theirs:8.1f} tokens/s, ours {found.ours:8.1f}: {found.ours / found.theirs:.2f} times")
    print(f"ours reads its weights at {100 * found.share:.0f} % of the copy's bandwidth")
    print(f"equal for the first {found.equal} of {found.tokens} tokens, then {found.gap:.4f} nats apart")


if __name__ == "__main__":
    main()

"""Whisper in batches against one at a time, with random weights of a published shape: speed does not depend on them.

    python benchmarks/recognition.py --shape tiny --rows 16 --batch 8
    python benchmarks/recognition.py --shape large-v3 --rows 64 --batch 32 --device cuda --dtype float16

Checks on the way that both ways give the same tokens. Random weights do not end a text, so every row has `--tokens`.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration

from ttsbench.metrics.recognisers.whisper_hf import Heard, Plan, search

SHAPES = {  # width, layers, heads, mel bands, vocabulary
    "tiny": (384, 4, 6, 80, 51865),
    "base": (512, 6, 8, 80, 51865),
    "small": (768, 12, 12, 80, 51865),
    "large-v3": (1280, 32, 20, 128, 51866),
}


def build(shape: str, device: str, dtype: torch.dtype) -> WhisperForConditionalGeneration:
    """A Whisper of that shape with random weights, scattered enough that rows differ."""
    width, layers, heads, bands, vocabulary = SHAPES[shape]
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=vocabulary,
        num_mel_bins=bands,
        d_model=width,
        encoder_layers=layers,
        decoder_layers=layers,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
        init_std=0.05,
    )
    return WhisperForConditionalGeneration(config).to(device=torch.device(device), dtype=dtype).eval()


@torch.inference_mode()
def timed(
    model: WhisperForConditionalGeneration, mels: torch.Tensor, plan: Plan, batch: int
) -> tuple[float, float, list[Heard]]:
    """Wall seconds, processor seconds and results for all rows, `batch` at a time."""
    if mels.is_cuda:
        torch.cuda.synchronize()
    start, spent = time.perf_counter(), time.process_time()
    found = [row for first in range(0, len(mels), batch) for row in search(model, mels[first : first + batch], plan)]
    if mels.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start, time.process_time() - spent, found


@dataclass(frozen=True)
class Compared:
    """Seconds by the clock and of the processor, one row at a time and in batches; rows with the same tokens."""

    alone: float
    together: float
    alone_cpu: float
    together_cpu: float
    same: int


def measure(shape: str, device: str, dtype: torch.dtype, rows: int, batch: int, tokens: int) -> Compared:
    """Both ways over the same rows of noise; two rows go before."""
    model = build(shape, device, dtype)
    bands, vocabulary = SHAPES[shape][3], SHAPES[shape][4]
    mels = torch.randn(rows, bands, 3000, generator=torch.Generator().manual_seed(1))
    mels = mels.to(device=torch.device(device), dtype=dtype)
    plan = Plan([50258, 50259, 50359, 50363], 50257, [50257], [220], vocabulary - 1503, tokens)
    timed(model, mels[:2], plan, 2)
    alone, alone_cpu, singles = timed(model, mels, plan, 1)
    together, together_cpu, found = timed(model, mels, plan, batch)
    same = sum(one.tokens == other.tokens for one, other in zip(singles, found, strict=True))
    return Compared(alone, together, alone_cpu, together_cpu, same)


def main() -> None:
    """Print seconds both ways and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="tiny")
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=("float32", "float16"), default="float32")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    dtype = getattr(torch, options.dtype)
    found = measure(options.shape, options.device, dtype, options.rows, options.batch, options.tokens)
    print(
        f"{options.shape}, {options.rows} rows of 30 s, {options.tokens} tokens each, {options.device}, {options.dtype}"
    )
    print(f"one at a time: {found.alone:.2f} s ({found.alone_cpu:.2f} s of processor time)")
    print(f"batches of {options.batch}: {found.together:.2f} s ({found.together_cpu:.2f} s of processor time)")
    by_clock, by_processor = found.alone / found.together, found.alone_cpu / found.together_cpu
    print(f"ratio: {by_clock:.2f} by the clock, {by_processor:.2f} by processor time")
    print(f"{found.same} of {options.rows} rows have the same tokens both ways")


if __name__ == "__main__":
    main()

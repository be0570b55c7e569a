"""Whisper in batches against one at a time, with random weights of a published shape: speed does not depend on them.

    python benchmarks/recognition.py --shape tiny --rows 16 --batch 8
    python benchmarks/recognition.py --shape large-v3 --rows 64 --batch 32 --device cuda --dtype float16

Checks on the way that both ways give the same tokens. Random weights do not end a text, so every row has `--tokens`.
"""

from __future__ import annotations

import argparse
import time

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
    model = build(options.shape, options.device, dtype)
    bands, vocabulary = SHAPES[options.shape][3], SHAPES[options.shape][4]
    mels = torch.randn(options.rows, bands, 3000, generator=torch.Generator().manual_seed(1))
    mels = mels.to(device=torch.device(options.device), dtype=dtype)
    plan = Plan([50258, 50259, 50359, 50363], 50257, [50257], [220], vocabulary - 1503, options.tokens)
    timed(model, mels[:2], plan, 2)
    alone, alone_cpu, singles = timed(model, mels, plan, 1)
    together, together_cpu, rows = timed(model, mels, plan, options.batch)
    same = sum(one.tokens == other.tokens for one, other in zip(singles, rows, strict=True))
    print(
        f"{options.shape}, {options.rows} rows of 30 s, {options.tokens} tokens each, {options.device}, {options.dtype}"
    )
    print(f"one at a time: {alone:.2f} s ({alone_cpu:.2f} s of processor time)")
    print(f"batches of {options.batch}: {together:.2f} s ({together_cpu:.2f} s of processor time)")
    print(f"ratio: {alone / together:.2f} by the clock, {alone_cpu / together_cpu:.2f} by processor time")
    print(f"{same} of {options.rows} rows have the same tokens both ways")


if __name__ == "__main__":
    main()

"""The four full-size systems with random weights: real-time factor, first chunk, share of the memory bandwidth.

    python benchmarks/gpu/full_size.py                          # all four, 10 s of speech, on cuda
    python benchmarks/gpu/full_size.py livespeech --seconds 5
    python benchmarks/gpu/full_size.py --device cpu --tiny      # the same code end to end with toy sizes, in seconds

Times do not depend on what weights say, only on how many there are, so nothing is downloaded. Every system writes a
fixed number of frames; what is timed runs from text and encoded prompt (3 s) to the last sample on the host, codec
in. Autoregressive steps are recorded once as a CUDA graph and replayed; tokens never visit the host inside a step.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from replay import Place, Replay, Stepper, drawn, encodec, in_chunks, ready, size_of, timed
from torch import Tensor

from ttsbench.speed.limits import probe
from ttsbench.systems.codecs.flowvae_full import FlowVAE, FlowVAEShape
from ttsbench.systems.codecs.xcodec2 import XCodec2, XCodec2Shape
from ttsbench.systems.kalle.model import RELEASED, Kalle
from ttsbench.systems.livespeech import design as livespeech_design
from ttsbench.systems.livespeech.model import LiveSpeech, State
from ttsbench.systems.llasa import core
from ttsbench.systems.mobilespeech import design as mobilespeech_design
from ttsbench.systems.mobilespeech.decoding import Settings, fill
from ttsbench.systems.mobilespeech.model import MobileSpeech
from ttsbench.systems.nn.cache import Cache
from ttsbench.systems.nn.transformer import sinusoids

CHARACTERS_A_SECOND, PHONES_A_SECOND, PROMPT_SECONDS = 15, 12, 3


@dataclass(frozen=True)
class Found:
    """A system's measurement: seconds of speech, of work, to the first sound; bytes of weights read on the way."""

    speech: float
    total: float
    first: float
    read_bytes: float
    parameters: int


@dataclass(frozen=True)
class Known:
    """What is aimed at and what was published, real-time factor and first chunk in seconds."""

    rtf: float | None
    first: float | None
    published: str


KNOWN = {
    "llasa": Known(None, None, "none; aimed at: 60 % of the bandwidth"),
    "mobilespeech": Known(0.01, None, "RTF 0.09 (A100)"),
    "livespeech": Known(0.15, 0.05, "RTF 0.96, first chunk 200 ms (RTX 6000 Ada)"),
    "kalle": Known(0.05, None, "none"),
}


def llasa(place: Place, repeats: int) -> Found:
    config = core.Config(core._shape(64, 2, 8, 128, 32.0), core.TEXT + 80) if place.tiny else core.SIZES["1b"]
    small = XCodec2Shape(base=4, dim=64, layers=2, heads=4, semantic_dim=64, semantic_layers=1, semantic_hidden=128)
    shape = small if place.tiny else XCodec2Shape(semantic_layers=1)  # the prompt's encoder is not timed
    model = ready(lambda: core.Llama(config), place)
    codec = XCodec2(shape).to(place.device).eval().requires_grad_(False)
    frames, start = round(50 * place.seconds), 60 + 50 * PROMPT_SECONDS
    cache = Cache(config.shape, 1, start + frames, place.device, place.dtype)
    prompt = torch.randint(core.SPEECH, config.vocabulary, (1, start), device=place.device)
    at, token = torch.tensor([start], device=place.device), prompt[:, -1:].clone()
    out = torch.zeros(start + frames, dtype=torch.long, device=place.device)
    reader = Stepper(model.model, cache, at)

    def advance() -> None:
        hidden = reader(F.embedding(token, model.embedding)[:, 0])
        token.copy_(drawn(model.head(hidden, core.TEXT), 0.8)[:, None] + core.TEXT)
        out.index_copy_(0, at, token[:, 0])
        at.add_(1)

    replay = Replay(advance, place.device)

    def speak() -> Iterator[Tensor]:
        cache.length = 0
        at.fill_(start)
        hidden = model.read(prompt, cache)[:, -1]
        token.copy_(drawn(model.head(hidden, core.TEXT), 0.8)[:, None] + core.TEXT)
        for _ in range(frames):
            replay()
        codes = (out[start:] - core.SPEECH).clamp(0, codec.codebook_size - 1)
        yield codec.decode(codes[None, :, None])

    speech, total, first = timed(speak, codec.sample_rate, place, repeats)
    parameters, size = size_of(model)
    unread = core.TEXT * config.shape.dim * model.embedding.element_size()
    return Found(speech, total, first, (size - unread) * frames, parameters)


def kalle(place: Place, repeats: int) -> Found:
    shape = RELEASED
    vae = FlowVAEShape()
    if place.tiny:
        vae = FlowVAEShape(latent=8, down=(2, 5), channels=(4, 8, 16), up=(5, 2), first=16, flow_hidden=8)
        shape = replace(RELEASED, body=replace(RELEASED.body, dim=64, layers=2, heads=8, hidden=128), latent=8)
    model = ready(lambda: Kalle(shape), place)
    codec = FlowVAE(vae).to(place.device).eval().requires_grad_(False)
    frames = round(codec.frame_rate * min(place.seconds, 0.05 if place.tiny else place.seconds))
    start = 40 + round(12.5 * PROMPT_SECONDS)
    ids = torch.randint(0, 1000, (1, 40), device=place.device)
    heard = torch.randn(1, start - 40, shape.latent, device=place.device, dtype=place.dtype)
    cache = Cache(shape.body, 1, start + frames + 4, place.device, place.dtype)
    at = torch.tensor([start], device=place.device)
    hidden = torch.zeros(1, shape.body.dim, device=place.device, dtype=place.dtype)
    out = torch.zeros(start + frames + 4, shape.latent, device=place.device)
    reader = Stepper(model.body, cache, at)

    def advance() -> None:
        mean, logs = model.distribution(hidden)
        fed = mean + torch.randn_like(mean) * logs.exp()
        out.index_copy_(0, at, fed)
        hidden.copy_(reader(model.audio_linear(fed.to(place.dtype))))
        at.add_(1)

    replay = Replay(advance, place.device)

    def speak() -> Iterator[Tensor]:
        cache.length = 0
        at.fill_(start)
        x, _, _ = model.prefix(ids, torch.ones_like(ids, dtype=torch.bool), None)
        hidden.copy_(model.body(torch.cat([x, model.audio_linear(heard)], dim=1), cache=cache)[:, -1])
        latents = in_chunks(lambda done: out[None, start : start + done], replay, frames)
        yield from codec.decode_stream(latents)

    speech, total, first = timed(speak, codec.sample_rate, place, repeats)
    parameters, size = size_of(model)
    unread = shape.vocabulary * shape.body.dim * model.body.embed_tokens.weight.element_size()
    return Found(speech, total, first, (size - unread) * frames, parameters)


def livespeech(place: Place, repeats: int) -> Found:
    design = livespeech_design.PAPER_GROUPS
    if place.tiny:
        design = replace(
            design, dim=64, heads=4, hidden=128, shared_layers=2, group_layers=2, encoder_dim=32, encoder_layers=1
        )
    model = ready(lambda: LiveSpeech(design), place)
    codec = encodec(design.count, place)
    frames, late = round(design.frame_rate * place.seconds), design.count - 1
    capacity, device = frames + late + 8, place.device
    features = torch.randn(
        1, round(design.frame_rate * PROMPT_SECONDS), design.features, device=device, dtype=place.dtype
    )
    symbols = torch.randint(1, design.symbols, (1, round(CHARACTERS_A_SECOND * place.seconds)), device=device)
    state = State(
        Cache(model.shared.shape, 1, capacity, device, place.dtype),
        Cache(model.grouped.shape, design.groups, capacity, device, place.dtype),
    )
    offsets = torch.arange(design.count, device=device) * design.vocabulary
    places, at = torch.arange(design.count, device=device), torch.tensor([1], device=device)
    row = torch.full((1, 1, design.count), design.pad, device=device)
    out = torch.zeros(capacity, design.count, dtype=torch.long, device=device)
    enrolled = model.enrollment(features)  # depends on the voice alone and is kept for it
    model(row[:, :0], model.join(enrolled, symbols), state=state)  # fills the memories the graph reads
    shared, grouped = Stepper(model.shared, state.shared, at), Stepper(model.grouped, state.grouped, at)

    def pick(logits: Tensor) -> None:
        """The next row (codebooks,): four codebooks drawn from the 15 likeliest; padding until a codebook's turn."""
        best, index = logits[:4, : design.pad].topk(15, dim=-1)
        chosen = logits[:, : design.pad].argmax(dim=-1)
        chosen[:4] = index.gather(1, drawn(best, 1.0)[:, None])[:, 0]
        row.copy_(torch.where(places >= at, design.pad, chosen)[None, None])
        out.index_copy_(0, at, row[0])

    def advance() -> None:
        x = F.embedding(row + offsets, model.codes().flatten(0, 1)).sum(dim=2)[:, 0]
        x = shared(x + sinusoids(at, design.dim).to(x.dtype))
        streams = grouped(model.split(x[:, None])[:, 0])
        at.add_(1)
        pick(model.read_out(streams[:, None])[0, 0])

    replay = Replay(advance, device)

    def done_frames(count: int) -> Tensor:
        """Codebook q of frame t was said in row t + q; rows begin at 1."""
        return torch.stack([out[1 + q : 1 + q + count, q] for q in range(design.count)], dim=-1)[None]

    def speak() -> Iterator[Tensor]:
        state.shared.length = state.grouped.length = 0
        at.fill_(1)
        pick(model(row[:, :0], model.join(enrolled, symbols), state=state)[0, -1])
        for cache in (state.shared, state.grouped):  # the graph reads the memories at their first addresses
            for (old_k, old_v), (new_k, new_v) in zip(memories[id(cache)], cache.memory, strict=True):
                old_k.copy_(new_k)
                old_v.copy_(new_v)
            cache.memory = memories[id(cache)]
        yield from codec.decode_stream(in_chunks(done_frames, replay, frames, late))

    memories = {id(cache): cache.memory for cache in (state.shared, state.grouped)}
    speech, total, first = timed(speak, codec.sample_rate, place, repeats)
    parameters, _ = size_of(model)
    _, body = size_of(model.shared, model.grouped)
    tables = model.heads().numel() * model.heads().element_size()
    return Found(speech, total, first, (body + tables) * (frames + late), parameters)


def mobilespeech(place: Place, repeats: int) -> Found:
    design = mobilespeech_design.PAPER
    if place.tiny:
        design = replace(
            design, dim=64, heads=4, hidden=128, text_hidden=128, text_layers=1, prompt_layers=1, decoder_layers=2
        )
    model = MobileSpeech(design).to(place.device, place.dtype).eval().requires_grad_(False)
    if place.compiled:
        model.decoder = torch.compile(model.decoder, mode="reduce-overhead")  # type: ignore[assignment]
    codec = encodec(len(design.columns), place)
    passes = mobilespeech_design.passes("phone" if place.tiny else "quality", len(design.levels))
    phones = torch.randint(1, design.phones, (1, round(PHONES_A_SECOND * place.seconds)), device=place.device)
    prompt = torch.randint(0, 1024, (1, round(design.frame_rate * PROMPT_SECONDS), 8), device=place.device)
    frames = round(design.frame_rate * place.seconds)
    lengths = torch.full_like(phones, frames // phones.shape[1])
    lengths[:, : frames - int(lengths.sum())] += 1
    generator = torch.Generator(device=place.device).manual_seed(0)

    def speak() -> Iterator[Tensor]:
        text, mask = model.text(phones)
        heard, _ = model.hear(prompt, None)
        model.predict_durations(text, mask, heard, None)  # computed, and replaced: random weights give any length
        x, _, read = model.condition(text, lengths, heard, None)
        codes = torch.zeros(x.shape[1], len(design.columns), dtype=torch.long, device=place.device)
        for level in range(len(passes)):
            fill(model, x, read, codes, level, Settings(passes), generator)
        yield codec.decode(codes[None])

    speech, total, first = timed(speak, codec.sample_rate, place, repeats)
    parameters, _ = size_of(model)
    return Found(speech, total, first, size_of(model.decoder)[1] * sum(passes), parameters)


SYSTEMS = {"llasa": llasa, "mobilespeech": mobilespeech, "livespeech": livespeech, "kalle": kalle}


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="*", choices=[*SYSTEMS, []], help="default: all four")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=10.0, help="of speech (default: 10)")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tiny", action="store_true", help="toy sizes, to see the code run")
    parser.add_argument("--compile", action="store_true", help="torch.compile MobileSpeech's decoder (reduce-overhead)")
    options = parser.parse_args()
    device = torch.device(options.device)
    dtype = torch.float32 if options.tiny and device.type == "cpu" else torch.bfloat16
    place = Place(device, dtype, options.seconds, options.tiny, options.compile)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU"
    speed = probe(options.device)["copy_gb_per_s"]
    print(f"{name}, {dtype}, {'toy sizes, ' if options.tiny else ''}memory copies at {speed:.1f} GB/s (read and write)")
    for system in options.systems or SYSTEMS:
        found, known = SYSTEMS[system](place, options.repeats), KNOWN[system]
        rate = found.read_bytes / found.total / 1e9
        share = f"{rate:.1f} GB/s, {100 * rate / speed:.0f} % of the copy"
        aims = f"aim {known.rtf if known.rtf is not None else '-'}"
        firsts = f"aim {1000 * known.first:.0f} ms" if known.first is not None else "no aim"
        print(
            f"{system:13s} {found.parameters / 1e6:8.1f} M  RTF {found.total / found.speech:.4f} ({aims})  first chunk "
            f"{1000 * found.first:.1f} ms ({firsts})  weights at {share}  "
            f"published: {known.published}"
        )


if __name__ == "__main__":
    main()

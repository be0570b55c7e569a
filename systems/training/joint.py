"""Trains the codecs' decoders and the shared vocoder together, from audio through frozen codes to audio."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ttsbench.systems.codecs.mel_codec import FlowVAE, MelCodec, build, reconstruction
from ttsbench.systems.codecs.small import read_weights
from ttsbench.systems.nn.vocoder import Vocoder
from ttsbench.systems.nn.vocoder.loss import vocoder_loss
from ttsbench.systems.training.vocoder import judge


class Joint(nn.Module):
    """A vocoder and codecs whose encoders and quantizers stay as they are: codes that others train on do not change."""

    def __init__(self, vocoder: Vocoder, codecs: dict[str, MelCodec]) -> None:
        super().__init__()
        self.vocoder, self.codecs = vocoder, nn.ModuleDict(codecs)
        for codec in codecs.values():
            for name, weight in codec.named_parameters():
                weight.requires_grad = name.startswith(("decoder.", "outward.", "skip_out."))

    def again(self, name: str, mel: Tensor) -> Tensor:
        """Log-mels after the codec `name`; Flow-VAE latents are drawn from the posterior. Only the decoder learns."""
        codec = self.codecs[name]
        assert isinstance(codec, MelCodec)
        codec.eval()  # no dropped levels, no moving codebooks; gradients flow all the same
        with torch.no_grad():
            if isinstance(codec, FlowVAE):
                mean, log_std = codec.posterior(mel)
                latents = mean + torch.randn_like(mean) * log_std.exp()
            else:
                latents = codec.latents(codec.encode(mel)).detach()
        return codec.mel_from(latents)


def train_joint(
    corpus: Path,
    folder: Path,
    steps: int,
    minutes: float | None,
    vocoder: Path,
    codecs: dict[str, Path],
    batch: int = 16,
    frames: int = 64,
    lr: float = 4e-4,
) -> None:
    """Fine-tune from weights of a vocoder and of codecs, for so many steps or `minutes`, whichever comes first.

    Results in `folder` (see `split_weights`).
    """
    from ttsbench.systems.corpus.reader import Corpus, segments
    from ttsbench.systems.training.trainer import Loss, Settings, train

    data = Corpus(corpus)
    built = {name: build(name) for name in codecs}
    for name, path in codecs.items():
        read_weights(built[name], path)
    shared = Vocoder()
    read_weights(shared, vocoder)
    model = Joint(shared, dict(built))
    names = list(codecs)

    def loss(pair: tuple[Tensor, Tensor], step: int) -> Loss:
        mel, audio = pair
        turn = step % (len(names) + 1)
        if turn == len(names):
            parts = vocoder_loss(model.vocoder(mel), audio)
            return {"total": parts["total"], "true": parts["total"]}
        made = model.again(names[turn], mel).float()
        parts = vocoder_loss(model.vocoder(made), audio)
        own = reconstruction(made, mel)
        return {"total": parts["total"] + own, names[turn]: parts["total"], f"{names[turn]}_mel": own}

    held = data.select("test")[:5] + data.select("dev", "kathleen")[:2] + data.select("dev", "librispeech")[:18:4]
    held = held or data.select("dev")[:9]
    lengths = [min(320, u.frames // 8 * 8) for u in held]  # whole patches of every codec
    clips = [(data.mel(u, 0, n), data.audio(u, 0, n)) for u, n in zip(held, lengths, strict=True)]

    def look(_: nn.Module) -> dict[str, float]:
        found: dict[str, float] = {}
        for name in names:
            again = [(model.again(name, torch.from_numpy(mel)[None])[0].numpy(), audio) for mel, audio in clips]
            found |= {f"{name}_{key}": value for key, value in judge(model.vocoder, again).items()}
        return {"loss": float(np.mean([v for k, v in found.items() if k.endswith("_loss")])), **found}

    train(
        model,
        segments(data, "train", batch, frames, seed=3),
        loss,
        Settings(
            steps=steps, minutes=minutes, lr=lr, betas=(0.8, 0.99), hold=0.3, ema=0.998, eval_every=500, save_every=100
        ),
        folder,
        look,
        say=lambda line: print(line, flush=True),  # noqa: T201
    )


RVQ_OWN = ("gain", "quantizer.codebooks")


def split_weights(source: Path, target: Path, shipped: bool = True) -> list[Path]:
    """A joint run's safetensors to `vocoder.safetensors` and `codec-NAME.safetensors` in `target`.

    `shipped`: packed to 8 and 16 bits, and RVQ as its codebooks alone, for it then takes the stacks of FSQ.
    """
    from safetensors.torch import load_file

    from ttsbench.systems import packing
    from ttsbench.systems.training.trainer import export

    groups: dict[str, dict[str, Tensor]] = {}
    for name, value in load_file(source).items():
        head, _, rest = name.partition(".")
        if head == "codecs":
            codec, _, rest = rest.partition(".")
            groups.setdefault(f"codec-{codec}", {})[rest] = value
        else:
            groups.setdefault("vocoder", {})[rest] = value
    if shipped and "codec-fsq" in groups and "codec-rvq" in groups:
        groups["codec-rvq"] = {name: groups["codec-rvq"][name] for name in RVQ_OWN}
    target.mkdir(parents=True, exist_ok=True)
    for stem, weights in groups.items():
        if shipped:
            packing.save(weights, target / f"{stem}.safetensors")
        else:
            export(weights, target / f"{stem}.safetensors")
    return [target / f"{stem}.safetensors" for stem in groups]

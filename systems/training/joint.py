"""Trains codecs against the critics: decoders and the shared vocoder behind frozen codes, or whole codecs before it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ttsbench.systems import packing
from ttsbench.systems.codecs.mel_codec import Coded, FlowVAE, MelCodec, build, reconstruction
from ttsbench.systems.codecs.small import read_weights
from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.nn.mel import HOP, log_mel
from ttsbench.systems.nn.vocoder import Vocoder
from ttsbench.systems.nn.vocoder.critics import Critics
from ttsbench.systems.training.codec import Spread
from ttsbench.systems.training.trainer import Loss, export, train
from ttsbench.systems.training.vocoder import Contest, crops, crops_a_step, held_out, judge, only, settings

MEL_WEIGHT = 3.0  # of the decoders' log-mels against the true ones, beside what the critics say of the audio
CONTEXT = 16  # frames on either side that the codecs see and the vocoder does not: whole patches of every codec


class Joint(nn.Module):
    """A vocoder and codecs. Encoders and quantizers stay as they are, so codes that others train on do not change; or,
    with `encoders`, codecs learn as a whole and the vocoder stays.
    """

    def __init__(self, vocoder: Vocoder, codecs: dict[str, MelCodec], encoders: bool = False) -> None:
        super().__init__()
        self.vocoder, self.codecs, self.encoders = vocoder, nn.ModuleDict(codecs), encoders
        vocoder.requires_grad_(not encoders)
        for codec in codecs.values():
            for name, weight in codec.named_parameters():
                weight.requires_grad = encoders or name.startswith(("decoder.", "outward.", "skip_out."))

    def coded(self, name: str, mel: Tensor) -> Coded:
        """One training pass of the codec `name`: log-mels again, and with `encoders` its bottleneck's loss."""
        codec = self.codecs[name]
        if not self.encoders:
            return Coded(self.again(name, mel), mel, mel.new_zeros(()))
        found = codec(mel)
        assert isinstance(found, Coded)
        return found

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


def losses(model: Contest, names: list[str], audio: Tensor, step: int, head_start: int) -> Loss:
    """Of a crop with `CONTEXT` on either side: each step serves one codec, or the vocoder on true mels, in turn.

    Where codecs learn as a whole the vocoder has no turn.

    The first `head_start` steps only teach the critics: makers go on with the mel losses.
    """
    maker = model.maker
    assert isinstance(maker, Joint)
    mel, inner = log_mel(audio), slice(CONTEXT, -CONTEXT)
    true = audio[:, CONTEXT * HOP : -CONTEXT * HOP]
    turn = step % (len(names) + (not maker.encoders))
    if turn == len(names):
        return model.losses(maker.vocoder(mel[:, inner]), true, fooling=step >= head_start)
    name, coded = names[turn], maker.coded(names[turn], mel)
    made = coded.mel.float()[:, inner]
    parts = model.losses(maker.vocoder(made), true, fooling=step >= head_start)
    own = reconstruction(made, mel[:, inner])
    found = {**parts, "total": parts["total"] + MEL_WEIGHT * (own + coded.loss), f"{name}_mel": own}
    return found | ({f"{name}_spread": torch.tensor(coded.spread)} if coded.spread else {})


def train_joint(
    corpus: Path,
    folder: Path,
    steps: int,
    minutes: float | None,
    vocoder: Path,
    codecs: dict[str, Path],
    critics: Path | None = None,
    batch: int | None = None,
    frames: int = 64,
    lr: float = 3e-4,
    head_start: int = 60,
    device: str = "cpu",
    encoders: bool = False,
    judged: bool = True,
) -> None:
    """Fine-tune from weights of a vocoder and of codecs, for so many steps or `minutes`, whichever comes first.

    With `encoders` codecs learn as a whole and the vocoder stays (`Joint`); Flow-VAE's posterior is then brought to
    its deviation (`Spread`).
    `judged`: as in `train_vocoder`.
    `critics`: a safetensors file of `train_vocoder`'s run, whose critics go on. Results in `folder` (`split_weights`).
    """
    data = Corpus(corpus)
    torch.manual_seed(0)
    built = {name: build(name) for name in codecs}
    for name, path in codecs.items():
        read_weights(built[name], path)
    shared, judges = Vocoder(), Critics()
    read_weights(shared, vocoder)
    if critics is not None:
        judges.load_state_dict(only(load_file(critics), "critics."))
    maker = Joint(shared, dict(built), encoders)
    spreads = [Spread(codec) for codec in built.values() if isinstance(codec, FlowVAE) and encoders]
    model, names = Contest(maker, judges).to(device), list(codecs)
    held = held_out(data, 8)
    lengths = [min(320, u.frames // 8 * 8) for u in held]  # whole patches of every codec
    clips = [(data.mel(u, 0, n), data.audio(u, 0, n)) for u, n in zip(held, lengths, strict=True)]

    def look(_: nn.Module) -> dict[str, float]:
        found: dict[str, float] = {}
        for name in names:
            mels = [torch.from_numpy(mel)[None].to(device) for mel, _ in clips]
            again = [(maker.again(name, mel)[0].cpu().numpy(), a) for mel, (_, a) in zip(mels, clips, strict=True)]
            found |= {f"{name}_{key}": value for key, value in judge(maker.vocoder, again).items()}
        return {"loss": float(np.mean([v for k, v in found.items() if k.endswith("_loss")])), **found}

    def loss(audio: Tensor, step: int) -> Loss:
        found = losses(model, names, audio, step, head_start)
        for spread in spreads:
            if "flowvae_spread" in found:
                spread.follow(float(found["flowvae_spread"]))
        return found

    train(
        model,
        crops(data, "train", batch or crops_a_step(device), frames, seed=3, margin=CONTEXT),
        loss,
        settings(steps, minutes, lr, device),
        folder,
        look if judged else None,
        also=spreads,
        say=lambda line: print(line, flush=True),  # noqa: T201
    )


RVQ_OWN = ("gain", "quantizer.codebooks")


def split_weights(source: Path, target: Path, shipped: bool = True) -> list[Path]:
    """A joint run's safetensors to `vocoder.safetensors` and `codec-NAME.safetensors` in `target`.

    `shipped`: packed to 8 and 16 bits, and RVQ as its codebooks alone, for it then takes the stacks of FSQ.
    """
    groups: dict[str, dict[str, Tensor]] = {}
    for name, value in only(load_file(source), "maker.").items():
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

"""Trains the full-size Flow-VAE and X-codec2 with their published losses.

Flow-VAE (KALL-E, arXiv 2412.16846): 32 times the divergence of the flowed sample from N(0, 1), 1 mel L1, 1 adversarial,
1 feature matching; discriminators of five periods and three spectra, least squares. Not given, hence our choice (after
BigVGAN): AdamW, 1e-4, betas 0.8 and 0.99, crops of 2 s, batch 16, 1M steps; 100 mels of 1024 samples every 256; the
divergence as a mean over frames and channels.

X-codec2 (arXiv 2502.04128 and its public code): 15 mel L1 at seven resolutions, 1 adversarial, 1 feature matching, 5
squared error of the semantic features, which a decoder of its own reads off the codes; AdamW, 1e-4, betas 0.8 and 0.9,
3,000 steps of warm-up, a linear fall to 2e-5 over 400,000 steps, clipping at 1, crops of 6 s, batch 8. The layers of
its spectral discriminators are not given: they are those of Flow-VAE's. The perceptual loss has weight 0 in the
published configuration and is left out. w2v-BERT stays as it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttsbench.mel import filters
from ttsbench.systems import weights
from ttsbench.systems.codecs.flowvae_full import FlowVAE
from ttsbench.systems.codecs.xcodec2 import XCodec2
from ttsbench.systems.codecs.xcodec2_layers import SemanticEncoder
from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.nn import discriminators, gaussian
from ttsbench.systems.nn.mel import HOP
from ttsbench.systems.nn.precision import has_bf16
from ttsbench.systems.nn.vocoder.critics import contest
from ttsbench.systems.nn.vocoder.loss import magnitudes
from ttsbench.systems.training.trainer import Loss, Settings, train
from ttsbench.systems.training.vocoder import crops

KL, MEL, X_MEL, SEMANTIC = 32.0, 1.0, 15.0, 5.0
FLOW_MELS = ((1024, 256, 100),)  # window, hop, mels
X_MELS = tuple((32 << i, 8 << i, 5 << i) for i in range(7))
FLOW_SETTINGS = Settings(
    steps=1_000_000, lr=1e-4, floor=0.1, warmup=1000, betas=(0.8, 0.99), clip=1000.0, ema=0.999, eval_every=5000,
    save_every=1000,
)  # fmt: skip
X_SETTINGS = Settings(
    steps=400_000, lr=1e-4, floor=0.2, warmup=3000, decay="linear", betas=(0.8, 0.9), clip=1.0, ema=0.0,
    eval_every=5000, save_every=1000,
)  # fmt: skip
FLOW_CROP, X_CROP = 2.0, 6.0  # seconds
FLOW_BATCH, X_BATCH = 16, 8


def mel_loss(made: Tensor, true: Tensor, sizes: tuple[tuple[int, int, int], ...], base: float) -> Tensor:
    """Mean L1 of log-mels with floor 1e-5 over the (window, hop, mels), in units of log `base`; (batch, samples)."""
    total = made.new_zeros(())
    for size, hop, mels in sizes:
        bank = _bank(size, mels, str(made.device))
        one, two = ((magnitudes(x.float(), size, hop) @ bank).clamp_min(1e-5).log() for x in (made, true))
        total = total + F.l1_loss(one, two) / torch.log(torch.tensor(base))
    return total / len(sizes)


@functools.lru_cache(maxsize=16)
def _bank(size: int, mels: int, device: str) -> Tensor:
    return torch.from_numpy(filters(16000, size, mels)).to(device).T.contiguous()


class FlowVAETraining(nn.Module):
    """The codec and its discriminators under one optimiser."""

    def __init__(self, codec: FlowVAE, critics: nn.Module | None = None) -> None:
        super().__init__()
        self.codec, self.critics = codec, critics or discriminators.of_flow_vae()

    def losses(self, audio: Tensor) -> Loss:
        """Audio (batch, samples), whole frames long, to the weighted total and its parts."""
        made, flowed, logs = self.codec(audio)
        kl = gaussian.flow_prior_kl(flowed.float(), logs.float()).mean()
        mel = mel_loss(made, audio, FLOW_MELS, 2.718281828459045)
        parts = contest(self.critics, made.float(), audio, matching=1.0, form="squares")
        total = KL * kl + MEL * mel + parts["fooling"] + parts["critic"]
        return {
            "total": total,
            "mel": mel.detach(),
            "kl": kl.detach(),
            "deviation": logs.detach().exp().mean(),
            **parts,
        }


class XCodec2Training(nn.Module):
    """The codec, the decoder of its semantic features, and the discriminators. Names of the first two as published."""

    def __init__(self, codec: XCodec2, critics: nn.Module | None = None) -> None:
        super().__init__()
        shape = codec.shape
        self.codec, self.critics = codec, critics or discriminators.of_xcodec2()
        self.fc_post_s = nn.Linear(shape.joint, shape.semantic_dim)
        self.SemanticDecoder_module = SemanticEncoder(shape.semantic_dim)
        codec.semantic_model.requires_grad_(False)

    def losses(self, audio: Tensor) -> Loss:
        """Audio (batch, samples), whole frames long, to the weighted total and its parts."""
        codec = self.codec
        semantic = codec.semantic(audio)
        quantized, _ = codec.generator.quantizer(codec.joined(audio, semantic))
        made = codec.synthesize(quantized)[:, : audio.shape[1]]
        heard = self.SemanticDecoder_module(self.fc_post_s(quantized).transpose(1, 2))
        meaning = F.mse_loss(heard.float(), semantic.float())
        mel = mel_loss(made, audio, X_MELS, 10.0)
        parts = contest(self.critics, made.float(), audio, matching=1.0, form="squares")
        total = X_MEL * mel + SEMANTIC * meaning + parts["fooling"] + parts["critic"]
        return {"total": total, "mel": mel.detach(), "semantic": meaning.detach(), **parts}


def train_flowvae(
    corpus: Path,
    folder: Path,
    codec: FlowVAE | None = None,
    settings: Settings = FLOW_SETTINGS,
    seconds: float = FLOW_CROP,
    batch: int = FLOW_BATCH,
    critics: nn.Module | None = None,
    device: str = "cpu",
    say: Callable[[str], None] | None = None,
) -> FlowVAE:
    """Train from nothing, or on from `codec`; FOLDER/flowvae.safetensors is what KALL-E is trained on and speaks with
    where KALLE_DIR names the folder.
    """
    torch.manual_seed(settings.seed)
    model = FlowVAETraining(codec or FlowVAE(), critics).to(device)
    _train(corpus, folder, model, model.losses, settings, seconds, batch, model.codec.hop, device, say)
    model.codec.save(folder / "flowvae.safetensors")
    return model.codec


def train_xcodec2(
    corpus: Path,
    folder: Path,
    codec: XCodec2 | None = None,
    settings: Settings = X_SETTINGS,
    seconds: float = X_CROP,
    batch: int = X_BATCH,
    critics: nn.Module | None = None,
    device: str = "cpu",
    say: Callable[[str], None] | None = None,
) -> XCodec2:
    """Train from nothing but w2v-BERT, or on from `codec`; FOLDER/model.safetensors is what Llasa is trained on and
    speaks with where XCODEC2_DIR names the folder. MissingWeights where w2v-BERT is not on this machine.
    """
    torch.manual_seed(settings.seed)
    if codec is None:
        codec = XCodec2()
        codec.start_from(weights.read(weights.find(weights.W2V_BERT)))
    model = XCodec2Training(codec, critics).to(device)
    _train(corpus, folder, model, model.losses, settings, seconds, batch, codec.hop, device, say)
    model.codec.save(folder / "model.safetensors")
    return model.codec


def _train(
    corpus: Path,
    folder: Path,
    model: nn.Module,
    losses: Callable[[Tensor], Loss],
    settings: Settings,
    seconds: float,
    batch: int,
    hop: int,
    device: str,
    say: Callable[[str], None] | None,
) -> None:
    """The shared loop: crops of whole frames, judged by the mel loss of held-out ones."""
    data = Corpus(corpus)
    frames = round(seconds * 16000 / hop) * hop // HOP
    held = [crops(data, "dev", batch, frames, seed=7, margin=0)(number).to(device) for number in range(2)]

    def evaluate(_: nn.Module) -> dict[str, float]:
        torch.manual_seed(1)
        with torch.enable_grad():  # the critics' gradients are taken inside
            found = [losses(audio) for audio in held]
        model.zero_grad(set_to_none=True)
        return {name: float(torch.stack([part[name].detach() for part in found]).mean()) for name in ("mel", "fooling")}

    given = crops(data, "train", batch, frames, seed=settings.seed, margin=0)
    settings = replace(settings, bf16=settings.bf16 and has_bf16(device))
    train(model, given, lambda audio, _: losses(audio), settings, folder, evaluate, say=say)

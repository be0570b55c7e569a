"""Trains the small codecs on log-mels of the corpus."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F

from ttsbench.systems.codecs.mel_codec import FlowVAE, QuantizedCodec, build, from_fsq, reconstruction, start_from
from ttsbench.systems.codecs.small import read_weights


class Spread:
    """Keeps the posterior's mean standard deviation near `aim` by moving the weight of the divergence, `rate` of the
    distance (in logarithms) at each step. KALL-E's published latents have deviations of about .6. Saved with the run.
    """

    def __init__(self, model: FlowVAE, aim: float = 0.5, rate: float = 0.01) -> None:
        self.model, self.aim, self.rate = model, aim, rate

    def follow(self, spread: float) -> None:
        """Take one step, after a batch whose posteriors had this deviation."""
        moved = self.model.weight * (self.aim / max(spread, 1e-6)) ** self.rate
        self.model.weight = min(1e-1, max(1e-6, moved))

    def state_dict(self) -> dict[str, float]:
        return {"weight": self.model.weight}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.model.weight = state["weight"]


def train_codec(
    name: str,
    corpus: Path,
    folder: Path,
    steps: int,
    minutes: float | None = None,
    batch: int = 24,
    frames: int = 192,
    warm: Path | None = None,
) -> None:
    """Train 'rvq', 'fsq' or 'flowvae' for so many steps or `minutes`, whichever comes first; results in `folder`.

    `warm`: weights of a trained FSQ codec, from which an RVQ codec starts (`mel_codec.from_fsq`).
    """
    from ttsbench.systems.corpus.reader import Corpus, segments
    from ttsbench.systems.training.trainer import Loss, Settings, train

    data = Corpus(corpus)
    torch.manual_seed(0)
    model = build(name)
    if not (folder / "state.pt").is_file():
        mel = segments(data, "train", 500, frames, seed=2, audio=False)(0)[0]
        if warm is None:
            start_from(model, mel)
        else:
            fsq = build("fsq")
            read_weights(fsq, warm)
            assert isinstance(model, QuantizedCodec) and isinstance(fsq, QuantizedCodec)
            from_fsq(model, fsq, mel)
    held, _ = segments(data, "dev", 48, frames, seed=9)(0)
    spread = Spread(model) if isinstance(model, FlowVAE) else None

    def loss(pair: tuple[torch.Tensor, torch.Tensor], step: int) -> Loss:
        mel = pair[0]
        coded = model(mel)
        made = coded.mel.float()
        parts = {"total": reconstruction(made, mel) + coded.loss, "l1": F.l1_loss(made, mel), "own": coded.loss}
        if spread is not None:
            spread.follow(coded.spread)
            parts["spread"] = torch.tensor(coded.spread)
        return parts

    def judge(_: torch.nn.Module) -> dict[str, float]:
        codes = model.encode(held)
        made = model.mel_from(model.latents(codes))
        loss = float(reconstruction(made, held))
        return {"loss": loss, "l1": float(F.l1_loss(made, held)), "std": float(codes.float().std())}

    train(
        model,
        segments(data, "train", batch, frames, seed=1, audio=False),
        loss,
        Settings(steps=steps, minutes=minutes, lr=1.5e-3, hold=0.3, ema=0.998, eval_every=200, save_every=100),
        folder,
        judge,
        also=[spread] if spread is not None else [],
        say=lambda line: print(line, flush=True),  # noqa: T201
    )

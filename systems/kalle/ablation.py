"""What the latents and the loss of the small KALL-E should be: dimensions, frame rate, direction of the divergence.

    python -m ttsbench.systems.kalle.ablation CORPUS OUT --steps 1000     # trains a model a row
    python benchmarks/kalle.py ablation --runs OUT --limit 24            # they speak

No codec is trained anew: fewer dimensions are the principal directions of the shipped codec's latents, half the frame
rate is two neighbouring frames side by side. Everything else is the small recipe, the same steps for each row.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ttsbench.systems.kalle.data import Clip
from ttsbench.systems.kalle.latents import clips_of, load_vae
from ttsbench.systems.kalle.loss import Direction
from ttsbench.systems.kalle.model import SMALL, KalleShape
from ttsbench.systems.kalle.system import System
from ttsbench.systems.kalle.train import Aids, fit, fresh


@dataclass(frozen=True)
class Row:
    """Latent dimensions kept of 96, codec frames in one frame of the model, and the direction of the divergence."""

    dims: int = 96
    joined: int = 1
    direction: Direction = "target-predicted"

    def shape(self) -> KalleShape:
        assert SMALL.spacing is not None
        return replace(SMALL, latent=self.dims * self.joined, spacing=SMALL.spacing / self.joined)


ROWS = {
    "as-shipped": Row(),
    "dims-48": Row(dims=48),
    "dims-24": Row(dims=24),
    "6.25-hz": Row(joined=2),
    "other-direction": Row(direction="predicted-target"),
}


@dataclass(frozen=True)
class Change:
    """From the codec's latents (..., frames, 96) to a row's (..., frames / joined, dims x joined), and back."""

    centre: Tensor  # (96,)
    scale: Tensor  # (96,)
    axes: Tensor  # (dims, 96), rows of length 1
    joined: int

    def of(self, mean: Tensor, logs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-deviation of the posterior; of correlations between dimensions the model never hears."""
        mean = ((mean - self.centre) / self.scale) @ self.axes.T
        logs = 0.5 * (((2 * logs).exp() / self.scale**2) @ (self.axes**2).T).log()
        return self._side_by_side(mean), self._side_by_side(logs)

    def back(self, latents: Tensor) -> Tensor:
        """(batch, frames, dims x joined) to the codec's latents."""
        apart = latents.reshape(latents.shape[0], -1, len(self.axes))
        return apart @ self.axes * self.scale + self.centre

    def _side_by_side(self, x: Tensor) -> Tensor:
        whole = x[..., : x.shape[-2] // self.joined * self.joined, :]
        return whole.reshape(*x.shape[:-2], -1, len(self.axes) * self.joined)

    def clip(self, clip: Clip) -> Clip:
        mean, logs = self.of(torch.from_numpy(clip.mean).float(), torch.from_numpy(clip.logs).float())
        ends = np.minimum(clip.ends / self.joined, len(mean))
        return replace(clip, ends=ends, mean=mean.half().numpy(), logs=logs.half().numpy())


def change_of(clips: Sequence[Clip], row: Row) -> Change:
    """The principal directions of the standardised means of up to 2000 clips."""
    means = np.concatenate([clip.mean for clip in clips[:: max(1, len(clips) // 2000)]]).astype(np.float32)
    every = torch.from_numpy(means)
    centre, scale = every.mean(0), every.std(0)
    axes = torch.linalg.svd((every - centre) / scale, full_matrices=False)[2][: row.dims].contiguous()
    return Change(centre, scale, axes if row.dims < every.shape[1] else torch.eye(row.dims), row.joined)


def train(corpus: Path, checkpoints: Path, out: Path, names: Sequence[str], steps: int) -> None:
    """A run of every row in OUT/ROW, with `kalle.safetensors` and `change.safetensors` in it."""
    vae = load_vae(checkpoints)
    pools = {split: clips_of(corpus, vae, split) for split in ("train", "dev")}
    for name in names:
        row, folder = ROWS[name], out / name
        change = change_of(pools["train"], row)
        kept = {split: [change.clip(c) for c in pool if len(c.mean) >= 4] for split, pool in pools.items()}
        fit(fresh(kept["train"], row.shape()), kept, folder, None, steps, Aids(direction=row.direction))
        save_file({"centre": change.centre, "scale": change.scale, "axes": change.axes}, folder / "change.safetensors")


class Changed:
    """The Flow-VAE with a change before and behind it, as far as `System` asks."""

    def __init__(self, codec: object, change: Change) -> None:
        self.codec, self.change = codec, change

    def __getattr__(self, name: str) -> object:
        return getattr(self.codec, name)

    def decode_stream(self, chunks: Iterator[Tensor]) -> Iterator[Tensor]:
        return self.codec.decode_stream(self.change.back(chunk) for chunk in chunks)  # type: ignore[attr-defined]


class Trained(System):
    """The system of a row that `train` left in OUT; codec and vocoder are the shipped ones."""

    def __init__(self, out: Path, name: str) -> None:
        row = ROWS[name]
        super().__init__(shape=row.shape(), weights=out / name / "kalle.safetensors")
        self.change = Change(**load_file(out / name / "change.safetensors"), joined=row.joined)
        self.codec = Changed(self.codec, self.change)

    @torch.no_grad()
    def _posterior(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        return self.change.of(*super()._posterior(audio))


def main(arguments: Sequence[str] | None = None) -> int:
    from ttsbench.systems.codecs import checkpoints

    parser = argparse.ArgumentParser(
        prog="python -m ttsbench.systems.kalle.ablation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path, help="where the runs go, a folder a row")
    parser.add_argument("--steps", type=int, default=1000, help="of each row's training (default: 1000)")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="only these rows")
    options = parser.parse_args(arguments)
    train(options.corpus, checkpoints(), options.out, options.rows, options.steps)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Trains the small preset from a corpus folder and a codec; the full-size preset from a folder of EnCodec codes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ttsbench.systems.mobilespeech.data import Batches, Example, whole_durations
from ttsbench.systems.mobilespeech.design import SMALL, Design
from ttsbench.systems.mobilespeech.loss import Batch, draw_masks, forgetful, losses
from ttsbench.systems.mobilespeech.model import MobileSpeech


class Trained(nn.Module):
    """The model as the training loop sees it: a batch and its number in, losses out."""

    def __init__(self, model: MobileSpeech, seed: int = 0) -> None:
        super().__init__()
        self.model, self.design, self.seed = model, model.design, seed

    def forward(self, batch: Batch, step: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        self.model.design = forgetful(self.design, generator) if self.training else self.design
        level, hidden = draw_masks(batch, self.model, generator)
        return losses(self.model, batch, level, hidden)


def examples(corpus: Path, split: str, codec: nn.Module, rate: float, kept: Path) -> list[Example]:
    """All utterances of a split that have phones, encoded. `codec.encode` takes log-mels (1, frames, 100).

    The codes are kept in the file `kept` (.npy), and read from there the next time.
    """
    from ttsbench.systems.corpus.reader import Corpus
    from ttsbench.systems.text.phones import to_ids

    data = Corpus(corpus)
    chosen = data.select(split, phones=True)
    if not kept.is_file():
        with torch.inference_mode():
            pieces = [codec.encode(torch.from_numpy(data.mel(u))[None])[0].numpy() for u in chosen]  # type: ignore[operator]
        np.save(kept, np.concatenate(pieces).astype(np.int16))
        np.save(kept.with_suffix(".lengths.npy"), [len(piece) for piece in pieces])
    ends = np.load(kept.with_suffix(".lengths.npy")).cumsum()
    if len(ends) != len(chosen):
        raise ValueError(f"{kept}: codes of {len(ends)} utterances, but {corpus} has {len(chosen)}: remove the file")
    found = []
    for utterance, codes in zip(chosen, np.split(np.load(kept), ends[:-1]), strict=True):
        frames = whole_durations(utterance.ends, len(codes), rate)
        found.append(Example(utterance.speaker, tuple(to_ids(list(utterance.phones))), frames, codes))
    return found


def train(
    corpus: Path,
    folder: Path,
    minutes: float,
    codec: nn.Module,
    design: Design = SMALL,
    budget: int = 3000,
    lr: float = 1.2e-3,
    seed: int = 0,
    device: str = "cpu",
) -> MobileSpeech:
    """Train for `minutes`; the run's files and `design.json` are left in `folder`, and a killed run goes on."""
    from ttsbench.systems.training import trainer

    torch.manual_seed(seed)
    model = Trained(MobileSpeech(design), seed).to(device)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "design.json").write_text(json.dumps(design.to_dict()))
    rate, stride = design.frame_rate, design.stride
    seen, unseen = (examples(corpus, name, codec, rate, folder / f"codes-{name}.npy") for name in ("train", "test"))
    batches, held = Batches(seen, rate, stride, budget, seed), _fixed(Batches(unseen, rate, stride, budget))
    settings = trainer.Settings(
        steps=10**6,
        minutes=minutes,
        lr=lr,
        hold=0.3,
        ema=0.998,
        seed=seed,
        eval_every=200,
        save_every=100,
        log_every=50,
    )
    trainer.train(
        model,
        lambda step: batches(step).to(device),
        model,
        settings,
        folder,
        lambda trained: judge(trained, held, device),
        say=lambda line: print(line, flush=True),  # noqa: T201
        progress=False,
    )
    return model.model


def judge(model: nn.Module, held: Iterable[Batch], device: str) -> dict[str, float]:
    """Losses on held-out sentences of held-out voices, with masks that are the same at every call."""
    sums: dict[str, list[float]] = {}
    for number, batch in enumerate(held):
        for name, value in model(batch.to(device), 10**6 + number).items():
            sums.setdefault(name, []).append(float(value))
    return {name: sum(values) / len(values) for name, values in sums.items()}


def _fixed(batches: Batches) -> list[Batch]:
    return [batches(step) for step in range(len(batches.plan(0)))]


def save(model: MobileSpeech, path: Path, design: Design, about: dict[str, str]) -> None:
    """The weights as fp16 safetensors, with the design and what the checkpoint is in the header."""
    from safetensors.torch import save_file

    tensors = {
        name: (value.half() if value.is_floating_point() else value).contiguous().clone()
        for name, value in model.state_dict().items()
        if not name.startswith(("joined.symbols", "durations.extractor.symbols"))  # the one symbol table, kept once
    }
    save_file(tensors, path, {"design": json.dumps(design.to_dict()), **about})


def restore(path: Path, **changes: bool) -> MobileSpeech:
    """A model from `save`, float32, ready to speak; `changes` take parts out (cross_attention, prompt_durations)."""
    from safetensors import safe_open

    with safe_open(path, "pt") as handle:
        design = Design.from_dict(json.loads(handle.metadata()["design"]))
        tensors = {name: handle.get_tensor(name).float() for name in handle.keys()}  # noqa: SIM118
    model = MobileSpeech(replace(design, **changes))
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    lost = [name for name in missing if not name.startswith("joined.symbols")]
    if lost or unexpected:
        raise ValueError(f"{path}: not a MobileSpeech checkpoint of this version (lacks {lost}, has {unexpected})")
    return model.eval()

"""Training at full size: Llama-3.2-1B over the Flow-VAE's latents, the paper's losses without the small model's aids.

Published: frozen Flow-VAE, targets are its posterior and inputs fresh samples of it, KL(target || predicted) a frame,
0.02 of the divergence to the end distribution, the speaker latent from 3 s of the target utterance, all weights of the
language model trained from the text-pretrained checkpoint, 96,700 h of Emilia and then 3,000 h of a cleaner subset, on
8 A100. Not given, hence our choice, after Llasa's published run: AdamW with betas 0.9 and 0.95, 5e-5 along a cosine
with 3 % warm-up, weight decay 0.01, clipping at 1, 320 utterances a step, two epochs; 0.01 of the speaker's divergence;
80 log-mels of 1024 samples every 160; utterances of up to 30 s. The given corpus takes the place of both stages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ttsbench.errors import UserError
from ttsbench.systems.codecs.flowvae_full import FlowVAE
from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.corpus.shards import Utterance
from ttsbench.systems.kalle.data import Batch, slice_of
from ttsbench.systems.kalle.full import CODEC, END_OF_TEXT, START_OF_SPEECH, WEIGHTS
from ttsbench.systems.kalle.model import PAPER, Kalle, KalleShape, save
from ttsbench.systems.kalle.speaker import speaker_mel
from ttsbench.systems.kalle.train import Aids, losses
from ttsbench.systems.training.llama import SEQUENCES, published, start_from
from ttsbench.systems.training.trainer import Settings, moved, train

if TYPE_CHECKING:
    from tokenizers import Tokenizer

AIDS = Aids(
    guide=0.0, holes=0.0, noise=0.0, voiceless=0.0, speaker_weight=0.01
)  # none of them; the weights of the losses remain
LONGEST = 30.0  # seconds of an utterance
VOICE_FRAMES = 300  # 3 s


def usable(corpus: Corpus, split: str) -> list[Utterance]:
    """Utterances with a transcript, up to `LONGEST`. ValueError where there is none."""
    found = [u for u in corpus.select(split) if u.text and u.frames / 100 <= LONGEST]
    if not found:
        raise UserError(f"{corpus.folder}: no utterance with a transcript in split {split!r}")
    return found


def batches(
    corpus: Corpus, codec: FlowVAE, tokenizer: Tokenizer, mels: int, split: str, seed: int, device: str = "cpu"
) -> Callable[[int], Batch]:
    """A function from number to batch: `SEQUENCES` utterances drawn from (seed, number), encoded as they are needed."""
    pool = usable(corpus, split)
    found = [tokenizer.token_to_id(mark) for mark in (END_OF_TEXT, START_OF_SPEECH)]
    marks = [token for token in found if token is not None]
    if len(marks) < 2:
        raise UserError(f"this tokenizer has no {END_OF_TEXT} or {START_OF_SPEECH}: it is not KALL-E's")

    @torch.no_grad()
    def posterior(audio: np.ndarray) -> tuple[Tensor, Tensor]:
        mean, logs = codec.posterior(torch.from_numpy(audio)[None].to(device))
        return mean[0], logs[0]

    def at(number: int) -> Batch:
        rng = np.random.default_rng((seed, number))
        chosen = [pool[int(i)] for i in rng.integers(len(pool), size=SEQUENCES)]
        waves = [corpus.audio(u) for u in chosen]
        texts = [[*tokenizer.encode(u.text).ids, *marks] for u in chosen]
        voices = [slice_of(speaker_mel(wave, mels), VOICE_FRAMES, rng) for wave in waves]
        return collate(texts, [posterior(wave) for wave in waves], voices)

    return at


def collate(
    texts: Sequence[Sequence[int]], posteriors: Sequence[tuple[Tensor, Tensor]], voices: Sequence[np.ndarray]
) -> Batch:
    """Pad token ids on their left, posteriors (frames, latent) on their right; there is no alignment to share out."""
    rows, tokens, device = len(texts), max(map(len, texts)), posteriors[0][0].device
    ids, text_mask = torch.zeros(rows, tokens, dtype=torch.long), torch.zeros(rows, tokens, dtype=torch.bool)
    for row, text in enumerate(texts):
        ids[row, tokens - len(text) :] = torch.tensor(text)
        text_mask[row, tokens - len(text) :] = True
    mean, logs = (nn.utils.rnn.pad_sequence([pair[part] for pair in posteriors], batch_first=True) for part in (0, 1))
    lengths = torch.tensor([len(pair[0]) for pair in posteriors], device=device)
    mask = torch.arange(mean.shape[1], device=device)[None] < lengths[:, None]
    return Batch(
        ids,
        text_mask,
        mean,
        logs,
        mask,
        torch.from_numpy(np.stack(voices)),
        torch.zeros(rows, 0, 0),
        torch.zeros(rows, 2),
    )


def train_paper(
    corpus: Path,
    folder: Path,
    codec: FlowVAE,
    tokenizer: Tokenizer,
    llama: dict[str, Tensor],
    shape: KalleShape = PAPER,
    settings: Settings | None = None,
    device: str = "cpu",
    say: Callable[[str], None] | None = None,
) -> Kalle:
    """Train from a text model's weights on a corpus folder; a run that is in `folder` goes on.

    FOLDER then holds all that `full.Trained` speaks from: the language model, its codec, the tokenizer.
    """
    data = Corpus(corpus)
    settings = settings or published(len(usable(data, "train")))
    torch.manual_seed(settings.seed)
    model = Kalle(shape)
    start_from(model, llama, "base_model.")
    model, codec = model.to(device), codec.to(device).eval()
    mels = shape.speaker.mels if shape.speaker else 80
    given, held = (batches(data, codec, tokenizer, mels, split, settings.seed, device) for split in ("train", "dev"))
    held_out = [moved(held(number), device) for number in range(4)]

    def evaluate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, Kalle)
        torch.manual_seed(1)
        found = [losses(module, batch, 0, AIDS) for batch in held_out]
        return {name: float(np.mean([float(part[name]) for part in found])) for name in ("audio", "end", "speaker")}

    train(model, given, lambda b, number: losses(model, b, number, AIDS), settings, folder, evaluate, say=say)
    save(model, folder / WEIGHTS)
    codec.save(folder / CODEC)
    tokenizer.save(str(folder / "tokenizer.json"))
    return model

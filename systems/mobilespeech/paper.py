"""Training at full size: EnCodec's codes, and the settings of the paper's relatives (the paper's own were not at hand).

ControlSpeech, by the same first author, states for a generator built alike: AdamW with betas 0.9 and 0.95, 5,000 steps
of warm-up to 5e-4, then a linear fall; 3,500 codec frames a GPU on eight GPUs. One device does the eight in a row here.
Left open by all sources, hence our choice: 300,000 steps, weight decay 0.01, clipping at 1, no averaging of weights,
prompts of up to 4 s. The English model was trained on 580 h, the size of LibriTTS; here it is the given corpus.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from ttsbench.systems.codecs import Codec
from ttsbench.systems.codecs.encodec import EnCodec
from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.mobilespeech.design import PAPER, Design
from ttsbench.systems.mobilespeech.full import WEIGHTS
from ttsbench.systems.mobilespeech.model import MobileSpeech
from ttsbench.systems.mobilespeech.train import fit, save
from ttsbench.systems.training.data import encode_recordings
from ttsbench.systems.training.trainer import Settings

SETTINGS = Settings(
    steps=300_000, lr=5e-4, floor=0.0, warmup=5000, decay="linear", betas=(0.9, 0.95), accumulate=8, ema=0.0,
    eval_every=5000, save_every=1000,
)  # fmt: skip
FRAMES = 3500
LONGEST = 20.0  # seconds of an utterance


def train_paper(
    corpus: Path,
    folder: Path,
    codec: EnCodec,
    design: Design = PAPER,
    settings: Settings = SETTINGS,
    device: str = "cpu",
    say: Callable[[str], None] | None = None,
) -> MobileSpeech:
    """Encode the corpus once, then train on it; a run that is in `folder` goes on. Only aligned utterances serve.

    The averaged weights with their design come to lie in FOLDER/mobilespeech-paper.safetensors (`full.Trained`).
    """
    name = f"encodec-{codec.codebooks}"
    encode_recordings(Corpus(corpus), cast(Codec, codec), name, device, say or (lambda _: None))
    model = fit(corpus, folder, settings, name, design, FRAMES, LONGEST, device, say)
    save(model, folder / WEIGHTS, model.design, {"codec": name}, packed=False)
    return model

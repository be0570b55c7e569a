"""`ttsbench train SYSTEM --preset paper`: finds the published parts that a system is trained on, then trains it.

What is published and what is our choice stands at the head of each system's module. MissingWeights names the file that
is not on this machine and where to get it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from ttsbench.errors import UserError
from ttsbench.systems import weights
from ttsbench.systems.codecs import Codec

Say = Callable[[str], None]


def train_paper(what: str, corpus: Path, folder: Path, device: str, say: Say) -> None:
    """Train `what` at full size into `folder`; ValueError where there is no such preset."""
    presets: dict[str, Callable[[Path, Path, str, Say], object]] = {
        "livespeech": _livespeech, "mobilespeech": _mobilespeech, "kalle": _kalle, "llasa": _llasa
    }  # fmt: skip
    if what not in presets:
        raise UserError(f"train {what} --preset paper: only {', '.join(presets)} have a paper preset")
    presets[what](corpus, folder, device, say)


def _livespeech(corpus: Path, folder: Path, device: str, say: Say) -> object:
    from ttsbench.systems.codecs.encodec import EnCodec
    from ttsbench.systems.livespeech.paper import train_paper

    return train_paper(corpus, folder, EnCodec.published(16).to(device), device=device, say=say)


def _mobilespeech(corpus: Path, folder: Path, device: str, say: Say) -> object:
    from ttsbench.systems.codecs.encodec import EnCodec
    from ttsbench.systems.mobilespeech.paper import train_paper

    return train_paper(corpus, folder, EnCodec.published(8).to(device), device=device, say=say)


def _kalle(corpus: Path, folder: Path, device: str, say: Say) -> object:
    from ttsbench.systems.codecs.flowvae_full import FlowVAE
    from ttsbench.systems.kalle.full import load_tokenizer
    from ttsbench.systems.kalle.paper import train_paper

    codec, tokenizer = FlowVAE.published(), load_tokenizer()
    llama = weights.read(weights.find(weights.LLAMA))
    return train_paper(corpus, folder, codec, tokenizer, llama, device=device, say=say)


def _llasa(corpus: Path, folder: Path, device: str, say: Say) -> object:
    from ttsbench.systems.codecs.xcodec2 import XCodec2
    from ttsbench.systems.llasa import prompt
    from ttsbench.systems.llasa.tuning import train_paper

    codec = cast(Codec, XCodec2.published().to(device))
    hub = "HKUSTAudio/Llasa-1B"
    wanted = weights.Weights("Llasa", hub, "tokenizer.json", "LLASA_DIR", "CC BY-NC 4.0")
    tokenizer = prompt.load_tokenizer(weights.find(wanted).parent)
    llama = weights.read(weights.find(weights.LLAMA_INSTRUCT))
    return train_paper(corpus, folder, codec, tokenizer, llama, device=device, say=say)

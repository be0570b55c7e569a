"""`ttsbench train SYSTEM --preset paper`: finds the published parts that a system is trained on, then trains it.

What is published and what is our choice stands at the head of each system's module. MissingWeights names the file that
is not on this machine and where to get it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ttsbench.errors import UserError
from ttsbench.systems import weights
from ttsbench.systems.codecs import Codec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ttsbench.systems.training.trainer import Judge

Say = Callable[[str], None]


@dataclass(frozen=True)
class Paper:
    """What is asked for. `variant`: a size of Llasa (1b, 3b, 8b), or 1b-asr, which recognises; weights of LiveSpeech's
    codebooks (adaptive, fixed), or its model without group heads (ungrouped, ungrouped-p-max). `start`: a folder with
    the Llama to start from, in place of the published one. `listen`: who chooses among checkpoints, made from what
    turns a module into a system; None: the loss.
    """

    corpus: Path
    folder: Path
    device: str = "cpu"
    variant: str = ""
    start: Path | None = None
    listen: Callable[[Callable[[nn.Module], object]], Judge] | None = None
    say: Say = print


VARIANTS = {"livespeech": ("adaptive", "fixed", "ungrouped", "ungrouped-p-max"), "llasa": ("1b", "3b", "8b", "1b-asr")}


def train_paper(what: str, asked: Paper) -> None:
    """Train `what` at full size into the folder; UserError where there is no such preset or variant."""
    presets: dict[str, Callable[[Paper], object]] = {
        "livespeech": _livespeech, "mobilespeech": _mobilespeech, "kalle": _kalle, "llasa": _llasa,
        "flowvae": _flowvae, "xcodec2": _xcodec2,
    }  # fmt: skip
    if what not in presets:
        raise UserError(f"train {what} --preset paper: only {', '.join(presets)} have a paper preset")
    known = VARIANTS.get(what, ())
    if asked.variant and asked.variant not in known:
        raise UserError(f"--variant {asked.variant}: {what} has {', '.join(known) or 'none'}")
    presets[what](asked)


def _livespeech(asked: Paper) -> object:
    from ttsbench.systems.codecs.encodec import EnCodec
    from ttsbench.systems.livespeech.full import Trained
    from ttsbench.systems.livespeech.model import LiveSpeech
    from ttsbench.systems.livespeech.paper import train_paper
    from ttsbench.systems.livespeech.train import PAPER_RECIPES

    codec = EnCodec.published(16).to(asked.device)
    recipe = PAPER_RECIPES[asked.variant or "adaptive"]

    def speaking(module: nn.Module) -> object:
        assert isinstance(module, LiveSpeech)
        return Trained(model=module, codec=codec, device=asked.device)

    listen = asked.listen(speaking) if asked.listen else None
    return train_paper(asked.corpus, asked.folder, codec, recipe, asked.device, asked.say, listen=listen)


def _mobilespeech(asked: Paper) -> object:
    from ttsbench.systems.codecs.encodec import EnCodec
    from ttsbench.systems.mobilespeech.paper import train_paper

    codec = EnCodec.published(8).to(asked.device)
    return train_paper(asked.corpus, asked.folder, codec, device=asked.device, say=asked.say)


def _kalle(asked: Paper) -> object:
    from ttsbench.systems.codecs.flowvae_full import FlowVAE
    from ttsbench.systems.kalle.full import load_tokenizer
    from ttsbench.systems.kalle.paper import train_paper

    codec, tokenizer = FlowVAE.published(), load_tokenizer()
    llama = _llama(asked, "1b")
    return train_paper(asked.corpus, asked.folder, codec, tokenizer, llama, device=asked.device, say=asked.say)


def _llasa(asked: Paper) -> object:
    from ttsbench.systems.codecs.xcodec2 import XCodec2
    from ttsbench.systems.llasa import prompt
    from ttsbench.systems.llasa.core import SIZES
    from ttsbench.systems.llasa.tuning import train_paper

    size, _, heard = (asked.variant or "1b").partition("-")
    codec = cast(Codec, XCodec2.published().to(asked.device))
    tokenizer = prompt.load_tokenizer(weights.find(replace(weights.LLASA[size], file="tokenizer.json")).parent)
    llama, config = _llama(asked, size), SIZES[size]
    return train_paper(
        asked.corpus, asked.folder, codec, tokenizer, llama, config,
        device=asked.device, say=asked.say, heard=bool(heard),
    )  # fmt: skip


def _llama(asked: Paper, size: str) -> dict[str, Tensor]:
    """The instructed Llama of that size, or the one in the folder --start."""
    if asked.start is None:
        return weights.read_all(weights.LLAMA_INSTRUCT[size])
    return weights.read_folder(asked.start)


def _flowvae(asked: Paper) -> object:
    from ttsbench.systems.training.codec_paper import train_flowvae

    return train_flowvae(asked.corpus, asked.folder, device=asked.device, say=asked.say)


def _xcodec2(asked: Paper) -> object:
    from ttsbench.systems.training.codec_paper import train_xcodec2

    return train_xcodec2(asked.corpus, asked.folder, device=asked.device, say=asked.say)

"""The stages of training: the corpus, the vocoder, the codecs, their codes, the four systems."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ttsbench.errors import UserError

if TYPE_CHECKING:
    from torch import nn

    from ttsbench.systems.corpus.heard import Recognise
    from ttsbench.systems.training.listening import Hear
    from ttsbench.systems.training.trainer import Judge, Settings

UNENDING = 10**6
WIDER = 4  # a GPU takes batches of so many times the frames
CODECS = ("rvq", "fsq", "flowvae")
SYSTEMS = ("livespeech", "llasa", "kalle", "mobilespeech")
TUNED = ("fsq", "flowvae")  # of shipped checkpoints: RVQ's file holds codebooks, its stacks are FSQ's
STEPS = {"vocoder": 2652, "fsq": 658, "rvq": 0, "flowvae": 313, "decoders": 1351}  # as the shipped ones took


@dataclass(frozen=True)
class Order:
    """A stage (`ttsbench train --help`) and its settings. `out`: of the corpus, the corpus folder."""

    what: str
    corpus: Path = Path("build/corpus")
    out: Path | None = None
    minutes: float | None = None
    steps: int | None = None
    listen: int = 8
    prompts: Path | None = None
    device: str = "cpu"
    start: Path | None = None
    keep: float = 0.0
    preset: str = "small"
    hours: float = 7.5
    real: Path | None = None
    libritts: Path | None = None
    spoken: tuple[Path, ...] = ()
    workers: int = 2
    seed: int = 0
    variant: str = ""


def run(args: Order, hear: Hear | None = None, recognise: Recognise | None = None) -> int:
    """Do one stage; returns 0. Raises UserError and FileNotFoundError with what is missing.

    `hear`: who listens to held-out sentences while a system is being trained (`listening`).
    `recognise`: who checks the texts of recordings (`corpus.heard`).
    """
    import torch

    out = args.out or Path("build/training")
    if args.what == "corpus":
        return _corpus(args, recognise)
    if args.what == "held-out":
        return _held_out(args.corpus, args.out or Path("build/held-out"))
    torch.set_num_threads(1)  # small models: a second thread costs more than it gives
    if args.what == "codes":
        return _codes(args.corpus, out)
    if args.variant and args.preset != "paper":
        raise UserError("--variant belongs to --preset paper")
    if args.preset == "paper":
        return _paper(args, out / f"{args.what}-paper", hear)
    adversarial = {"vocoder": _vocoder, "decoders": _decoders}
    if args.what == "xcodec2":
        raise UserError("train xcodec2: there is no small X-codec2; add --preset paper")
    stages: dict[str, Callable[[Path, Path, int, float | None], None]]
    stages = {name: partial(stage, args) for name, stage in adversarial.items()}
    stages |= {name: partial(_codec, name) if args.start is None else partial(_tuned, name, args) for name in CODECS}
    systems: dict[str, Callable[[Order, Path, Judge | None], nn.Module]]
    systems = dict(zip(SYSTEMS, (_livespeech, _llasa, _kalle, _mobilespeech), strict=True))
    if args.what in SYSTEMS:
        listen = _listener(args, out, hear)
        _speakable(args, systems[args.what](args, out, listen), out, by_ear=listen is not None)
    else:
        stages[args.what](args.corpus, out, _steps(args, STEPS[args.what]), args.minutes)
    _say(f"{args.what}: done, in {out / args.what}")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def _corpus(args: Order, recognise: Recognise | None) -> int:
    from ttsbench.systems.corpus.build import build

    folder = args.out or args.corpus
    made = (args.hours, args.real, args.libritts, args.workers, args.seed, _say, recognise, args.spoken)
    count = build(folder, *made)
    _say(f"corpus: {count} utterances in {folder}")
    return 0


def _held_out(corpus: Path, folder: Path) -> int:
    from ttsbench.systems.corpus.held_out import write_held_out

    _say(f"held-out: {write_held_out(corpus, folder)} recordings in {folder}")
    return 0


def _vocoder(args: Order, corpus: Path, out: Path, steps: int, minutes: float | None) -> None:
    from ttsbench.systems.training.vocoder import train_vocoder

    first, judged = None if args.start is None else args.start / "vocoder.safetensors", args.listen > 0
    train_vocoder(corpus, out / "vocoder", steps, minutes, start=first, device=args.device, judged=judged)


def _codec(name: str, corpus: Path, out: Path, steps: int, minutes: float | None) -> None:
    from ttsbench.systems.training.codec import train_codec

    fsq = out / "fsq" / "last.safetensors"
    warm = fsq if name == "rvq" and fsq.is_file() else None
    if steps == 0 and warm is None:
        raise UserError(f"{fsq}: not there. Train fsq first, or say how long rvq is trained: --steps or --minutes")
    train_codec(name, corpus, out / name, steps, minutes, warm=warm)


def _tuned(name: str, args: Order, corpus: Path, out: Path, steps: int, minutes: float | None) -> None:
    """On from the codec in the folder --start, as a whole, before the vocoder there, against critics."""
    from ttsbench.systems.training.joint import split_weights, train_joint

    start = args.start
    if start is None or name not in TUNED:
        raise UserError(f"train {name} --start: only {' and '.join(TUNED)} go on from a checkpoint")
    critics = start / "critics.safetensors"
    train_joint(
        corpus, out / name, steps, minutes, start / "vocoder.safetensors", {name: start / f"codec-{name}.safetensors"},
        critics if critics.is_file() else None, device=args.device, encoders=True, judged=args.listen > 0,
    )  # fmt: skip
    split_weights(out / name / "last.safetensors", out / "checkpoints")


def _decoders(args: Order, corpus: Path, out: Path, steps: int, minutes: float | None) -> None:
    from ttsbench.systems.training.joint import split_weights, train_joint

    start = args.start
    if start is None:
        vocoder, critics = out / "vocoder" / "vocoder.safetensors", out / "vocoder" / "last.safetensors"
        codecs = {name: out / name / "last.safetensors" for name in CODECS}
    else:
        vocoder, critics = start / "vocoder.safetensors", start / "critics.safetensors"
        codecs = {name: start / f"codec-{name}.safetensors" for name in TUNED}
    codecs = {name: path for name, path in codecs.items() if path.is_file()}
    known = critics if critics.is_file() else None
    train_joint(
        corpus, out / "decoders", steps, minutes, vocoder, codecs, known, device=args.device, judged=args.listen > 0
    )
    split_weights(out / "decoders" / "last.safetensors", out / "checkpoints")
    if start is not None and (start / "codec-rvq.safetensors").is_file():
        shutil.copy(start / "codec-rvq.safetensors", out / "checkpoints")


def _codes(corpus: Path, out: Path) -> int:
    from ttsbench.systems.codecs import load_codec
    from ttsbench.systems.corpus.reader import Corpus
    from ttsbench.systems.training.data import encode_corpus

    data, folder = Corpus(corpus), _codecs(out)
    for name in CODECS:
        if (folder / f"codec-{name}.safetensors").is_file():
            _say(f"codes: {encode_corpus(data, load_codec(name, folder), _say)}")
    return 0


def _codecs(out: Path) -> Path:
    """The codecs that were trained in `out`, else the shipped ones."""
    from ttsbench.systems.codecs import checkpoints

    own = out / "checkpoints"
    return own if (own / "vocoder.safetensors").is_file() else checkpoints()


def _paper(args: Order, folder: Path, hear: Hear | None) -> int:
    from ttsbench.systems.corpus.reader import Corpus
    from ttsbench.systems.training.listening import of_modules
    from ttsbench.systems.training.paper import Paper, train_paper

    if args.minutes or args.steps:
        raise UserError("--preset paper: the published settings say how many steps; leave --minutes and --steps out")
    Corpus(args.corpus)
    listen = None
    if hear is not None and args.listen:
        listen = partial(of_modules, args.corpus, folder, args.listen, hear, args.prompts)
    train_paper(args.what, Paper(args.corpus, folder, args.device, args.variant, args.start, listen, _say))
    _say(f"{args.what}: done, in {folder}")
    return 0


def _listener(args: Order, out: Path, hear: Hear | None) -> Judge | None:
    if hear is None or args.listen == 0:
        return None
    from ttsbench.systems.training.listening import listener

    return listener(args.what, args.corpus, out / args.what, _codecs(out), args.listen, hear, args.prompts)


def _speakable(args: Order, model: nn.Module, out: Path, by_ear: bool) -> None:
    """Put the weights where the system can speak from them: those heard to be best, or else the last; a share of
    `args.keep` of those that it began with is mixed in."""
    from safetensors.torch import load_file

    from ttsbench.systems.training import speakable, warm

    what, start = args.what, _start(args)
    best = out / what / "best.safetensors"
    if by_ear and best.is_file():
        model.load_state_dict(load_file(best))
    if start and args.keep:
        warm.keep(model, start, args.keep)
    speakable.write(what, model, out / "checkpoints", _codecs(out))
    _say(f"{what}: to hear it, TTSBENCH_CHECKPOINTS={out / 'checkpoints'} ttsbench run --system {what} --out runs/own")


def _limited(settings: Settings, args: Order) -> Settings:
    """The preset's settings with the end that was asked for: by steps, by the clock, or as many steps as shipped."""
    from ttsbench.systems.training import warm
    from ttsbench.systems.training.trainer import seldom

    rate = warm.rate(settings.lr, args.start)
    settings = replace(settings, steps=_steps(args, settings.steps), minutes=args.minutes, seed=args.seed, lr=rate)
    return settings if args.device == "cpu" else seldom(settings)


def _start(args: Order) -> Path | None:
    return None if args.start is None else args.start / f"{args.what}.safetensors"


def _wider(args: Order) -> int:
    return 1 if args.device == "cpu" else WIDER


def _steps(args: Order, shipped: int) -> int:
    return args.steps or (UNENDING if args.minutes else shipped)


def _livespeech(args: Order, out: Path, listen: Judge | None) -> nn.Module:
    from ttsbench.systems.livespeech.train import SMALL_RECIPE, small

    recipe = replace(
        SMALL_RECIPE, settings=_limited(SMALL_RECIPE.settings, args), frames=SMALL_RECIPE.frames * _wider(args)
    )
    return small(args.corpus, out / "livespeech", recipe, _say, args.device, listen, _start(args))


def _llasa(args: Order, out: Path, listen: Judge | None) -> nn.Module:
    from ttsbench.systems.llasa.train import SMALL, small

    recipe = replace(SMALL, settings=_limited(SMALL.settings, args), frames=SMALL.frames * _wider(args))
    return small(args.corpus, out / "llasa", recipe, _say, args.device, listen, _start(args))


def _kalle(args: Order, out: Path, listen: Judge | None) -> nn.Module:
    from ttsbench.systems.kalle.train import COLUMNS, STEPS, train_small

    steps, columns = _steps(args, STEPS), COLUMNS * _wider(args)
    return train_small(
        args.corpus, _codecs(out), out / "kalle", args.minutes, steps, args.device, listen, args.seed, columns,
        _start(args),
    )  # fmt: skip


def _mobilespeech(args: Order, out: Path, listen: Judge | None) -> nn.Module:
    from ttsbench.systems.mobilespeech.train import BUDGET, SETTINGS, Trained, fit

    settings, budget = _limited(SETTINGS, args), BUDGET * _wider(args)
    model = fit(
        args.corpus, out / "mobilespeech", settings, budget=budget, device=args.device, say=_say, listen=listen,
        start=_start(args),
    )  # fmt: skip
    return Trained(model)

"""make the corpus, train codecs and systems"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ttsbench import arguments

if TYPE_CHECKING:
    from ttsbench.systems.training.stages import Order

STAGES = {
    "corpus": "make the training corpus: synthetic speech with phone ends, and real recordings where --real names them",
    "held-out": "write the corpus' held-out voices as recordings: --testset folder=build/held-out,task=resynthesis",
    "vocoder": "train the shared vocoder on true log-mels",
    "rvq": "fit the residual VQ codec to the FSQ codec's latents, and train it where --steps or --minutes say so",
    "fsq": "train the FSQ codec",
    "flowvae": "train the Flow-VAE, the small or (--preset paper) the full-size one",
    "decoders": "fine-tune decoders and vocoder together; codes stay as they are",
    "xcodec2": "train X-codec2 (--preset paper alone)",
    "codes": "write every utterance's codes into the corpus, for the systems (shipped codecs, if none were trained)",
    "livespeech": "train the small LiveSpeech",
    "mobilespeech": "train the small MobileSpeech",
    "kalle": "train the small KALL-E",
    "llasa": "train the small Llasa",
}
ORDER = (
    "order: corpus, vocoder, rvq / fsq / flowvae, decoders, codes, then any system. Every stage goes on where it was."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ttsbench train`."""
    parser.description = "\n".join(f"{name:13s} {about}" for name, about in STAGES.items())
    parser.epilog = ORDER
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("what", type=arguments.one_of("stage", STAGES), metavar="WHAT", help=", ".join(STAGES))
    parser.add_argument("--corpus", type=Path, default=Path("build/corpus"), help="the corpus folder (build/corpus)")
    parser.add_argument("--out", type=Path, help="where runs are kept (build/training); corpus: the corpus folder")
    parser.add_argument("--minutes", type=arguments.number(0), help="end the run, and its schedule, by the clock")
    parser.add_argument(
        "--steps", type=arguments.count(), help="end after so many steps (as many as the shipped); exactly repeatable"
    )
    parser.add_argument(
        "--listen",
        type=arguments.count(0),
        default=8,
        metavar="N",
        help="systems: say N sentences in real voices every 1000 steps; words and voice pick the best weights (8). "
        "vocoder, decoders: 0 leaves out the looks at held-out recordings",
    )
    parser.add_argument(
        "--prompts",
        type=Path,
        metavar="DIR",
        help="systems: recordings and transcripts.tsv (file, speaker, text) to --listen on (held out of the corpus)",
    )
    parser.add_argument(
        "--device", type=arguments.device, default="cpu", help="vocoder, decoders, systems: cpu, cuda, cuda:1 (cpu)"
    )
    parser.add_argument(
        "--start",
        type=Path,
        help="vocoder, decoders, fsq, flowvae, systems: go on from the checkpoints in this folder; paper presets of "
        "kalle and llasa: from the Llama there (default: Llama 3.2 1B Instruct)",
    )
    parser.add_argument(
        "--keep", type=arguments.share, default=0.0, metavar="SHARE",
        help="systems with --start: mix that share of the weights begun with into what is written (0)",
    )  # fmt: skip
    parser.add_argument(
        "--preset",
        choices=("small", "paper"),
        default="small",
        help="systems: what is shipped, or the published settings",
    )
    parser.add_argument(
        "--hours",
        type=float,
        default=7.5,
        help="corpus: hours of flite (7.5; 0: none); beside other speech a tenth is kept",
    )
    parser.add_argument(
        "--real",
        type=Path,
        help="corpus: folder of real people's recordings (systems/corpus/README.md); Whisper checks texts",
    )
    parser.add_argument(
        "--libritts", type=Path, help="corpus: a LibriTTS-like folder, SPEAKER/.../X.wav with X.normalized.txt"
    )
    parser.add_argument(
        "--spoken", type=Path, nargs="+", default=(), metavar="DIR", help="corpus: folders that natural or hibari wrote"
    )
    parser.add_argument("--workers", type=arguments.count(), default=2, help="corpus: processes (2)")
    parser.add_argument(
        "--variant",
        default="",
        metavar="NAME",
        help="--preset paper: llasa 1b, 3b, 8b, 1b-asr; livespeech adaptive, fixed (codebook weights), ungrouped, "
        "ungrouped-p-max",
    )
    parser.add_argument("--seed", type=arguments.count(0), default=0, help="corpus, systems of the small preset (0)")


def run(options: argparse.Namespace) -> int:
    """Do one stage; a system in training is heard by Whisper base and GE2E. MissingModel: they are not installed."""
    from ttsbench.systems.training import ear, stages

    heard = options.preset == "small" or options.what == "livespeech"  # other full sizes are judged by their loss
    if options.listen and options.what in stages.SYSTEMS and heard:
        ear.whisper()  # now, and not after an hour of training
    return stages.run(order(options), ear.hear if options.preset == "small" else ear.spell, ear.transcribe_many)


def order(options: argparse.Namespace) -> Order:
    """The options as a stage takes them."""
    from ttsbench.systems.training.stages import Order

    return Order(**{name: getattr(options, name) for name in Order.__dataclass_fields__})

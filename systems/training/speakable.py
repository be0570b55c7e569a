"""A folder of checkpoints that a trained system speaks from: its weights as it reads them, beside its codecs'."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any


def write(what: str, module: Any, folder: Path, codecs: Path) -> None:
    """Write the weights of `module`, a system `what` in training, to FOLDER/WHAT.safetensors.

    The codecs' files of the folder `codecs` are copied, so that TTSBENCH_CHECKPOINTS=FOLDER is enough to speak.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in (*codecs.glob("codec-*.safetensors"), codecs / "vocoder.safetensors"):  # the vocoder marks a whole set
        if path.resolve() != (folder / path.name).resolve():
            part = folder / f".{path.name}.part"
            shutil.copyfile(path, part)
            os.replace(part, folder / path.name)
    _save(what, module, folder / f"{what}.safetensors")


def _save(what: str, module: Any, path: Path) -> None:
    if what == "livespeech":
        from ttsbench.systems.livespeech.model import save

        save(module, path)
    elif what == "llasa":
        from ttsbench.systems.llasa.small import save as save_llasa

        save_llasa(module, path)
    elif what == "mobilespeech":
        from ttsbench.systems.mobilespeech.train import save as save_mobilespeech

        save_mobilespeech(module.model, path, module.design, {"codec": "fsq"})
    else:
        from ttsbench.systems import packing

        packing.save(module.state_dict(), path, packing.of_models, bits=6)

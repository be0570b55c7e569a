"""Published weights of the full-size models: where they live, what they may be used for, how they are read.

Nothing is downloaded unless asked for (`find(..., download=True)`); no weights file can run code.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttsbench.digests import sha256
from ttsbench.errors import UserError

CACHE_VARIABLE = "TTSBENCH_WEIGHTS"


class MissingWeights(UserError):
    """A weights file that is not on this machine, or not the right one; says which file to put where."""


@dataclass(frozen=True)
class Weights:
    """One published file. `size` in bytes and `sha256` where known, else 0 and ""; `variable` names the
    environment variable whose folder is looked into first; `revision` is a commit of the hub repository.
    """

    name: str
    hub: str
    file: str
    variable: str
    licence: str
    revision: str = "main"
    size: int = 0
    sha256: str = ""

    @property
    def folder(self) -> Path:
        """Where a download lands: $TTSBENCH_WEIGHTS or ~/.cache/ttsbench/weights, then the hub's own name."""
        root = os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "ttsbench" / "weights"
        return Path(root) / self.hub.replace("/", "--")


XCODEC2 = Weights("X-codec2", "HKUSTAudio/xcodec2", "model.safetensors", "XCODEC2_DIR", "CC BY-NC 4.0")
FLOW_VAE = Weights("KALL-E Flow-VAE", "kxxia/KALL-E", "flowvae.pt", "KALLE_DIR", "not stated")
KALLE = Weights("KALL-E", "kxxia/KALL-E", "model.pt", "KALLE_DIR", "not stated")
ENCODEC = Weights(
    "EnCodec 24 kHz",
    "facebook/encodec_24khz",
    "model.safetensors",
    "ENCODEC_DIR",
    "not stated on the hub; the original repository is MIT",
    revision="c1dbe2ae3f1de713481a3b3e7c47f357092ee040",
)

LLAMA = Weights(  # what KALL-E starts from, and with instructions what Llasa starts from
    "Llama 3.2 1B", "meta-llama/Llama-3.2-1B", "model.safetensors", "LLAMA_DIR", "Llama 3.2 Community License"
)
LLAMA_INSTRUCT = Weights(
    "Llama 3.2 1B Instruct",
    "meta-llama/Llama-3.2-1B-Instruct",
    "model.safetensors",
    "LLAMA_INSTRUCT_DIR",
    "Llama 3.2 Community License",
)


def find(wanted: Weights, download: bool = False) -> Path:
    """The file on this machine: in the folder of the environment variable, in the cache, or downloaded if allowed.

    Raises MissingWeights where it is nowhere, or is not the published file (where size or digest are known).
    """
    own = os.environ.get(wanted.variable)
    for folder in ([Path(own)] if own else []) + [wanted.folder]:
        if (folder / wanted.file).is_file():
            return _checked(wanted, folder / wanted.file)
    if download:
        return _checked(wanted, _download(wanted))
    raise MissingWeights(_how(wanted, f"{wanted.file} is not on this machine"))


def read(path: Path) -> dict[str, Any]:
    """Tensors by name from .safetensors, or from a torch file that may hold tensors and plain containers only."""
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as fault:
        raise MissingWeights(f"{path}: not readable as weights ({fault}); delete it and get it again") from fault
    if not isinstance(loaded, dict):
        raise MissingWeights(f"{path}: holds a {type(loaded).__name__}, not a dictionary of tensors")
    return loaded


def _download(wanted: Weights) -> Path:
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as fault:
        raise MissingWeights(_how(wanted, "huggingface-hub is not installed: pip install huggingface-hub")) from fault
    try:
        found = hf_hub_download(wanted.hub, wanted.file, revision=wanted.revision, local_dir=wanted.folder)
    except Exception as fault:
        raise MissingWeights(_how(wanted, f"the download failed ({type(fault).__name__})")) from fault
    return Path(found)


def _checked(wanted: Weights, path: Path) -> Path:
    size = path.stat().st_size
    if wanted.size and size != wanted.size:
        raise MissingWeights(_how(wanted, f"{path} has {size} bytes, the published file has {wanted.size}"))
    if wanted.sha256 and _digest(str(path), path.stat().st_mtime_ns) != wanted.sha256:
        raise MissingWeights(_how(wanted, f"{path} is not the published file: its SHA-256 differs"))
    return path


@functools.cache
def _digest(path: str, changed: int) -> str:
    return sha256(path)


def _how(wanted: Weights, fault: str) -> str:
    where = f"https://huggingface.co/{wanted.hub} (revision {wanted.revision}; licence: {wanted.licence})"
    return (
        f"{wanted.name}: {fault}. Put {wanted.file} of {where} into {wanted.folder}"
        f" or into the folder that {wanted.variable} names."
    )

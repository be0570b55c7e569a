"""download what a protocol needs, a published test set, or a published model that speaks"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from ttsbench import corpora
from ttsbench.digests import sha256
from ttsbench.download import DownloadError, Source, download, size_words
from ttsbench.errors import UserError, unknown
from ttsbench.metrics import protocol, protocol_names
from ttsbench.metrics.distributions import SCORES
from ttsbench.metrics.models import MissingModel
from ttsbench.metrics.weights import BY_NAME, find, folder, lacking
from ttsbench.metrics.weights_table import TABLE, Weights
from ttsbench.progress import Progress
from ttsbench.systems import weights as full_size
from ttsbench.testsets.published import PUBLISHED
from ttsbench.unpacking import ArchiveError, unpack

DATA = {"seed-tts-eval": corpora.SEED}  # protocols whose own test sets are fetched with their models
PACKED = ".tar.gz"
LARGEST = 1 << 30  # bytes that an archive of a model may unpack to


def names(what: str) -> list[str]:
    """Models of a protocol, or the one model of that name. Raises MissingModel for an unknown name."""
    if what in BY_NAME:
        return [what]
    if what in SCORES:
        return list(SCORES[what].models)
    if what not in protocol_names():
        raise MissingModel(
            f"no protocol or model {what!r}; protocols: {', '.join(protocol_names())}; "
            f"models: {', '.join(model.name for model in TABLE)}"
        )
    return list(protocol(what).models)


def fetch(what: str) -> list[Path]:
    """Get every model that `what` (a protocol or a model) needs; their folders.

    Raises MissingModel for one that cannot be had, after all that can be had are here.
    """
    found, gone = [], []
    for name in names(what):
        try:
            found.append(_find_or_get(BY_NAME[name]))
        except MissingModel as fault:
            gone.append(str(fault))
    if gone:
        raise MissingModel("\n".join(gone))
    return found


def _find_or_get(model: Weights) -> Path:
    try:
        return find(model.name)
    except MissingModel:
        if model.package:
            raise
    _get(model)
    return find(model.name)


def _get(model: Weights) -> None:
    place = folder(model.name)
    place.mkdir(parents=True, exist_ok=True)
    size = f"about {size_words(model.size)} " if model.size else ""
    Progress().say(f"{model.name}: {size}from {model.origin}, into {place} ({model.licence})")
    commit = _from_hub(model, place) if model.hub else _from_url(model, place)
    digests = {str(path.relative_to(place)): sha256(path) for path in sorted(place.rglob("*")) if _kept(path)}
    receipt = {"model": model.name, "from": model.origin, "commit": commit, "sha256": digests}
    if model.sha256 and digests.get(model.files[0]) not in (None, model.sha256):
        refused = (place / model.files[0]).rename(place / f"{model.files[0]}.refused")
        raise MissingModel(f"{refused}: sha256 is not {model.sha256}, as published; it is not used: fetch again")
    (place / "receipt.json").write_text(json.dumps(receipt, indent=1) + "\n")
    if lacking(model, place):
        raise MissingModel(f"{model.origin} gave no {', '.join(lacking(model, place))}; put it into {place} by hand")


def _kept(path: Path) -> bool:
    unfinished = path.suffix in (".part", ".refused")
    return path.is_file() and path.name != "receipt.json" and not unfinished and ".cache" not in path.parts[-4:]


def _from_hub(model: Weights, place: Path) -> str:
    try:
        import huggingface_hub
    except ImportError as fault:
        raise MissingModel("fetching needs huggingface-hub: pip install 'ttsbench[paper]'") from fault
    wanted = [*model.files, *model.any_of, "*.json", "*.txt"] if len(model.files) > 1 else list(model.files)
    try:
        info = huggingface_hub.HfApi().model_info(model.hub, revision=model.revision or None)
        if "model.safetensors" in {each.rfilename for each in info.siblings or ()}:
            wanted = [each for each in wanted if each != "pytorch_model.bin"]
        huggingface_hub.snapshot_download(
            model.hub, revision=info.sha, allow_patterns=wanted, local_dir=place, max_workers=2
        )
    except Exception as fault:  # the client raises a score of kinds, all of which mean the same here
        raise MissingModel(_offline(model, place, fault)) from fault
    return str(info.sha)


def _from_url(model: Weights, place: Path) -> str:
    packed = model.url.endswith(PACKED)
    digests = {"sha256": model.sha256} if model.sha256 and not packed else {}
    target = place / (model.url.rpartition("/")[2] if packed else model.files[0])
    progress = Progress()
    note = progress.named(model.name, unit="B")
    try:
        download(
            Source(model.url, digests=digests),
            target,
            lambda done, total: note(done, total or model.size, "downloading"),
        )
        if packed:
            _unpack(target, place)
    except (DownloadError, ArchiveError) as fault:
        raise MissingModel(f"{model.name}: {fault}") from fault
    finally:
        progress.close()
    return ""


def _unpack(archive: Path, place: Path) -> None:
    """What the archive holds, moved into `place` once all of it is unpacked; the archive goes."""
    with tempfile.TemporaryDirectory(dir=place, prefix=".unpacking-") as draft:
        unpack(archive, Path(draft) / "all", LARGEST)
        for each in (Path(draft) / "all").iterdir():
            shutil.rmtree(place / each.name, ignore_errors=True)
            each.replace(place / each.name)
    archive.unlink()


def _offline(model: Weights, place: Path, fault: Exception) -> str:
    gone = ", ".join(lacking(model, place))
    return f"could not fetch {model.name} from {model.origin} ({fault}); without a network, put {gone} into {place}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ttsbench fetch`."""
    parser.add_argument(
        "what",
        metavar="NAME",
        help="a published test set, a protocol (its models), or one model of `ttsbench doctor`; llasa-1b@REVISION: "
        "another commit of its hub repository",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def run(options: argparse.Namespace) -> int:
    """Fetch, say where it lies. Test sets come before models, which are larger."""
    what, found, faults = options.what, dict[str, Path](), []
    for call in (_data, _models, _systems):
        try:
            found |= call(what)
        except UserError as fault:
            faults.append(str(fault))
    if faults:
        raise UserError("\n".join(faults))
    if options.json:
        sys.stdout.write(json.dumps({name: str(path) for name, path in found.items()}, indent=1) + "\n")
        return 0
    for name, path in found.items():
        sys.stdout.write(f"{name:24} {path}\n")
    use = f"ttsbench run --testset {what}" if what in PUBLISHED else f"Everything that {what} needs is here."
    if what.partition("@")[0] in full_size.MODELS:
        use = "How systems of this size are run: ttsbench list systems, systems/*/README.md"
    sys.stdout.write(use + "\n")
    return 0


def _data(what: str) -> dict[str, Path]:
    """The published test set of that name, or those of the protocol."""
    if what in PUBLISHED:
        return {what: corpora.fetch(what, Progress())}
    if what in DATA:
        return {what: corpora.seed(DATA[what], Progress())}
    known = [*PUBLISHED, *protocol_names(), *SCORES, *BY_NAME, *full_size.MODELS]
    if what.partition("@")[0] not in known:
        raise UserError(unknown("test set, protocol or model", what, known))
    return {}


def _systems(what: str) -> dict[str, Path]:
    """The files of a published model that speaks, downloaded unless they are here; NAME@REVISION always is."""
    name, _, revision = what.partition("@")
    if name not in full_size.MODELS:
        return {}
    model = full_size.MODELS[name]
    if revision or full_size.lacking(model):
        Progress().say(f"{name}: from huggingface.co/{model.files[0].hub}, into {model.files[0].folder}")
        full_size.fetch(model, revision)
    return {name: full_size.place(model)}


def _models(what: str) -> dict[str, Path]:
    """The models of the protocol of that name, or the model."""
    if what in BY_NAME or what in SCORES or what in protocol_names():
        return dict(zip(names(what), fetch(what), strict=True))
    return {}

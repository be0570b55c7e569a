"""Get a published test set: download, check, unpack into the folder where the loaders look, count."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path

from ttsbench import testsets
from ttsbench.download import DownloadError, Source, download, free, size_words
from ttsbench.errors import MissingFile, UserError
from ttsbench.progress import Progress
from ttsbench.testsets import published
from ttsbench.testsets.published import PARTS, PUBLISHED, Part
from ttsbench.unpacking import unpack

SEED = ("seed-en", "seed-zh", "seed-hard")
SEED_LIMIT = 5 * 10**9  # bytes: the archive has about 1.2 GB


def fetch(name: str, progress: Progress) -> Path:
    """Have the published set `name` here; where it lies. Raises UserError with what to do."""
    if name in SEED:
        return seed((name,), progress)
    if not PUBLISHED[name].parts:
        return by_hand(name)
    for part in PUBLISHED[name].parts:
        _get(part, PARTS[part], progress)
    return published.root() / PUBLISHED[name].counted


def by_hand(name: str) -> Path:
    """Where a set lies that its publisher's own tool fetches, counted. Raises MissingFile with the command."""
    wanted = PUBLISHED[name]
    if published.lacking(name):
        command = wanted.command.format(published.root())
        raise MissingFile(f"{name} is not here; its publisher has it by: {command} (licence: {wanted.licence})")
    testsets.load(name)  # rows as published, and every prompt is there and is audio
    return published.root() / wanted.counted


def seed(names: tuple[str, ...], progress: Progress) -> Path:
    """Check the Seed-TTS lists, unpacked from the archive that was put there by hand; their folder.

    Raises MissingFile with what to download and where to put it, UserError where rows or prompts are missing.
    """
    root = published.root()
    folder = root / published.SEED_FOLDER
    archives = sorted(path for path in root.glob(f"{published.SEED_FOLDER}*.t*") if path.is_file())
    if not folder.exists() and archives:
        free(root, 2 * archives[0].stat().st_size)
        progress.say(f"unpacking {archives[0]}")
        _unpack(archives[0], published.SEED_FOLDER, SEED_LIMIT, progress)
    if not folder.exists():
        raise MissingFile(
            f"the Seed-TTS test set is not here. It lies on a Google Drive: download seedtts_testset.tar (about 1.2 "
            f"GB) in a browser from {published.SEED_ADDRESS} and put it into {root}, unpacked ({folder}/en/meta.lst) "
            "or as it is; then give the same command again, which unpacks it and checks it. Licence: Common Voice CC0 "
            "(en), DiDiSpeech-2 for research only (zh); the lists have none"
        )
    for name in names:
        wanted = PUBLISHED[name]
        rows = published.counted(name)
        if rows != wanted.count:
            raise UserError(
                f"{root / wanted.counted}: {rows} rows, published are {wanted.count}; get the archive again"
            )
        testsets.load(name)  # every prompt is there and is audio
        progress.say(f"{name}: {rows} rows, as published, and every prompt is here")
    return folder


def _get(name: str, part: Part, progress: Progress) -> None:
    """Have one part here, whole."""
    root = published.root()
    place = root / part.folder
    if place.exists() and _whole(part, place):
        progress.say(f"{name} is here: {place}")
        return
    if place.exists():
        found = published.count(place)
        wanted = f"{part.recordings} recordings" if part.recordings else "lines"
        raise UserError(f"{place}: holds {found} of the published {wanted}; move it away and give the command again")
    unpacked = f", about {size_words(part.unpacked)} unpacked" if part.unpacked else ""
    host = part.url.split("/")[2]
    progress.say(f"{name}: {size_words(part.size)} from {host}{unpacked}, into {place} ({part.licence})")
    source = Source(part.url, part.size, dict([part.digest]), part.mirrors)
    target = root / "archives" / f"{name}.tar.gz" if part.recordings else place
    note = progress.named(name, unit="B")
    try:
        download(
            source, target, lambda done, total: note(done, total or part.size, "downloading"), beside=part.unpacked
        )
    finally:
        progress.close()
    if part.recordings:
        free(root, part.unpacked)
        _unpack(target, part.folder, 2 * part.unpacked, progress, part.recordings)
        _receipt(name, part)
        target.unlink()
        progress.say(f"{name}: {part.recordings} recordings, as published ({part.digest[0]} of the archive too)")


def _whole(part: Part, place: Path) -> bool:
    return not part.recordings or published.count(place) == part.recordings


def _unpack(archive: Path, folder: str, limit: int, progress: Progress, recordings: int = 0) -> None:
    """Unpack beside, count, and only then move `folder` to its place; the files that lie about it too."""
    root = published.root()
    top = Path(folder).parts[0]
    beside = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=root))
    note = progress.named(archive.name, unit="B")
    try:
        about = limit // 2  # what is expected; the bar is taken away at the end, full or not
        unpack(archive, beside / "all", limit, lambda done: note(min(done, about - 1), about, "unpacking"))
        made = beside / "all" / folder
        if not made.is_dir():
            raise DownloadError(f"{archive}: holds no {folder}; delete it and fetch it again")
        if recordings and published.count(made) != recordings:
            found = published.count(made)
            raise DownloadError(f"{archive}: holds {found} recordings, published are {recordings}; delete it")
        (root / folder).parent.mkdir(parents=True, exist_ok=True)
        made.rename(root / folder)
        for path in sorted((beside / "all" / top).glob("*")) if made != beside / "all" / top else []:
            if path.is_file() and not (root / top / path.name).exists():
                path.rename(root / top / path.name)  # licence, list of speakers
    finally:
        progress.close()
        shutil.rmtree(beside, ignore_errors=True)


def _receipt(name: str, part: Part) -> None:
    """What was got, from where, when."""
    kind, value = part.digest
    facts = {"name": name, "from": part.url, "bytes": part.size, kind: value, "licence": part.licence}
    facts |= {"recordings": part.recordings, "on": time.strftime("%Y-%m-%d")}
    (published.root() / f"{name}.receipt.json").write_text(json.dumps(facts, indent=1) + "\n")

"""Speech that exists already: a folder of one file an utterance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ttsbench.audio import SUFFIXES
from ttsbench.errors import UserError
from ttsbench.records import Card, Sample
from ttsbench.systems.errors import SpeechError


@dataclass(frozen=True)
class Options:
    """`folder`: where the files are, in it or in folders below. `pattern`: the file's name without its suffix."""

    folder: Path
    pattern: str = "{id}"


class Folder:
    """Files `<id>.wav`, `.flac`, `.mp3`, `.ogg` or `.opus`, flat or nested as in LibriSpeech's speaker/chapter/.

    The index is made once. Links inside the folder are followed to files, since dataset caches are made of them;
    an id can only pick a file that the folder lists, so no id leads out of it.
    """

    def __init__(self, card: Card, options: Options) -> None:
        if not options.folder.is_dir():
            raise UserError(f"{options.folder}: no such folder of recordings")
        if "{id}" not in options.pattern:
            raise UserError(f"pattern = {options.pattern!r}: it must hold {{id}}, such as 'output-{{id}}'")
        self.card = card
        self.pattern = options.pattern
        self.folder = options.folder
        self.files: dict[str, list[Path]] = {}
        for path in sorted(options.folder.rglob("*")):
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file():
                self.files.setdefault(path.stem, []).append(path)
        if not self.files:
            raise UserError(f"{options.folder}: holds no audio file ({', '.join(SUFFIXES)})")

    def recording(self, sample: Sample) -> Path | None:
        """The one file of this id, or None. Raises SpeechError where two files could be meant."""
        name = self.pattern.replace("{id}", sample.id)
        found = self.files.get(name, [])
        direct = [path for path in found if path.parent == self.folder]
        choice = direct or found
        if len(choice) > 1:
            shown = ", ".join(str(path.relative_to(self.folder)) for path in choice[:4])
            raise SpeechError(f"{self.folder}: {len(choice)} files for id {sample.id!r} ({shown}); keep one")
        return choice[0] if choice else None

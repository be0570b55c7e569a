"""Speech that exists already: a folder of one file an utterance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ttsbench.audio import SUFFIXES
from ttsbench.errors import UserError
from ttsbench.names import composed
from ttsbench.records import Card, Sample
from ttsbench.systems.errors import SpeechError


@dataclass(frozen=True)
class Options:
    """`folder`: where the files are, in it or below; or a list of them, a line an utterance: its id, a tab, its file.

    `pattern`: in a folder, the file's name without its suffix.
    """

    folder: Path
    pattern: str = "{id}"


class Folder:
    """Files `<id>.wav`, `.flac`, `.mp3`, `.ogg` or `.opus`, flat or nested as in LibriSpeech's speaker/chapter/.

    The index is made once. Links inside the folder are followed to files, since dataset caches are made of them;
    an id can only pick a file that the folder lists, so no id leads out of it. Names are compared in composed form
    (Unicode NFC), as macOS writes decomposed ones.
    """

    def __init__(self, card: Card, options: Options) -> None:
        if "{id}" not in options.pattern:
            raise UserError(f"pattern = {options.pattern!r}: it must hold {{id}}, such as 'output-{{id}}'")
        self.card = card
        self.pattern = options.pattern
        self.folder = options.folder
        self.files: dict[str, list[Path]] = {}
        if options.folder.is_file():
            for line in options.folder.read_text(encoding="utf-8").splitlines():
                name, _, path = line.partition("\t")
                self.files.setdefault(composed(name), []).append(options.folder.parent / path)
        elif not options.folder.is_dir():
            raise UserError(f"{options.folder}: no such folder of recordings")
        else:
            self._index()
        if not self.files:
            raise UserError(f"{options.folder}: holds no audio file ({', '.join(SUFFIXES)})")

    def _index(self) -> None:
        for path in sorted(self.folder.rglob("*")):
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file():
                self.files.setdefault(composed(path.stem), []).append(path)

    def recording(self, sample: Sample) -> Path | None:
        """The one file of this id, or None. A recording of the test set that lies in the folder too is passed over.

        Raises SpeechError where two files could be meant.
        """
        found, choice = self.found(sample)
        if len(choice) > 1:
            shown = ", ".join(str(path.relative_to(self.folder)) for path in choice[:4])
            raise SpeechError(f"{self.folder}: {len(choice)} files for id {sample.id!r} ({shown}); keep one")
        if found and not choice:
            why = "is the test set's own recording, not an output; to score those, use --system ground-truth"
            raise SpeechError(f"no output: {found[0]} {why}")
        if choice and not choice[0].is_file():
            raise SpeechError(f"no output: {choice[0]} is not there")
        return choice[0] if choice else None

    def found(self, sample: Sample) -> tuple[list[Path], list[Path]]:
        """All files of this id, and those of them that could be its output: not the test set's own, flat ones first."""
        found = self.files.get(composed(self.pattern.replace("{id}", sample.id)), [])
        own = [path.resolve() for path in (sample.truth, sample.prompt) if path]
        outputs = [path for path in found if path.resolve() not in own]
        direct = [path for path in outputs if path.parent == self.folder]
        return found, direct or outputs

"""What a recogniser hears in recordings, kept in a file: a line per recording, so that a killed run goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ttsbench.audio import AudioError, read_at
from ttsbench.systems.corpus.clips import Clip

RATE = 16000
Recognise = Callable[[list[np.ndarray], str], list[str]]  # recordings (samples,) at 16 kHz and a language, to texts
BATCH = 16


def kept(file: Path) -> dict[str, str]:
    """Texts by the recordings' ids; an unfinished last line is cut off the file."""
    if not file.is_file():
        return {}
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines = lines[:-1]
        file.write_text("".join(lines), encoding="utf-8")
    return {row["id"]: row["text"] for row in map(json.loads, lines)}


def listen(clips: Sequence[Clip], file: Path, recognise: Recognise, say: Callable[[str], None]) -> dict[str, str]:
    """Texts of all `clips` that have a transcript; those that `file` lacks are recognised now.

    What cannot be read has no entry.
    """
    found = kept(file)
    left = [clip for clip in clips if clip.text and clip.id not in found]
    left = sorted(left, key=lambda clip: (clip.language, clip.path.stat().st_size))
    with file.open("a", encoding="utf-8") as handle:
        for first in range(0, len(left), BATCH):
            waves: dict[str, np.ndarray] = {}
            for clip in left[first : first + BATCH]:
                try:
                    waves[clip.id] = read_at(clip.path, RATE)
                except AudioError as fault:
                    say(f"not heard: {fault}")
            for language in ("en", "zh"):
                ids = [
                    clip.id for clip in left[first : first + BATCH] if clip.language == language and clip.id in waves
                ]
                for key, text in zip(ids, recognise([waves[key] for key in ids], language) if ids else [], strict=True):
                    found[key] = text
                    handle.write(json.dumps({"id": key, "text": text}, ensure_ascii=False) + "\n")
            handle.flush()
            if first // BATCH % 20 == 0:
                say(f"heard: {len(found)}, {len(left) - first} to go")
    return found

"""What test sets there are: the embedded ones, which need nothing, and the published ones, which you fetch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHIPPED = Path(__file__).parent / "embedded"


@dataclass(frozen=True)
class Entry:
    """A line of `ttsbench list testsets`. `spec` is what to give; rows and seconds are None where your files decide."""

    name: str
    spec: str
    rows: int | None
    seconds: float | None
    languages: tuple[str, ...]
    licence: str
    where: str
    about: str
    embedded: bool = False


def embedded() -> list[str]:
    """Names of the embedded sets: the folders that hold a `set.json`."""
    return sorted(path.parent.name for path in SHIPPED.glob("*/set.json"))


def folder_of(name: str) -> Path:
    """The folder of an embedded set."""
    return SHIPPED / name


def card_of(name: str) -> Entry:
    """What an embedded set says of itself, from its `set.json` (written by the script that makes the set)."""
    facts = json.loads((folder_of(name) / "set.json").read_text(encoding="utf-8"))
    return Entry(
        name=name,
        spec=name,
        rows=facts["rows"],
        seconds=facts["seconds"],
        languages=tuple(facts["languages"]),
        licence=facts["licence"],
        where="embedded",
        about=facts["about"],
        embedded=True,
    )


def listing() -> list[dict[str, Any]]:
    """All test sets, the embedded ones first, ready to print; rows and seconds are "" where your files decide."""
    return [
        {
            "name": entry.name,
            "rows": "" if entry.rows is None else entry.rows,
            "seconds": "" if entry.seconds is None else round(entry.seconds),
            "languages": " ".join(entry.languages),
            "licence": entry.licence,
            "where": entry.where,
            "spec": entry.spec,
            "about": entry.about,
        }
        for entry in [*(card_of(name) for name in embedded()), *PUBLISHED.values()]
    ]


# Rows and hours as published; the Seed lists' target audio is not measured here, so its seconds stay open.
PUBLISHED = {
    entry.name: entry
    for entry in (
        Entry(
            "seed-en",
            "seed-en=DIR/en/meta.lst",
            1088,
            None,
            ("en",),
            "audio Common Voice CC0; the list has no licence",
            "github.com/BytedanceSpeech/seed-tts-eval (follow its link to the audio)",
            "Seed-TTS test-en: cross-sentence cloning, meta.lst with 4 or 5 fields",
        ),
        Entry(
            "seed-zh",
            "seed-zh=DIR/zh/meta.lst",
            2020,
            None,
            ("zh",),
            "audio DiDiSpeech-2, research only; the list has no licence",
            "github.com/BytedanceSpeech/seed-tts-eval (follow its link to the audio)",
            "Seed-TTS test-zh: cross-sentence cloning, meta.lst with 4 or 5 fields",
        ),
        Entry(
            "seed-hard",
            "seed-hard=DIR/zh/hardcase.lst",
            400,
            None,
            ("zh",),
            "audio DiDiSpeech-2, research only; the list has no licence",
            "github.com/BytedanceSpeech/seed-tts-eval (follow its link to the audio)",
            "Seed-TTS test-hard: Chinese repetitions and tongue twisters",
        ),
        Entry(
            "librispeech-pc",
            "librispeech-pc=LIST,audio=DIR/test-clean",
            1127,
            7236.0,
            ("en",),
            "CC BY 4.0",
            "list: github.com/SWivid/F5-TTS, data/librispeech_pc_test_clean_cross_sentence.lst; "
            "audio: openslr.org/12, test-clean",
            "LibriSpeech-PC test-clean: cross-sentence cloning, targets of 4 to 10 s, prompts of 2.4 to 4.5 s, "
            "39 speakers",
        ),
        Entry(
            "librispeech-continuation",
            "librispeech-continuation=DIR/test-clean",
            None,
            None,
            ("en",),
            "CC BY 4.0",
            "openslr.org/12, test-clean",
            "LibriSpeech test-clean utterances of 4 to 10 s (about 1,240, 2.2 h), the first 3 s as the prompt, cut off "
            "before scoring",
        ),
        Entry(
            "zipvoice",
            "zipvoice=DIR/test.tsv",
            None,
            None,
            ("en", "zh"),
            "that of your list",
            "your own list, or those of github.com/k2-fsa/ZipVoice",
            "k2's test.tsv: name, prompt text, prompt wav, text",
        ),
        Entry(
            "emergent",
            "emergent=FILE.tsv",
            None,
            None,
            ("en", "zh"),
            "that of your list",
            "your own table with columns category and text; see emergent-en and emergent-zh for sets that ship",
            "sentences by category, rated 1 to 3 by people",
        ),
        Entry(
            "folder",
            "folder=DIR[,task=resynthesis]",
            None,
            None,
            (),
            "that of your files",
            "your own recordings with <id>.txt beside them, a transcripts.tsv, or LibriSpeech's *.trans.txt",
            "a plain folder of audio with transcripts",
        ),
        Entry(
            "table",
            "table=FILE[,text=COLUMN,prompt=COLUMN,truth=COLUMN,only=COLUMN:VALUE]",
            None,
            None,
            (),
            "that of your files",
            "your own TSV, CSV, JSON Lines or JSON with named columns",
            "any table of utterances; columns are named after the fields of a Sample or mapped",
        ),
    )
}

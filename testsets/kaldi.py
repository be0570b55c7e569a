"""Kaldi's data folders: `text`, with `wav.scp`, `utt2spk`, `prompt_wav.scp` and `prompt_text` where they are there.

The last two are CosyVoice's (CV3-Eval). A line is a key, white space and a value. Commands in `wav.scp` are never run.
"""

from __future__ import annotations

import re
from pathlib import Path

from ttsbench.records import Sample
from ttsbench.testsets.faults import Draft, read_lines

Values = dict[str, tuple[int, str]]  # key -> line, value
ARCHIVE = re.compile(r".+\.ark(:\d+)?(\[.*\])?$")


def kaldi(draft: Draft, folder: Path, language: str) -> None:
    """A row for every line of `text`; recordings are the ground truth, prompts those of `prompt_wav.scp`."""
    folder = folder if folder.is_dir() or not folder.exists() else folder.parent
    if (folder / "segments").exists():
        remedy = "cut the recordings into one file an utterance, name those in wav.scp and remove segments"
        draft.fault(folder / "segments", 0, "segments", "pieces of longer recordings are not read", remedy)
    texts = values(draft, folder / "text")
    files = ("wav.scp", "prompt_wav.scp", "prompt_text", "utt2spk")
    there = {name: values(draft, folder / name) for name in files if (folder / name).exists()}
    audio = {name: wav_scp(draft, folder / name, there[name]) for name in files[:2] if name in there}
    for name, own in there.items():
        _paired(draft, folder, name, texts, own)
    for utt, (line, text) in texts.items():
        sample = Sample(
            id=utt,
            text=text,
            language=language,
            prompt=audio.get("prompt_wav.scp", {}).get(utt),
            prompt_text=there.get("prompt_text", {}).get(utt, (0, ""))[1],
            truth=audio.get("wav.scp", {}).get(utt),
            speaker=there.get("utt2spk", {}).get(utt, (0, ""))[1],
        )
        draft.add(folder / "text", line, sample)


def wav_scp(draft: Draft, file: Path, given: Values | None = None) -> dict[str, Path]:
    """Key -> audio file of a `wav.scp`. A path is relative to the file's folder or, as Kaldi has it, to where the
    command is given. Commands and entries of archives are faults of `draft`."""
    found = {}
    for utt, (line, value) in (values(draft, file) if given is None else given).items():
        if value.endswith("|") or value.startswith("|"):
            draft.fault(file, line, value, "a command, which is never run", "write its audio to a file and name that")
        elif ARCHIVE.match(value):
            draft.fault(file, line, value, "an entry of a Kaldi archive", "write the audio to files and name those")
        else:
            beside = file.parent / value
            found[utt] = Path(value) if not beside.exists() and Path(value).exists() else beside
    return found


def values(draft: Draft, file: Path) -> Values:
    """Key -> line, value of one of its files; a key that stands twice is a fault."""
    found: Values = {}
    for number, line in read_lines(file, draft):
        key, *rest = line.strip().split(maxsplit=1)
        if key in found:
            problem = f"the id stands there already (line {found[key][0]})"
            draft.fault(file, number, key, problem, "give every row an id of its own")
        else:
            found[key] = (number, rest[0].strip() if rest else "")
    return found


def _paired(draft: Draft, folder: Path, name: str, texts: Values, theirs: Values) -> None:
    """Every key of `text` must be in the other file, and the other way round, as Kaldi's own check has it."""
    for file, own, other, others in (("text", texts, name, theirs), (name, theirs, "text", texts)):
        for key, (line, _) in own.items():
            if key not in others:
                draft.fault(folder / file, line, key, f"not in {other}", f"add it to {other} or remove this line")

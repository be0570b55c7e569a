"""Folders of audio with transcripts: LibriSpeech's tree for continuation, and any plain folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ttsbench.names import composed
from ttsbench.records import Sample, Task
from ttsbench.testsets.faults import Draft, Fault, read_lines

Transcripts = dict[str, tuple[Path, int, str]]  # id in composed form -> list file, line, text


@dataclass(frozen=True)
class Lengths:
    """Which utterances a continuation takes, and how much of each is the prompt; seconds."""

    prompt: float = 3.0
    shortest: float = 4.0
    longest: float = 10.0


def librispeech_continuation(draft: Draft, folder: Path, lengths: Lengths, transcripts: Path | None) -> None:
    """Utterances of 4 to 10 s, the first 3 s of each as the prompt; `text` is the whole transcript.

    `folder` is LibriSpeech's `test-clean` (`<speaker>/<chapter>/<utt>.flac` and `*.trans.txt`). Prompt and truth are
    one file: whoever speaks gets its first `prompt_seconds` only. Source of the lengths: VALL-E and those after it.
    """
    texts = _transcripts_of(draft, folder, transcripts)
    for path in audio_files(folder):
        if not lengths.shortest <= _seconds(path, draft) <= lengths.longest:
            continue
        text = _text_of(draft, path, texts)
        if text is not None:
            speaker = path.stem.split("-")[0]
            sample = Sample(path.stem, text, "en", "continuation", path, "", path, speaker, "", lengths.prompt)
            draft.add(*_where(path, texts), sample)


def folder_of_audio(
    draft: Draft,
    folder: Path,
    language: str,
    task: str,
    transcripts: Path | None,
    suffix: str,
    prompts: str,
    shortest: float = 0.0,
    longest: float = float("inf"),
) -> None:
    """Every recording below `folder` with its transcript; the recording is the ground truth of its row.

    Transcripts: `transcripts.tsv` in the folder (utt, [seconds,] text; then it says which rows there are),
    `<id>.txt` or LibriTTS's `<id>.normalized.txt` beside the audio, LibriSpeech's `*.trans.txt`, or any such list given
    as `transcripts`. The first folder below `folder` is the speaker. Recordings shorter than `shortest` or longer than
    `longest` seconds are left out; of the others, `prompts` = "next" takes the speaker's next as the cloning prompt.
    """
    own = folder / "transcripts.tsv"
    texts = _transcripts_of(draft, folder, transcripts)
    files = [path for path in audio_files(folder) if not suffix or path.suffix.lower() == f".{suffix.lower()}"]
    stems = {composed(path.stem) for path in files}
    if (shortest, longest) != (0.0, float("inf")):
        files = [path for path in files if shortest <= _seconds(path, draft) <= longest]
    following = _next_of_speaker(folder, files) if prompts == "next" else {}
    for path in files:
        text = _text_of(draft, path, texts)
        if text is None:
            continue
        sample = Sample(
            id=path.stem,
            text=text,
            language=language,
            task=cast("Task", task),
            prompt=following.get(path),
            prompt_text=_quiet_text(following[path], texts) if path in following else "",
            truth=path,
            speaker=_speaker(folder, path),
        )
        draft.add(*_where(path, texts), sample)
    if transcripts is None and own.is_file():
        for utt, (file, line, _) in texts.items():
            if utt not in stems:
                draft.fault(file, line, utt, "no audio of this name", f"put it below {folder} or remove the line")


def _seconds(path: Path, draft: Draft) -> float:
    """Length by the header; -1, and a fault of the draft, where it cannot be read."""
    import soundfile

    try:
        header = soundfile.info(str(path))
    except (soundfile.SoundFileError, RuntimeError, TypeError):
        draft.fault(path, 0, path.name, "not readable as audio", "replace or remove the file")
        return -1.0
    return float(header.frames / header.samplerate)


def audio_files(folder: Path) -> list[Path]:
    """All audio files below `folder`, sorted by path; none of hidden folders or of run folders, which hold output."""
    from ttsbench.audio import SUFFIXES  # numpy

    found = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()]
    above = {parent for path in found for parent in path.parents if folder in parent.parents}
    others = {parent for parent in above if parent.name.startswith(".") or (parent / "run.json").exists()}
    return sorted(path for path in found if others.isdisjoint(path.parents))


def read_transcripts(draft: Draft, path: Path) -> Transcripts:
    """A list of transcripts by its ending: `.jsonl` (path or id, text), `.trans.txt` (space), `.csv` (LJ Speech's `|`),
    else tabs: utt, [seconds,] text, with or without a header line."""
    texts: Transcripts = {}
    for number, line in read_lines(path, draft):
        if path.suffix == ".jsonl":
            utt, text = _json_transcript(line)
        elif path.name.endswith(".trans.txt"):
            utt, _, text = line.partition(" ")
        else:
            fields = line.split("|" if path.suffix == ".csv" else "\t")
            utt, text = (fields[0], fields[-1]) if len(fields) in (2, 3) else ("", "")
            if number == 1 and utt.strip().lower() in ("utt", "id", "utterance"):
                continue
        utt, text = composed(utt.strip()), text.strip()
        if not utt:
            draft.fault(path, number, line, "not a transcript", "a line is utt, [seconds,] text")
        elif utt in texts:
            remedy = "give every row an id of its own"
            draft.fault(path, number, utt, f"the id stands there already (line {texts[utt][1]})", remedy)
        else:
            texts[utt] = (path, number, text)
    return texts


def _json_transcript(line: str) -> tuple[str, str]:
    try:
        row = json.loads(line)
        utt = row["id"] if "id" in row else Path(row["path"]).stem
        return str(utt), str(row["text"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", ""


def _transcripts_of(draft: Draft, folder: Path, given: Path | None) -> Transcripts:
    if not folder.is_dir():
        draft.fault(folder, 0, str(folder), "not a folder", "give the folder that holds the audio")
        return {}
    if given is not None:
        return read_transcripts(draft, given)
    if (folder / "transcripts.tsv").is_file():
        return read_transcripts(draft, folder / "transcripts.tsv")
    texts: Transcripts = {}
    for path in sorted(folder.rglob("*.trans.txt")):
        texts.update(read_transcripts(draft, path))
    return texts


def _text_of(draft: Draft, path: Path, texts: Transcripts) -> str | None:
    """The transcript of one recording; a missing or unreadable one is a fault of the draft."""
    if composed(path.stem) in texts:
        return texts[composed(path.stem)][2]
    beside, normalized = path.with_suffix(".txt"), path.with_suffix(".normalized.txt")
    beside = normalized if normalized.is_file() and not beside.is_file() else beside
    try:
        return beside.read_bytes().decode("utf-8-sig").strip()
    except FileNotFoundError:
        remedy = f"write {beside.name} beside it or a line of transcripts.tsv"
        draft.fault(path, 0, path.name, "a recording without a transcript", remedy)
    except (OSError, UnicodeDecodeError) as fault:
        draft.faults.append(Fault(str(beside), 0, beside.name, f"not readable as UTF-8 ({fault})", "save it as UTF-8"))
    return None


def _where(path: Path, texts: Transcripts) -> tuple[Path, int]:
    """File and line that a recording's row is found at: its transcript's, else its own."""
    return texts.get(composed(path.stem), (path, 0, ""))[:2]


def _quiet_text(path: Path, texts: Transcripts) -> str:
    return _text_of(Draft(), path, texts) or ""


def _speaker(folder: Path, path: Path) -> str:
    parts = path.relative_to(folder).parts
    return parts[0] if len(parts) > 1 else ""


def _next_of_speaker(folder: Path, files: list[Path]) -> dict[Path, Path]:
    """Each recording's successor among its speaker's, the first after the last; none where there is but one."""
    by_speaker: dict[str, list[Path]] = {}
    for path in files:
        by_speaker.setdefault(_speaker(folder, path), []).append(path)
    pairs = {}
    for own in by_speaker.values():
        pairs.update({path: own[(index + 1) % len(own)] for index, path in enumerate(own) if len(own) > 1})
    return pairs

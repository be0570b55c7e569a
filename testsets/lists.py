"""Parsers of the published line lists. Each takes numbered lines and gives rows and faults; none opens a file.

Source of the fields and rules: what the projects' own readers take (seed-tts-eval, F5-TTS, ZipVoice).
"""

from __future__ import annotations

import re
from pathlib import Path

from ttsbench.records import Sample
from ttsbench.testsets.faults import Draft

Lines = list[tuple[int, str]]
UTTERANCE = re.compile(r"\d+-\d+-\d+", re.ASCII)


def seed(draft: Draft, lines: Lines, file: Path, language: str) -> None:
    """Seed-TTS `meta.lst`, separator `|`, paths relative to the list's folder.

    5 fields: utt, prompt text, prompt wav, target text, ground-truth wav. 4: the same without the last.
    3: utt (a `.wav` ending is cut off), target text, prompt wav. 2: utt, target text.
    Without a fifth field the ground truth is `wavs/<utt>.wav` where there is one. The list names no speakers:
    the prompt stands for its speaker.
    """
    for number, line in lines:
        fields = [field.strip() for field in line.split("|")]
        prompt_text = prompt = truth = ""
        if len(fields) == 5:
            utt, prompt_text, prompt, text, truth = fields
        elif len(fields) == 4:
            utt, prompt_text, prompt, text = fields
        elif len(fields) == 3:
            utt, text, prompt = fields
            utt = utt.removesuffix(".wav")
        elif len(fields) == 2:
            utt, text = fields
        else:
            draft.fault(file, number, line, f"{len(fields)} fields", "a meta.lst line has 2, 3, 4 or 5, between |")
            continue
        if (len(fields) > 2 and not prompt) or (len(fields) == 5 and not truth):
            draft.fault(file, number, line, "an empty audio field", "name the file or leave the field out")
            continue
        draft.add(
            file,
            number,
            Sample(
                id=utt,
                text=text,
                language=language,
                prompt=file.parent / prompt if prompt else None,
                prompt_text=prompt_text,
                truth=file.parent / truth if truth else None,
                speaker=Path(prompt).stem,
            ),
        )


def librispeech_pc(draft: Draft, lines: Lines, file: Path, audio: Path) -> None:
    """F5-TTS's LibriSpeech-PC cross-sentence list: tab, 6 fields: prompt utt, seconds, text, target utt, seconds, text.

    `audio` is LibriSpeech's `test-clean` folder; a file lies at `<speaker>/<chapter>/<utt>.flac` below it.
    """
    for number, line in lines:
        fields = [field.strip() for field in line.split("\t")]
        if len(fields) != 6:
            draft.fault(file, number, line, f"{len(fields)} fields", "a LibriSpeech-PC line has 6, between tabs")
            continue
        prompt, prompt_seconds, prompt_text, target, seconds, text = fields
        bad = [utt for utt in (prompt, target) if not UTTERANCE.fullmatch(utt)]
        for utt in bad:
            remedy = "an utterance is <speaker>-<chapter>-<number>"
            draft.fault(file, number, utt, "not a LibriSpeech utterance", remedy)
        for value in (prompt_seconds, seconds):
            if not _positive(value):
                draft.fault(file, number, value, "not a length in seconds", "fields 2 and 5 are lengths such as 4.35")
        if not bad and prompt == target:
            remedy = "a cross-sentence prompt is another utterance of the speaker"
            draft.fault(file, number, prompt, "prompt and target are one utterance", remedy)
        if not bad:
            sample = Sample(
                id=target,
                text=text,
                prompt=librispeech_file(audio, prompt),
                prompt_text=prompt_text,
                truth=librispeech_file(audio, target),
                speaker=target.split("-")[0],
            )
            draft.add(file, number, sample)


def zipvoice(draft: Draft, lines: Lines, file: Path, language: str) -> None:
    """ZipVoice and k2 `test.tsv`: tab, 4 fields: name, prompt text, prompt wav, text; paths relative to the list."""
    for number, line in lines:
        fields = [field.strip() for field in line.split("\t")]
        if len(fields) != 4:
            draft.fault(file, number, line, f"{len(fields)} fields", "a test.tsv line has 4, between tabs")
            continue
        name, prompt_text, prompt, text = fields
        if not prompt:
            draft.fault(file, number, line, "an empty audio field", "the third field names the prompt")
            continue
        sample = Sample(name, text, language, prompt=file.parent / prompt, prompt_text=prompt_text)
        draft.add(file, number, sample)


def librispeech_file(audio: Path, utt: str) -> Path:
    """Where LibriSpeech keeps an utterance: `<speaker>/<chapter>/<utt>.flac`."""
    speaker, chapter, _ = utt.split("-")
    return audio / speaker / chapter / f"{utt}.flac"


def _positive(value: str) -> bool:
    try:
        return 0 < float(value) < float("inf")
    except ValueError:
        return False

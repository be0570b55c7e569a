"""Lists of the evaluations of 2025 and 2026: CV3-Eval, MiniMax's set, RVCBench's prompts. Their rows are counted."""

from __future__ import annotations

import json
from pathlib import Path

from ttsbench.records import Sample
from ttsbench.testsets import kaldi
from ttsbench.testsets.faults import Draft, read_lines

CV3_ROWS = {  # folder below data/ -> rows as published (FunAudioLLM/CV3-Eval f3b7ed5)
    **{f"zero_shot/{language}": 500 for language in ("en", "zh", "fr", "es", "ja", "ko", "it", "de", "ru")},
    "zero_shot/hard_en": 64,
    "zero_shot/hard_zh": 560,
    **{f"cross_lingual_zeroshot/to_{language}": 600 for language in ("en", "zh", "ja", "ko")},
    "cross_lingual_zeroshot/to_hard_en": 64,
    "cross_lingual_zeroshot/to_hard_zh": 60,
}
MINIMAX = {
    "ar": "arabic", "yue": "cantonese", "zh": "chinese", "cs": "czech", "nl": "dutch", "en": "english",
    "fi": "finnish", "fr": "french", "de": "german", "el": "greek", "hi": "hindi", "id": "indonesian",
    "it": "italian", "ja": "japanese", "ko": "korean", "pl": "polish", "pt": "portuguese", "ro": "romanian",
    "ru": "russian", "es": "spanish", "th": "thai", "tr": "turkish", "uk": "ukrainian", "vi": "vietnamese",
}  # fmt: skip
MINIMAX_ROWS = 100  # a language
RVC_ROWS = {"onboarding-v1": 52, "core-v1": 480, "full-v1": 12724}
PART = "give the whole list, or name this one as"  # what to do where rows are missing


def cv3(draft: Draft, folder: Path) -> None:
    """A leaf of CV3-Eval's `data`: `text`, `prompt_text`, `prompt_wav.scp`, whose paths are relative to its root."""
    key = "/".join(folder.resolve().parts[-2:])
    if key not in CV3_ROWS:
        draft.fault(folder, 0, key, "no folder of CV3-Eval that is known", f"give one of data/{', '.join(CV3_ROWS)}")
        return
    root = folder.resolve().parents[2]
    texts, told = kaldi.values(draft, folder / "text"), kaldi.values(draft, folder / "prompt_text")
    prompts = kaldi.values(draft, folder / "prompt_wav.scp")
    language = key.rpartition("_")[2].rpartition("/")[2]
    for name, (line, text) in texts.items():
        if name not in told or name not in prompts:
            draft.fault(folder / "text", line, name, "not in prompt_text or prompt_wav.scp", "get the repository again")
            continue
        sample = Sample(name, text, language, prompt=root / prompts[name][1], prompt_text=told[name][1])
        draft.add(folder / "text", line, sample)
    _counted(draft, folder / "text", len(texts), CV3_ROWS[key], f"{PART} kaldi={folder}")


def minimax(draft: Draft, file: Path) -> None:
    """`text/<language>.txt` of MiniMax's set: `speaker|text`, the speaker's one clip below `speaker/<language>`."""
    codes = {name: code for code, name in MINIMAX.items()}
    if file.stem not in codes:
        draft.fault(
            file, 0, file.stem, "no language of the set", f"give text/NAME.txt, of {', '.join(MINIMAX.values())}"
        )
        return
    voices = file.resolve().parents[1] / "speaker"
    told = dict(line.split("|", 1) for _, line in read_lines(voices / "prompt_text.txt", draft) if "|" in line)
    lines, counts = read_lines(file, draft), dict[str, int]()
    for number, line in lines:
        speaker, bar, text = line.strip().partition("|")
        clips = sorted((voices / file.stem / speaker).glob("*.mp3")) if bar else []
        if len(clips) != 1:
            draft.fault(
                file, number, line, f"{len(clips)} clips of its speaker", "a line is speaker|text, with one clip"
            )
            continue
        counts[speaker] = counts.get(speaker, 0) + 1
        name, said = f"{speaker}_{counts[speaker]:03d}", told.get(clips[0].name, "").strip()
        sample = Sample(name, text.strip(), codes[file.stem], prompt=clips[0], prompt_text=said, speaker=speaker)
        draft.add(file, number, sample)
    _counted(draft, file, len(lines), MINIMAX_ROWS, "get the set again")


def rvcbench(draft: Draft, file: Path, targets: Path | None) -> None:
    """`prompts.jsonl` as `rvcbench prompts` writes it. `targets`: a folder of target recordings, which it never holds,
    as `<task>/<pair>.wav` or `<task>__<pair>.wav` (any ending); the ground truth of their rows."""
    file = file / "prompts.jsonl" if file.is_dir() else file
    lines = read_lines(file, draft)
    for number, line in lines:
        try:
            row = json.loads(line)
            name, text, prompt = (str(row[key]) for key in ("id", "text", "reference_audio"))
        except (ValueError, KeyError, TypeError) as fault:
            remedy = "a row has id, text, reference_audio; write it by rvcbench prompts"
            draft.fault(file, number, line, f"no row of prompts ({fault!r})", remedy)
            continue
        language = str(row.get("language") or "en").lower()[:2]
        told, task = str(row.get("reference_text") or ""), str(row.get("task") or "")
        truth = _target(targets, name, task, str(row.get("pair_id") or "")) if targets else None
        speaker = str(row.get("speaker_id") or "")
        found = Sample(name, text, language, "zero-shot", file.parent / prompt, told, truth, speaker, task)
        draft.add(file, number, found)
    _counted(draft, file, len(lines), _announced(file), "run rvcbench prompts again")


def _target(folder: Path, name: str, task: str, pair: str) -> Path | None:
    stems = (folder / task / pair, folder / name)
    endings = (".wav", ".flac", ".mp3", ".ogg", ".opus")
    return next(
        (path for stem in stems for end in endings if (path := stem.with_name(stem.name + end)).is_file()), None
    )


def _announced(file: Path) -> int | None:
    """Rows that `suite.json` beside the list says it has; None without one."""
    try:
        suite = json.loads((file.parent / "suite.json").read_text("utf-8"))
        whole = RVC_ROWS.get(str(suite["suite"])) if "selected_tasks" not in suite else None
        return int(whole or suite["prompts"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _counted(draft: Draft, file: Path, rows: int, published: int | None, remedy: str) -> None:
    if published is not None and rows != published and not draft.faults:
        draft.fault(file, 0, f"{rows} rows", f"published are {published} rows", remedy)

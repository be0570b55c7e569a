"""The layouts that lists of utterances come in: what each is, and how it is read. To add one, add it to LAYOUTS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ttsbench.names import id_problem
from ttsbench.testsets import evaluations, kaldi, lists, manifests, trees
from ttsbench.testsets.faults import Draft, Row, read_lines

Options = dict[str, str]
AUDIO = ("none", "some")  # values of the option audio that say which files must be there


@dataclass(frozen=True)
class Layout:
    """One kind of list. `read` parses it, `options` are those it knows beside `name`; `spec` is what to give.

    `published`: a set of this name and size, so a list of it is called by the layout's name, not by its file's. `rows`
    and `seconds` are None where your files decide.
    """

    read: Callable[[Draft, Path, Options], None]
    options: tuple[str, ...]
    spec: str
    about: str
    where: str
    licence: str
    languages: tuple[str, ...] = ()
    published: bool = False
    rows: int | None = None
    seconds: float | None = None


def _seed(draft: Draft, path: Path, options: Options, language: str, default: str = "meta.lst") -> None:
    path = path / default if path.is_dir() else path
    lists.seed(draft, read_lines(path, draft), path, options.get("language", language))
    draft.rows = [_with_truth(_with_speaker(row, options.get("speaker", ""))) for row in draft.rows]


def _with_speaker(row: Row, separator: str) -> Row:
    """`speaker=_`: the prompt's name up to the last underscore is the speaker; without it the whole name is."""
    if not separator:
        return row
    return replace(row, sample=replace(row.sample, speaker=row.sample.speaker.rpartition(separator)[0]))


def _with_truth(row: Row) -> Row:
    truth = row.file.parent / "wavs" / f"{row.sample.id}.wav"
    if row.sample.truth or id_problem(row.sample.id) or not truth.is_file():
        return row
    return replace(row, sample=replace(row.sample, truth=truth))


def _seed_en(draft: Draft, path: Path, options: Options) -> None:
    _seed(draft, path, options, "en")


def _seed_zh(draft: Draft, path: Path, options: Options) -> None:
    _seed(draft, path, options, "zh")


def _seed_hard(draft: Draft, path: Path, options: Options) -> None:
    _seed(draft, path, options, "zh", "hardcase.lst")


def _librispeech_pc(draft: Draft, path: Path, options: Options) -> None:
    given = options.get("audio", "")
    root = Path(given).expanduser() if given not in ("", "none", "some") else path.parent
    audio = root / "test-clean" if (root / "test-clean").is_dir() else root
    lists.librispeech_pc(draft, read_lines(path, draft), path, audio)


def _librispeech_continuation(draft: Draft, path: Path, options: Options) -> None:
    defaults = {"seconds": 3.0, "shortest": 4.0, "longest": 10.0}
    lengths = [_number(draft, path, options, key, default) for key, default in defaults.items()]
    if draft.faults:
        return
    if not 0 < lengths[0] < lengths[1] <= lengths[2]:
        draft.fault(path, 0, str(lengths), "impossible lengths", "0 < seconds < shortest <= longest must hold")
        return
    folder = path / "test-clean" if (path / "test-clean").is_dir() else path
    trees.librispeech_continuation(draft, folder, trees.Lengths(*lengths), _path(options, "transcripts"))


def _zipvoice(draft: Draft, path: Path, options: Options) -> None:
    lists.zipvoice(draft, read_lines(path, draft), path, options.get("language", "en"))


def _folder(draft: Draft, path: Path, options: Options) -> None:
    if options.get("prompt", "next") != "next":
        draft.fault(path, 0, options["prompt"], "unknown prompt rule", "give prompt=next or leave it out")
    trees.folder_of_audio(
        draft,
        path,
        options.get("language", "en"),
        options.get("task", "zero-shot"),
        _path(options, "transcripts"),
        options.get("suffix", ""),
        options.get("prompt", ""),
        _number(draft, path, options, "shortest", 0.0),
        _number(draft, path, options, "longest", float("inf")),
    )


def _manifest(draft: Draft, path: Path, options: Options, numbered: bool = False) -> None:
    only = dict(pair.partition(":")[::2] for pair in [options["only"]] if pair) if "only" in options else {}
    language, task = options.get("language", "en"), options.get("task", "zero-shot")
    manifests.manifest(draft, path, manifests.Columns(manifest_names(options), only, language, task, numbered))


def manifest_names(options: Options) -> Options:
    """Field -> column, of a manifest's options. `language` and `task` hold for all rows, or are columns."""
    names = {key: value for key, value in options.items() if key in (*manifests.FIELDS, manifests.OUTPUT)}
    return {key: value for key, value in names.items() if key not in ("language", "task") and value not in AUDIO}


def _emergent(draft: Draft, path: Path, options: Options) -> None:
    _manifest(draft, path, options, numbered=True)


def _number(draft: Draft, path: Path, options: Options, key: str, default: float) -> float:
    try:
        return float(options.get(key, default))
    except ValueError:
        draft.fault(path, 0, options[key], f"{key} is no number", "give seconds, e.g. 3.0")
        return default


def _kaldi(draft: Draft, path: Path, options: Options) -> None:
    kaldi.kaldi(draft, path, options.get("language", "en"))


def _cv3(draft: Draft, path: Path, options: Options) -> None:
    evaluations.cv3(draft, path)


def _minimax(draft: Draft, path: Path, options: Options) -> None:
    evaluations.minimax(draft, path)


def _rvcbench(draft: Draft, path: Path, options: Options) -> None:
    evaluations.rvcbench(draft, path, _path(options, "targets"))


def _path(options: Options, key: str) -> Path | None:
    return Path(options[key]).expanduser() if key in options else None


_COLUMNS = ("id", "text", "prompt", "prompt_text", "truth", "speaker", "category", "prompt_seconds")
_SEED_OPTIONS = ("language", "speaker", "audio")
_SEED_WHERE = "github.com/BytedanceSpeech/seed-tts-eval (follow its link to the audio)"
# Rows and hours as published; the Seed lists' target audio is not measured here, so its seconds stay open.
LAYOUTS = {
    "seed-en": Layout(
        _seed_en,
        _SEED_OPTIONS,
        "seed-en=DIR/en/meta.lst",
        "Seed-TTS test-en: cross-sentence cloning, meta.lst with 4 or 5 fields",
        _SEED_WHERE,
        "audio Common Voice CC0; the list has no licence",
        ("en",),
        published=True,
        rows=1088,
    ),
    "seed-zh": Layout(
        _seed_zh,
        _SEED_OPTIONS,
        "seed-zh=DIR/zh/meta.lst",
        "Seed-TTS test-zh: cross-sentence cloning, meta.lst with 4 or 5 fields",
        _SEED_WHERE,
        "audio DiDiSpeech-2, research only; the list has no licence",
        ("zh",),
        published=True,
        rows=2020,
    ),
    "seed-hard": Layout(
        _seed_hard,
        _SEED_OPTIONS,
        "seed-hard=DIR/zh/hardcase.lst",
        "Seed-TTS test-hard: Chinese repetitions and tongue twisters",
        _SEED_WHERE,
        "audio DiDiSpeech-2, research only; the list has no licence",
        ("zh",),
        published=True,
        rows=400,
    ),
    "librispeech-pc": Layout(
        _librispeech_pc,
        ("audio",),
        "librispeech-pc=LIST,audio=DIR/test-clean",
        "LibriSpeech-PC test-clean: cross-sentence cloning, targets of 4 to 10 s, prompts of 2.4 to 4.5 s, 39 speakers",
        "list: github.com/SWivid/F5-TTS, data/librispeech_pc_test_clean_cross_sentence.lst; "
        "audio: openslr.org/12, test-clean",
        "CC BY 4.0",
        ("en",),
        published=True,
        rows=1127,
        seconds=7236.0,
    ),
    "librispeech-continuation": Layout(
        _librispeech_continuation,
        ("transcripts", "seconds", "shortest", "longest"),
        "librispeech-continuation=DIR/test-clean",
        "LibriSpeech test-clean utterances of 4 to 10 s (about 1,240, 2.2 h), the first 3 s as the prompt, "
        "cut off before scoring",
        "openslr.org/12, test-clean",
        "CC BY 4.0",
        ("en",),
        published=True,
    ),
    "zipvoice": Layout(
        _zipvoice,
        ("language", "audio"),
        "zipvoice=DIR/test.tsv",
        "k2's test.tsv: name, prompt text, prompt wav, text",
        "your own list, or those of github.com/k2-fsa/ZipVoice",
        "that of your list",
        ("en", "zh"),
    ),
    "emergent": Layout(
        _emergent,
        ("language", "audio", *_COLUMNS),
        "emergent=FILE.tsv",
        "sentences by category, rated 1 to 3 by people",
        "your own table with columns category and text; see emergent-en and emergent-zh for sets that ship",
        "that of your list",
        ("en", "zh"),
    ),
    "folder": Layout(
        _folder,
        ("language", "task", "transcripts", "suffix", "prompt", "shortest", "longest"),
        "folder=DIR[,task=resynthesis]",
        "a plain folder of audio with transcripts",
        "your own recordings with <id>.txt beside them, a transcripts.tsv, or LibriSpeech's *.trans.txt",
        "that of your files",
        (),
    ),
    "manifest": Layout(
        _manifest,
        ("language", "task", "audio", "only", *_COLUMNS),
        "manifest=FILE[,text=COLUMN,prompt=COLUMN,truth=COLUMN,only=COLUMN:VALUE]",
        "any CSV, TSV, JSON Lines or JSON with named columns; say which is what in the spec or by --map text=COLUMN",
        "your own list",
        "that of your files",
        (),
    ),
    "table": Layout(
        _manifest,
        ("language", "task", "audio", "only", *_COLUMNS),
        "table=FILE[,text=COLUMN,...]",
        "another word for manifest",
        "your own list",
        "that of your files",
        (),
    ),
    "kaldi": Layout(
        _kaldi,
        ("language", "audio"),
        "kaldi=DIR",
        "Kaldi's text, with wav.scp, utt2spk, prompt_wav.scp and prompt_text where they are there",
        "your own data folder",
        "that of your files",
        (),
    ),
    "cv3": Layout(
        _cv3,
        ("audio",),
        "cv3=DIR/data/zero_shot/en",
        "CV3-Eval: zero_shot in nine languages (500 each), hard_en (64), hard_zh (560), cross_lingual_zeroshot to_en, "
        "to_zh, to_ja, to_ko (600 each), to_hard_en (64), to_hard_zh (60); rows are counted",
        "git clone https://github.com/FunAudioLLM/CV3-Eval",
        "no licence that allows passing it on is given; for your own use",
        ("en", "zh", "fr", "es", "ja", "ko", "it", "de", "ru"),
    ),
    "minimax": Layout(
        _minimax,
        ("audio",),
        "minimax=DIR/text/english.txt",
        "MiniMax multilingual: 24 languages, 100 sentences and two voices each; rows are counted",
        "huggingface.co/datasets/MiniMaxAI/TTS-Multilingual-Test-Set",
        "CC BY-SA 4.0; voices of Common Voice (CC0)",
        tuple(evaluations.MINIMAX),
    ),
    "rvcbench": Layout(
        _rvcbench,
        ("audio", "targets"),
        "rvcbench=DIR/prompts.jsonl[,targets=DIR]",
        "RVCBench's prompts: onboarding (52), core (480), full (12,724); rows are counted by suite.json beside; its "
        "prompts.tsv and prompts.lst are read as zipvoice= and seed-en=",
        "pip install rvcbench; rvcbench prompts --suite core-v1",
        "the package CC0; the recordings those of LibriTTS, VCTK, AISHELL and others",
        ("en", "zh", "fr"),
    ),
}

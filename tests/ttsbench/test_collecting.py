"""Recordings of a system that spoke elsewhere: which file is taken, what is refused, what is noted."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ttsbench.collecting import check, collect
from ttsbench.files import StoreError
from ttsbench.records import Sample, Synthesis
from ttsbench.store import Run


def quiet(done: int, total: int, what: str) -> None:
    pass


def test_recordings_are_taken_checked_and_taken_again_when_they_change(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    tone = 0.3 * np.sin(np.arange(16000) / 10)
    soundfile.write(folder / "good.wav", tone, 16000)
    soundfile.write(folder / "stereo.wav", np.stack([tone, tone], 1), 8000)
    soundfile.write(folder / "silent.wav", np.zeros(16000), 16000)
    soundfile.write(folder / "nan.wav", np.where(np.arange(16000) == 5, np.nan, tone), 16000, subtype="FLOAT")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "broken.wav").write_bytes(b"RIFF____WAVE")
    names = ["good", "stereo", "silent", "nan", "empty", "broken", "missing"]
    run = Run.create(tmp_path / "run", {"seed": 1}, [*(Sample(name, "hello") for name in names)])
    collect(run, f"recorded:{folder}", progress=quiet)
    rows = run.syntheses
    assert rows["good"].error == "" and rows["good"].total is None
    assert rows["stereo"].error == "" and "2 channels" in rows["stereo"].note and "8000 Hz" in rows["stereo"].note
    for name, word in [("silent", "silent"), ("nan", "NaN"), ("empty", "0 bytes"), ("broken", "not readable")]:
        assert word in rows[name].error, rows[name]
    assert "no output" in rows["missing"].error
    soundfile.write(folder / "good.wav", 0.5 * tone, 16000)
    again = collect(run, f"recorded:{folder}", progress=quiet)
    assert run.syntheses["good"].digest != rows["good"].digest
    assert (again.kept, again.failed) == (1, 5)  # of seven: stereo as it was, good taken anew


def recordings(folder: Path, *names: str, hertz: float = 220.0) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, 0.3 * np.sin(2 * np.pi * hertz * np.arange(16000) / 16000), 16000)


def collected(tmp_path: Path, *samples: Sample) -> dict[str, Synthesis]:
    run = Run.create(tmp_path / "run", {"seed": 1}, samples)
    collect(run, f"recorded:{tmp_path / 'made'}", progress=quiet)
    return run.syntheses


def test_a_double_file_costs_its_row_and_no_other(tmp_path: Path) -> None:
    recordings(tmp_path / "made", "one/u1.wav", "two/u1.wav", "one/u2.wav", "one/u3.wav")
    rows = collected(tmp_path, *(Sample(name, "hello") for name in ("u1", "u2", "u3")))
    assert rows["u1"].error.startswith(f"{tmp_path / 'made'}: 2 files for id 'u1'") and rows["u1"].audio == ""
    assert rows["u2"].error == rows["u3"].error == ""


def test_a_missing_output_is_never_taken_from_the_references(tmp_path: Path) -> None:
    made, truth = tmp_path / "made", tmp_path / "made" / "originals"
    recordings(made, "u1.wav", "deep/u3.wav")
    recordings(truth, "u1.wav", "u2.wav", "u3.wav", "u4.wav", hertz=330)
    samples = [Sample(f"u{n}", "hello", truth=truth / f"u{n}.wav") for n in (1, 2, 3)]
    samples.append(Sample("u4", "hello", truth=truth / "u2.wav"))  # its name is that of another sample's recording
    samples[1] = Sample("u2", "hello", truth=truth / "u4.wav")
    samples.append(Sample("u5", "hello"))
    rows = collected(tmp_path, *samples)
    assert rows["u1"].error == rows["u3"].error == ""
    assert "test set itself" in rows["u2"].error and "test set itself" in rows["u4"].error
    assert "no file for this id" in rows["u5"].error
    alone = Run.create(tmp_path / "alone", {"seed": 1}, [Sample("u2", "hello", prompt=truth / "u2.wav")])
    collect(alone, f"recorded:{made}", progress=quiet)
    assert "test set's own recording" in alone.syntheses["u2"].error


def test_an_output_equal_to_its_recording_is_marked_but_for_the_anchors(tmp_path: Path) -> None:
    made, truth = tmp_path / "made", tmp_path / "truth"
    recordings(truth, "u1.wav", "p.wav", hertz=330)
    recordings(truth, "p.wav", hertz=110)
    made.mkdir()
    for name, source in (("u1", "u1"), ("u2", "p"), ("u3", "u1")):
        (made / f"{name}.wav").write_bytes((truth / f"{source}.wav").read_bytes())
    samples = [
        Sample("u1", "hello", truth=truth / "u1.wav"),
        Sample("u2", "hello", truth=truth / "u1.wav", prompt=truth / "p.wav"),
        Sample("u3", "hello", truth=truth / "p.wav"),
    ]
    rows = collected(tmp_path, *samples)
    notes = {name: row.note for name, row in rows.items()}
    assert notes == {"u1": "equal to its recording", "u2": "equal to its prompt", "u3": ""}
    anchor = Run.create(tmp_path / "anchor", {"seed": 1}, samples)
    collect(anchor, "ground-truth", progress=quiet)
    assert [(row.error, row.note) for row in anchor.syntheses.values()] == [("", "")] * 3


def test_names_are_compared_in_composed_form(tmp_path: Path) -> None:
    recordings(tmp_path / "made", "caf\u0065\u0301.wav")
    rows = collected(tmp_path, Sample("caf\u00e9", "hello"))
    assert rows["caf\u00e9"].error == ""


@pytest.mark.parametrize("own", [False, True])
def test_a_folder_without_any_output_is_refused_at_once(tmp_path: Path, own: bool) -> None:
    recordings(tmp_path / "made", "other.wav")
    truth = tmp_path / "made" / "other.wav"
    sample = Sample("other", "hello", truth=truth) if own else Sample("u1", "hello")
    told = "own recordings.*--system ground-truth" if own else r"none of its 1 files \(other.wav.*\(u1"
    with pytest.raises(StoreError, match=told):
        check(f"recorded:{tmp_path / 'made'}", [sample])
    check(f"recorded:{tmp_path / 'made'}", [sample, Sample("other", "hello")])

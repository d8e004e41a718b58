"""An incoming image as the catalog takes it: hashed keys, facts, and whether it waits for a reader."""

from __future__ import annotations

from amae_engine.catalog import studies
from amae_engine.catalog.tables import Held, Split
from amae_engine.images.decode import IncomingImage
from amae_engine.images.decoded_image import UNCLEAR_HEADER
from amae_engine.images.deidentify import keyed_hash
from amae_engine.images.plausibility import NOT_FRONTAL_CHEST
from amae_engine.images.sources import SourceFile
from amae_engine.project import Project


def looks_unlike(image: IncomingImage) -> bool:
    """Whether an image waits for a reader: it may be no frontal chest."""
    return not {NOT_FRONTAL_CHEST, UNCLEAR_HEADER}.isdisjoint(image.image.flags)


def why_held(image: IncomingImage) -> str:
    """Why an image waits for a reader."""
    if NOT_FRONTAL_CHEST in image.image.flags:
        return "it looks unlike a frontal chest image"
    return "its header does not say clearly that it is a chest radiograph of a person"


def keys_of(project: Project, image: IncomingImage) -> tuple[str, str | None]:
    """The keyed hashes of an image's pixels and of its SOP instance, None where it has none."""
    sop = keyed_hash(project.key, "instance", image.image.sop) if image.image.sop else None
    return keyed_hash(project.key, "pixels", image.pixel_hash), sop


def patient_key(project: Project, patient: str) -> str:
    """The keyed hash of a patient as a table or a file names them."""
    return keyed_hash(project.key, "patient", patient)


def label_text(role: str, truth: int | None) -> str:
    """A role with its truth: "test, abnormal"."""
    known = {0: ", normal", 1: ", abnormal", None: ""}[truth]
    return role if role == Split.NORMAL else f"{role}{known}"


def new_image(
    project: Project,
    file: SourceFile,
    image: IncomingImage,
    source: str,
    store_row: int,
    clashes: bool,
) -> studies.NewImage:
    """An image with all that the catalog keeps of it.

    Args:
        project: Whose key hashes.
        file: What the source says of it.
        image: What its file says.
        source: The source's code.
        store_row: Where its pixels are.
        clashes: Whether another image has its SOP Instance UID, which it is not known by then.
    """
    facts = image.image
    patient = file.patient or facts.patient or image.pixel_hash
    study = facts.study or f"{patient}\0{image.pixel_hash}"
    pixels, sop = keys_of(project, image)
    person = file.facts.or_of(facts.facts)
    return studies.NewImage(
        patient_key=patient_key(project, patient),
        patient_known=bool(file.patient or facts.patient),
        study_key=keyed_hash(project.key, "study", study),
        split=Split(file.role),
        truth=0 if file.role == Split.NORMAL else file.truth,
        source=source,
        sop_key=None if clashes else sop,
        pixel_hash=pixels,
        store_row=store_row,
        rows=image.rows,
        columns=image.columns,
        bits_stored=facts.bits_stored,
        photometric=facts.photometric,
        modality=facts.modality,
        view=facts.view or person.view,
        body_part=facts.body_part,
        transfer_syntax=facts.transfer_syntax,
        pixel_spacing_mm=None if facts.spacing is None else facts.spacing.row_mm,
        column_spacing_mm=None if facts.spacing is None else facts.spacing.column_mm,
        spacing_tag="" if facts.spacing is None else facts.spacing.tag,
        flags=facts.flags,
        sex=person.sex,
        age_band=person.age_band,
        findings=person.findings,
        held=Held.WAITING if looks_unlike(image) else Held.NO,
    )

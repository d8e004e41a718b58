"""Of a person only sex, a coarse age and known findings come in."""

import pytest
from pydicom.dataset import Dataset

from amae_engine.images.subject_facts import (
    age_band,
    facts_of_header,
    facts_of_line,
    findings_of,
    sex_of,
)


@pytest.mark.parametrize(
    ("text", "band"),
    [("58", "40–59"), ("058Y", "40–59"), ("011M", "0–17"), ("18", "18–39"), ("80", "80+"),
     ("60.0", "60–79"), ("", ""), ("nan", ""), ("414", ""), ("1961-02-03", ""), ("-3", "")],
)  # fmt: skip
def test_an_age_becomes_a_band(text: str, band: str):
    assert age_band(text) == band


def test_free_text_keeps_the_known_findings_alone():
    assert findings_of("Cardiomegaly|Effusion") == "cardiomegaly | effusion"
    assert findings_of("Hans Müller, born 1955; Pneumonia") == "pneumonia"
    assert findings_of("No Lung Opacity / Not Normal") == "no lung opacity | not normal"
    assert len(findings_of("|".join(["mass", "nodule", "pneumonia"] * 99))) < 128


def test_a_line_and_a_header_say_it_by_their_usual_names():
    line = {"Patient Gender": "M", "Patient Age": "58", "View Position": "AP",
            "Finding Labels": "Mass", "Patient Name": "Hans"}  # fmt: skip
    facts = facts_of_line(line)
    assert (facts.sex, facts.age_band, facts.view, facts.findings) == (
        "M", "40–59", "AP", "mass",
    )  # fmt: skip
    header = Dataset()
    header.PatientSex, header.PatientAge, header.PatientBirthDate = "F", "071Y", "19530101"
    assert facts_of_header(header).age_band == "60–79"
    assert facts.or_of(facts_of_header(header)).sex == "M"
    assert facts_of_line({}).or_of(facts_of_header(header)).sex == "F"
    assert sex_of("Herr Müller") == ""

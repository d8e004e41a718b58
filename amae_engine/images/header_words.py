"""What the words of a DICOM header say: free text in many languages, codes with spaces and small letters.

Three answers: it is a chest radiograph of a person, it is something else, or nothing is clear; what
is unclear is held back for a reader. Only words of these lists are ever kept or said: any other
could be a name.
"""

from __future__ import annotations

import re
import unicodedata
from enum import Enum


class Said(Enum):
    """What a header says of an image."""

    YES = "yes"
    NOTHING = "nothing"
    UNCLEAR = "unclear"
    NO = "no"


_RADIOGRAPHS = ("CR", "DX", "DR", "XR", "RF", "RG")  # DR and XR are no terms, but are written
# PS3.3 C.7.3.1.1.1, what is no radiograph
_OTHER_MODALITIES = frozenset(
    [
        "ANN",
        "AR",
        "ASMT",
        "AU",
        "BDUS",
        "BI",
        "BMD",
        "CT",
        "CFM",
        "DD",
        "DG",
        "DMS",
        "DOC",
        "DS",
        "ECG",
        "EEG",
        "EMG",
        "EOG",
        "EPS",
        "ES",
        "FA",
        "FID",
        "FS",
        "GM",
        "HC",
        "HD",
        "IO",
        "IOL",
        "IVOCT",
        "IVUS",
        "KER",
        "KO",
        "LEN",
        "LP",
        "LS",
        "MA",
        "MG",
        "MR",
        "MS",
        "NM",
        "OAM",
        "OCT",
        "OP",
        "OPM",
        "OPR",
        "OPT",
        "OPTBSV",
        "OPTENF",
        "OPV",
        "OSS",
        "OT3D",
        "PA",
        "PET",
        "PLAN",
        "POS",
        "PR",
        "PT",
        "PX",
        "REG",
        "RESP",
        "RTDOSE",
        "RTIMAGE",
        "RTINTENT",
        "RTPLAN",
        "RTRAD",
        "RTRECORD",
        "RTSEGANN",
        "RTSTRUCT",
        "RWV",
        "SEG",
        "SM",
        "SMR",
        "SR",
        "SRF",
        "ST",
        "STAIN",
        "TEXTUREMAP",
        "TG",
        "US",
        "VA",
        "VF",
        "XA",
        "XAPROTOCOL",
        "XC",
    ]
)
# beginnings of words, without accents, in capitals
_CHEST = (
    "CHEST", "THORA", "THX", "LUNG", "RIB", "TORSO", "TORAX", "TORAC", "TORAK", "CXR", "POITRINE",
    "POUMON", "PULMO", "POLMON", "BRUST", "KLATKA", "KLATKI", "PIERSIOW", "PLUCA", "PLUC", "BORST",
    "BROST", "BRYST", "RINTAK", "KEUHKO", "HRUDN", "PLICE", "PLUCE", "MELLKAS", "TUDO", "GOGUS",
    "AKCIGER", "NGUC", "PHOI", "DADA", "PARU", "ГРУД", "ЛЕГК", "ОГК", "ΘΩΡΑ", "ΠΝΕΥΜ",
)  # fmt: skip
_CHEST_ANYWHERE = ("胸", "肺", "흉부", "가슴", "폐", "صدر", "חזה", "ทรวงอก", "ปอด", "छाती")
_OTHER_PARTS = (
    "ABDOMEN", "ABDOM", "ANKLE", "ARM", "BAUCH", "BECKEN", "BREAST", "BRAZO", "BUIK", "BUST", "CABEZA", "CADERA",
    "CEREBRO", "COLUMNA", "CRANE", "CRANEO", "CRANIO", "ELBOW", "EXTREMITY", "EXTREM", "FEMUR", "FINGER", "FOOT",
    "FUSS", "GENOU", "GINOCCHIO", "HAND", "HANCHE", "HEAD", "HERZKATHETER", "HIP", "HUFTE", "JAW",
    "KNEE", "KNIE", "KOPF", "LEG", "MANDIBLE", "MANDIB", "MANO", "MAXIL", "NECK", "PELVIS", "PELV", "PIED", "RACHIS",
    "RODILLA", "SCHADEL", "SCHULTER", "SHOULDER", "SINUS", "SKULL", "SPINE", "TESTA", "TETE", "TOE",
    "TIBIA", "TOOTH", "WIRBEL", "WRIST", "ZAHN", "ЖИВОТ", "КОЛЕН", "ЧЕРЕП", "КИСТ", "СТОП", "ТАЗ",
)  # fmt: skip
_OTHER_ANYWHERE = ("頭", "腹", "膝", "手", "足", "骨盤", "머리", "복부", "무릎")
_LATERAL = re.compile(
    r"\b(LL|RL|LLO|RLO|LAT|LATERAL\w*|LAT[EÉ]RALE?|PROFIL\w*|PERFIL|SEITLICH|BOCZN\w*|БОКОВ\w*)\b|側|측면"
)
_DECUBITUS = re.compile(r"DECUB|\bLLD\b|\bRLD\b")
_HUMAN = (
    "HOMO SAPIENS",
    "HUMAN",
    "HUMANO",
    "HUMANA",
    "HUMAIN",
    "UMANO",
    "MENSCH",
    "MENS",
    "PERSON",
)
_ANIMALS = (
    "CANIN", "CANIS", "DOG", "HUND", "PERRO", "CHIEN", "FELIN", "FELIS", "CAT", "KATZE", "EQUIN",
    "EQUUS", "HORSE", "PFERD", "BOVIN", "OVIN", "PORCIN", "PIG", "MURIN", "MOUSE", "RAT", "RABBIT",
    "MACACA", "MONKEY", "AVIAN", "BIRD", "PRIMATE",
)  # fmt: skip


def code_text(text: object) -> str:
    """A code string as the standard writes it: capitals, single spaces, none around."""
    return " ".join(str(text or "").upper().split())


def chest_modality(text: str, part: Said) -> Said:
    """Whether a modality is that of radiographs; OT is where the body part says chest.

    Args:
        text: The modality, as it is written.
        part: What the body part says.
    """
    modality = code_text(text)
    if not modality:
        return Said.NOTHING
    if modality in _RADIOGRAPHS:
        return Said.YES
    if modality == "OT":
        return Said.YES if part is Said.YES else Said.NO
    return Said.NO if modality in _OTHER_MODALITIES else Said.UNCLEAR


def chest_part(text: str) -> Said:
    """Whether a body part, free text in any language, is the chest."""
    if not text.strip():
        return Said.NOTHING
    if chest_words(text):
        return Said.YES
    return Said.NO if other_part(text) else Said.UNCLEAR


def chest_words(text: str) -> list[str]:
    """The known beginnings of words for the chest in a text, at most two."""
    return _known(text, _CHEST, _CHEST_ANYWHERE)[:2]


def other_part(text: str) -> str:
    """The known beginning of a word for another part of the body; "" where there is none."""
    return next(iter(_known(text, _OTHER_PARTS, _OTHER_ANYWHERE)), "")


def is_lateral(text: str) -> bool:
    """Whether a view position says that the view is from the side; a decubitus view is frontal."""
    view = code_text(text)
    return bool(_LATERAL.search(view)) and not _DECUBITUS.search(view)


def human(text: str) -> Said:
    """Whether a species is the human one."""
    words = _plain(text)
    if not words.strip():
        return Said.NOTHING
    if any(re.search(rf"\b{name}\b", words) for name in _HUMAN):
        return Said.YES
    return Said.NO if _known(text, _ANIMALS, ()) else Said.UNCLEAR


def _known(text: str, beginnings: tuple[str, ...], anywhere: tuple[str, ...]) -> list[str]:
    words = re.findall(r"\w+", _plain(text).replace("_", " "))
    found = [b for word in words for b in beginnings if word.startswith(b)]
    return list(dict.fromkeys([*found, *(part for part in anywhere if part in text)]))


def _plain(text: str) -> str:
    """In capitals and without accents; Ł and ß are letters of their own to Unicode."""
    spread = unicodedata.normalize("NFKD", text.upper().replace("Ł", "L").replace("ẞ", "SS"))
    return "".join(c for c in spread if not unicodedata.combining(c))

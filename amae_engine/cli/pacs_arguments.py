"""The arguments of `amae pacs`."""

from __future__ import annotations

import argparse
from pathlib import Path

from amae_engine.cli import pacs_commands


def add_pacs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `pacs check`, `pacs find`, `pacs fetch` and `pacs send`."""
    text = "images from a PACS, over DICOMweb or DIMSE"
    acts = verbs.add_parser("pacs", help=text, description=text).add_subparsers(
        required=True, metavar="ACT"
    )
    for name, explanation, command in (
        ("check", "see whether the PACS answers", pacs_commands.check),
        ("find", "count the images that a query means", pacs_commands.find),
        ("fetch", "fetch what is new and import it", pacs_commands.fetch),
        ("send", "send DICOM objects (amae dicom) by STOW-RS or C-STORE", pacs_commands.send),
    ):
        act = acts.add_parser(name, help=explanation, description=explanation)
        act.set_defaults(command=command)
        add_server(act)
        if name == "send":
            act.add_argument("folder", type=Path, help="with the objects, at any depth")
        if name in ("find", "fetch"):
            add_query(act)
        if name == "fetch":
            act.add_argument("--project", type=Path, required=True, help="the project's folder")
            act.add_argument("--role", required=True, help="normal, unlabeled or test")
            act.add_argument("--source", default="PACS", help="a label; name no patient in it")
            act.add_argument("--reader", default="", help="who imports")
            add_twins(act)


def add_server(act: argparse.ArgumentParser) -> None:
    """How a PACS is reached."""
    act.add_argument("--dicomweb", default="", help="https://pacs.hospital.org/dicom-web")
    act.add_argument(
        "--user", default="", help=f"its password is taken from {pacs_commands.PASSWORD}"
    )
    act.add_argument("--dimse", default="", help="TITLE@HOST:PORT")
    act.add_argument("--calling", default="AMAE", help="our AE title, as the PACS knows it")
    act.add_argument("--retrieve", default="get", choices=["get", "move"], help="C-GET or C-MOVE")
    act.add_argument("--receive-port", type=int, default=11112, help="ours, for C-MOVE")
    act.add_argument("--tls", action="store_true", help="encrypt DIMSE")
    act.add_argument("--ca-file", type=Path, help="who vouches for the PACS's certificate (PEM)")
    act.add_argument("--certificate", type=Path, help="ours, where the PACS asks for one (PEM)")
    act.add_argument("--private-key", type=Path, help="its key")
    act.add_argument("--timeout", type=float, default=30.0, help="seconds of silence")
    act.add_argument("--json", action="store_true", help="JSON output")


def add_query(act: argparse.ArgumentParser) -> None:
    """Which of its images are meant."""
    act.add_argument("--modality", nargs="+", default=["CR", "DX"])
    act.add_argument("--since", default="", help="first study date, YYYY-MM-DD")
    act.add_argument("--until", default="", help="last study date, YYYY-MM-DD")
    act.add_argument("--body-part", default="CHEST", help='"" for any')
    act.add_argument("--patient", nargs="+", default=[], help="patient IDs; sent to the PACS only")


def add_twins(verb: argparse.ArgumentParser) -> None:
    """Add what becomes of images that are probably there in another format."""
    either = verb.add_mutually_exclusive_group()
    for option, value, text in (
        ("--keep-suspects", "keep both", "keep images that are probably there already"),
        ("--replace-smaller", "replace", "put larger files of images that are there in their place; "
         "split, truth and decisions stay"),
    ):  # fmt: skip
        either.add_argument(
            option, dest="twins", action="store_const", const=value, default="leave out", help=text
        )

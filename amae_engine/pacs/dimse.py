"""A PACS over DIMSE: C-ECHO, C-FIND, C-STORE, and C-GET or C-MOVE with a receiver of our own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from ssl import Purpose, SSLError
from typing import Any, Self

from pydicom import dcmread, uid
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import (
    ComprehensiveSRStorage,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
    XRayRadiofluoroscopicImageStorage,
)

from amae_engine.errors import NotDelivered, PacsError
from amae_engine.pacs.query import ANSWERED, Keys, Level, RemoteImage
from amae_engine.pacs.server import DimseServer, Retrieve

_STORAGE_CLASSES = (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
    XRayRadiofluoroscopicImageStorage,
)
_SYNTAXES = (
    uid.ExplicitVRLittleEndian,
    uid.ImplicitVRLittleEndian,
    uid.DeflatedExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.RLELossless,
    uid.JPEGBaseline8Bit,
    uid.JPEGExtended12Bit,
    uid.JPEGLossless,
    uid.JPEGLosslessSV1,
    uid.JPEGLSLossless,
    uid.JPEGLSNearLossless,
    uid.JPEG2000Lossless,
    uid.JPEG2000,
    uid.HTJ2KLossless,
    uid.HTJ2KLosslessRPCL,
    uid.HTJ2K,
)
_RETRIEVE_MODELS = {
    Retrieve.GET: StudyRootQueryRetrieveInformationModelGet,
    Retrieve.MOVE: StudyRootQueryRetrieveInformationModelMove,
}
_SENT = {  # what AMAE makes, each as it is written
    SecondaryCaptureImageStorage: (uid.JPEGLSLossless, uid.ExplicitVRLittleEndian),
    SegmentationStorage: (uid.ExplicitVRLittleEndian, uid.RLELossless),
    ComprehensiveSRStorage: (uid.ExplicitVRLittleEndian,),
}
_STORED_WITH_WARNING = 0xB000  # PS3.4 B.2.3
_PENDING = (0xFF00, 0xFF01)  # PS3.4 C.4.1.1.4
_SUCCESS = 0x0000
_NOT_AUTHORIZED = 0x0124  # PS3.7 C.5.7
_MOVE_DESTINATION_UNKNOWN = 0xA801  # PS3.4 C.4.2.1.5


class Dimse:
    """An association with one PACS; with C-MOVE, also the receiver that it sends to."""

    def __init__(self, server: DimseServer) -> None:
        self._server = server
        self._inbox = _Inbox()
        self._association: Association | None = None
        self._receiver: Any = None
        self._sender: Association | None = None  # made with the first object that is sent

    def __enter__(self) -> Self:
        if self._server.retrieve is Retrieve.MOVE:
            self._receiver = self._listen()
        try:
            self._association = self._associate()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for association in (self._association, self._sender):
            if association is not None:
                association.release()
        if self._receiver is not None:
            self._receiver.shutdown()

    def check(self) -> None:
        """C-ECHO; see `Connection`."""
        self._final(iter([(self._open.send_c_echo(), None)]), "C-ECHO")

    def search(self, level: Level, keys: Keys) -> list[Keys]:
        """C-FIND; see `Connection`."""
        identifier = _identifier(level, dict.fromkeys(ANSWERED[level], "") | dict(keys))
        rows: list[Keys] = []
        answers = self._open.send_c_find(identifier, StudyRootQueryRetrieveInformationModelFind)
        self._final(_noting(answers, level, rows), "C-FIND")
        return rows

    def retrieve(self, image: RemoteImage, path: Path) -> None:
        """C-GET or C-MOVE of one image; see `Connection`."""
        keys = {
            "StudyInstanceUID": image.study,
            "SeriesInstanceUID": image.series,
            "SOPInstanceUID": image.sop,
        }
        self._inbox.expect(image.sop)
        status = self._final(self._ask_for(_identifier(Level.IMAGE, keys)), self._verb)
        content = self._inbox.take()
        if content is None:
            raise NotDelivered(self._why_not(status))
        path.write_bytes(content)

    def store(self, path: Path) -> None:
        """C-STORE of one file; see `Connection`."""
        dataset = dcmread(path)
        kind = (str(dataset.SOPClassUID), str(dataset.file_meta.TransferSyntaxUID))
        if self._sender is None:
            self._sender = self._associate_to_send()
        offered = {
            (c.abstract_syntax, c.transfer_syntax[0]) for c in self._sender.accepted_contexts
        }
        if self._sender.is_established and kind not in offered:
            raise NotDelivered(
                f"{self._server.name} does not take {dataset.SOPClassUID.name} in "
                f"{dataset.file_meta.TransferSyntaxUID.name}"
            )
        try:
            status = self._sender.send_c_store(dataset)
        except (ValueError, RuntimeError):
            status = Dataset()
        if "Status" not in status:
            raise PacsError(f"{self._server.name} broke the connection during C-STORE; try again.")
        if status.Status != _SUCCESS and status.Status & 0xF000 != _STORED_WITH_WARNING:
            raise NotDelivered(f"C-STORE ended with status 0x{status.Status:04X}")

    def _associate_to_send(self) -> Association:
        entity = self._entity()
        for kind, syntaxes in _SENT.items():
            for syntax in syntaxes:
                entity.add_requested_context(kind, syntax)
        return self._established(entity)

    @property
    def _verb(self) -> str:
        return f"C-{self._server.retrieve.upper()}"

    @property
    def _open(self) -> Association:
        if self._association is None or not self._association.is_established:
            raise PacsError(f"{self._server.name} closed the connection; try again.")
        return self._association

    def _ask_for(self, identifier: Dataset) -> Iterator[tuple[Dataset, Dataset | None]]:
        model = _RETRIEVE_MODELS[self._server.retrieve]
        if self._server.retrieve is Retrieve.GET:
            return self._open.send_c_get(identifier, model)
        return self._open.send_c_move(identifier, self._server.calling_ae, model)

    def _final(self, answers: Iterator[tuple[Dataset, Dataset | None]], verb: str) -> Dataset:
        """The last status of a request.

        Raises:
            PacsError: The request failed, or the connection broke.
        """
        status = Dataset()
        try:
            for status, _ in answers:
                if status.get("Status") not in _PENDING:
                    break
        except (ValueError, RuntimeError):  # no presentation context; association gone
            if self._open.is_established:
                raise PacsError(
                    f"{self._server.name} does not offer {verb}; ask its administrator to allow it"
                    f" for {self._server.calling_ae}, or use another way to retrieve."
                ) from None
        if "Status" not in status:
            raise PacsError(
                f"{self._server.name} broke the connection, or was silent for "
                f"{self._server.timeout_seconds:g} s, during {verb}; try again."
            )
        if verb in ("C-ECHO", "C-FIND") and status.Status != _SUCCESS:
            raise PacsError(
                f"{self._server.name} failed at {verb} (status 0x{status.Status:04X}); ask its "
                f"administrator whether {self._server.calling_ae} may query it."
            )
        return status

    def _why_not(self, status: Dataset) -> str:
        if status.Status == _MOVE_DESTINATION_UNKNOWN:
            raise PacsError(
                f"{self._server.name} does not know {self._server.calling_ae}; have its "
                f"administrator add this AE title with this computer's address and port "
                f"{self._server.receive_port}, or use C-GET."
            )
        return f"{self._verb} ended with status 0x{status.Status:04X} and no image"

    def _associate(self) -> Association:
        entity = self._entity()
        for service in (Verification, StudyRootQueryRetrieveInformationModelFind):
            entity.add_requested_context(service)
        entity.add_requested_context(_RETRIEVE_MODELS[self._server.retrieve])
        roles = []
        if self._server.retrieve is Retrieve.GET:
            roles = [build_role(kind, scp_role=True) for kind in _STORAGE_CLASSES]
            for kind in _STORAGE_CLASSES:
                for syntax in _SYNTAXES:  # one context each, so that nothing is transcoded
                    entity.add_requested_context(kind, syntax)
        return self._established(entity, roles)

    def _established(self, entity: AE, roles: Sequence[Any] = ()) -> Association:
        """An association with what an entity asks for.

        Raises:
            PacsError: It does not, and why.
        """
        server, tls = self._server, self._server.tls
        association = entity.associate(
            server.host,
            server.port,
            ae_title=server.called_ae,
            ext_neg=list(roles),
            evt_handlers=[(evt.EVT_C_STORE, self._inbox.store)],
            tls_args=(tls.context(), server.host) if tls else None,
        )
        if not association.is_established:
            raise self._no_association(association)
        return association

    def _entity(self) -> AE:
        entity = AE(ae_title=self._server.calling_ae)
        entity.maximum_pdu_size = 0  # no limit
        seconds = self._server.timeout_seconds
        entity.connection_timeout = entity.acse_timeout = seconds
        entity.dimse_timeout = entity.network_timeout = seconds
        return entity

    def _no_association(self, association: Association) -> PacsError:
        name = self._server.name
        encryption = "whether it wants an encrypted connection (TLS)"
        if self._server.tls is not None:
            encryption = "that the CA file vouches for its certificate"
        if association.is_rejected:
            reason = association.acceptor.primitive.reason_str
            return PacsError(
                f"{name} refused the association ({reason}); check the called AE title, and that "
                f"the PACS knows {self._server.calling_ae}."
            )
        return PacsError(
            f"{name} cannot be reached; check host and port, that the PACS runs, and {encryption}."
        )

    def _listen(self) -> Any:
        entity = self._entity()
        entity.require_called_aet = True
        for kind in _STORAGE_CLASSES:
            entity.add_supported_context(kind, list(_SYNTAXES))
        tls = self._server.tls
        try:
            return entity.start_server(
                ("", self._server.receive_port),
                block=False,
                evt_handlers=[(evt.EVT_C_STORE, self._inbox.store)],
                ssl_context=tls.context(Purpose.CLIENT_AUTH) if tls else None,
            )
        except (OSError, SSLError) as error:
            raise PacsError(
                f"Port {self._server.receive_port} cannot be opened to receive images "
                f"({error.strerror}); choose another, and have the PACS know it."
            ) from error


class _Inbox:
    """Takes the one image that was asked for, byte for byte, and refuses all others."""

    def __init__(self) -> None:
        self._wanted = ""
        self._content: bytes | None = None

    def expect(self, sop: str) -> None:
        self._wanted, self._content = sop, None

    def take(self) -> bytes | None:
        content, self._wanted, self._content = self._content, "", None
        return content

    def store(self, event: evt.Event) -> int:
        if event.request.AffectedSOPInstanceUID != self._wanted:
            return _NOT_AUTHORIZED
        self._content = event.encoded_dataset()
        return _SUCCESS


def _identifier(level: Level, keys: Keys) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level.value
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    return identifier


def _noting(
    answers: Iterator[tuple[Dataset, Dataset | None]], level: Level, rows: list[Keys]
) -> Iterator[tuple[Dataset, Dataset | None]]:
    for status, found in answers:
        if found is not None:
            rows.append({name: str(found.get(name) or "") for name in ANSWERED[level]})
        yield status, found

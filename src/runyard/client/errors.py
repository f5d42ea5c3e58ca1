"""What can go wrong between this machine and a server: one small tree.

    ClientError
    ├── ConfigurationError   an address, a name, a variable or a kept file is wrong, here on this machine
    ├── NotWritten           a file can't be written here
    ├── NotApproved          nobody let this machine in: denied, too late, or an answer to another question
    ├── Unreachable          nobody answers: refused, unknown host, no trust in the certificate, too late
    ├── NotRunyard           somebody answers, but no Runyard server
    └── Refused              the server answered with an error: status, error_code, message, field, request_id
        ├── NotSignedIn      401  no credential, or one that isn't valid (any more)
        ├── Forbidden        403  the credential doesn't allow it
        ├── NotFound         404  the thing doesn't exist, or not for this credential
        └── Unavailable      502, 503, 504  the server can't answer now

Messages say what was wrong and what to do, and hold no secret.
"""

from __future__ import annotations


class ClientError(Exception):
    """Base of every error of this package; `message` is what a person should read."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConfigurationError(ClientError):
    """Something on this machine is wrong: an address, a name, an environment variable, a kept file."""


class NotWritten(ClientError):
    """A file can't be written on this machine."""


class NotApproved(ClientError):
    """In the browser nobody let this machine in."""


class Unreachable(ClientError):
    """No answer came."""


class NotRunyard(ClientError):
    """What answers isn't a Runyard server."""


class Refused(ClientError):
    """The server's own error.

    Attributes:
        status: of HTTP.
        error_code: MLflow's name of the kind of error, such as `INVALID_PARAMETER_VALUE`.
        message: what was wrong and what to do, in the server's words.
        field: the offending field of the request, such as `metrics[3].key`.
        request_id: names the request in the server's log.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        error_code: str,
        field: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code
        self.field = field
        self.request_id = request_id


class NotSignedIn(Refused):
    """401: there is no credential, or it isn't valid (any more)."""


class Forbidden(Refused):
    """403: the credential doesn't allow it."""


class NotFound(Refused):
    """404: the thing doesn't exist, or not for this credential."""


class Unavailable(Refused):
    """502, 503 or 504: the server can't answer now; the same request may work later."""


def refusal(
    status: int,
    error_code: str,
    message: str,
    *,
    field: str | None = None,
    request_id: str | None = None,
) -> Refused:
    """The error for a server's answer."""
    kind = _KINDS.get(status, Refused)
    if error_code == _QUOTA_EXCEEDED:
        kind = Refused  # no other credential would be let through
    elif kind is NotFound and error_code == _NO_ENDPOINT:
        # The address is missing, not the thing: the server is older than this client.
        kind = Refused
        message = f"This server doesn't offer that: {message}"
    return kind(message, status=status, error_code=error_code, field=field, request_id=request_id)


_NO_ENDPOINT = "ENDPOINT_NOT_FOUND"
_QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
_KINDS: dict[int, type[Refused]] = {
    401: NotSignedIn,
    403: Forbidden,
    404: NotFound,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}

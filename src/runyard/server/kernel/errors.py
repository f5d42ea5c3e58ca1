"""The one error tree.

    RunyardError
    ├── InvalidArgument      400  a value in the request is wrong; `field` names it
    ├── MalformedRequest     400  the request as such can't be read (broken JSON, wrong types)
    ├── Unauthenticated      401  no valid credential
    ├── PermissionDenied     403  the credential doesn't allow this
    ├── QuotaExceeded        403  a quota or a limit of number is used up; waiting doesn't help
    ├── NotFound             404  the thing named doesn't exist
    ├── EndpointNotFound     404  the address doesn't exist
    ├── MethodNotAllowed     405  the address exists, the method doesn't
    ├── Conflict             409  the thing is being changed by somebody else
    ├── AlreadyExists        400  a thing of that name exists (MLflow answers 400)
    ├── TooLarge             413  the body exceeds the limit
    ├── UnsupportedMediaType 415  the body's Content-Type isn't the one the route takes
    ├── RangeNotSatisfiable  416  the byte range asked for lies outside the file
    ├── LimitExceeded        429  too many tries or requests in too short a time
    ├── NotImplementedHere   501  MLflow has this endpoint, Runyard doesn't (yet)
    ├── Unavailable          503  try again later (shutting down, database away)
    └── StorageFull          507  no room left on the disk; nothing was written

`web.errors` maps the tree to HTTP and to MLflow's `error_code`; nobody else does. A message is shown to
the caller: it says what was wrong and what to do, and holds no secret and no internal detail.
"""

from __future__ import annotations


class RunyardError(Exception):
    """Base of every error that a caller may see.

    Args:
        message: what was wrong and what to do, in one or two sentences.
        field: path of the offending field in the request, such as `metrics[3].key`; None when the error
            isn't about one field.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field

    def __str__(self) -> str:
        return self.message


class InvalidArgument(RunyardError):
    """A value in the request breaks a rule."""


class MalformedRequest(RunyardError):
    """The request can't be decoded."""


class Unauthenticated(RunyardError):
    """No valid credential came with the request."""


class PermissionDenied(RunyardError):
    """The caller is known and may not do this."""


class NotFound(RunyardError):
    """The thing that the request names doesn't exist."""


class EndpointNotFound(RunyardError):
    """No route has this path."""


class MethodNotAllowed(RunyardError):
    """A route has this path, but not with this method; `allowed` has the ones that it takes."""

    def __init__(self, message: str, *, allowed: frozenset[str]) -> None:
        super().__init__(message)
        self.allowed = allowed


class Conflict(RunyardError):
    """Somebody else changes the same thing."""


class AlreadyExists(RunyardError):
    """A thing with this name or id exists already."""


class TooLarge(RunyardError):
    """The request's body is larger than the limit."""


class UnsupportedMediaType(RunyardError):
    """The Content-Type isn't the one that the route takes."""


class RangeNotSatisfiable(RunyardError):
    """The byte range lies outside the file."""


class QuotaExceeded(RunyardError):
    """A limit of what is stored is reached: the request fails until something goes or the limit is raised."""


class LimitExceeded(RunyardError):
    """A rate limit is reached; `wait` says after how many seconds it isn't, if that is known."""

    def __init__(self, message: str, *, field: str | None = None, wait: int | None = None) -> None:
        super().__init__(message, field=field)
        self.wait = wait


class NotImplementedHere(RunyardError):
    """A known MLflow endpoint that this server doesn't offer."""


class Unavailable(RunyardError):
    """The server can't answer now; the same request may work later."""


class StorageFull(RunyardError):
    """The disk has no room; nothing of the request was stored."""

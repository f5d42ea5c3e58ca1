"""The generated pages are current, and the generator notices when one isn't."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import generate
from runyard.cli.main import main
from runyard.server.auth import Permission
from runyard.server.auth.rules import BUILT_IN
from runyard.server.settings import SETTINGS


@pytest.mark.parametrize("path", generate.PAGES)
def test_a_generated_page_is_current(path: str) -> None:
    file = generate.DOCS / path
    assert file.read_text(encoding="utf-8") == generate.text_of(path), "run make docs"


def test_every_setting_is_documented() -> None:
    text = generate.text_of("reference/settings.md")
    missing = [s.name for s in SETTINGS if f"`{s.variable}`" not in text]
    assert missing == []
    # A secret has no option: everybody on a machine sees its command lines.
    assert [s.name for s in SETTINGS if s.secret == (f"`{s.option}`" in text)] == []


def test_every_permission_and_role_is_documented() -> None:
    text = generate.text_of("guides/roles-and-permissions.md")
    assert [p.value for p in Permission if p is not Permission.PUBLIC and f"`{p.value}`" not in text] == []
    head = next(line for line in text.splitlines() if line.startswith("| permission |"))
    assert head == f"| permission | {' | '.join(BUILT_IN)} |"
    rows = [line for line in text.splitlines() if line.startswith("| `members/write` |")]
    assert rows == ["| `members/write` | yes |  |  |  |  |"]


def test_every_operation_of_mlflow_says_its_permission() -> None:
    text = generate.text_of("reference/permissions.md")
    for line in (
        "| POST `runs/search` | `experiments/runs/read` |",
        "| POST `runs/create` | `experiments/runs/write` |",
        "| POST `runs/delete` | `experiments/runs/delete` |",
        "| POST `experiments/create` | `experiments/write` |",
        "| GET `artifacts/{path:path}` | `metadata/artifacts/read` |",
        "| DELETE `logged-models/{model_id}` | `loggedModels/delete` |",
        "| POST `users` | `server/users/write` |",
    ):
        assert line in text


def test_every_command_and_option_is_documented() -> None:
    text = generate.text_of("reference/cli.md")
    missing = [
        (words, name)
        for words, found in generate.commands(main, "runyard")
        for name in ("", *(option for param in found.params for option in param.opts if option[0] == "-"))
        if words != "runyard server" and (f"# {words}\n" not in text or (name and f"`{name}`" not in text))
    ]
    assert missing == []


def test_pages_are_written_where_they_are_not_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given a folder with one old page
    monkeypatch.setattr(generate, "DOCS", tmp_path)
    monkeypatch.setattr(generate, "PAGES", {"a.md": lambda: "# A", "b/c.md": lambda: "# C"})
    (tmp_path / "a.md").write_text("old")
    # When, Then
    assert generate.main(["--check"]) == 1
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    assert (tmp_path / "b" / "c.md").read_text() == f"{generate.NOTE}\n\n# C\n"
    told = capsys.readouterr()
    assert told.out.splitlines() == ["wrote docs/a.md", "wrote docs/b/c.md"]
    assert len(told.err.splitlines()) == 2


def test_two_pages_at_one_path_are_a_mistake() -> None:
    with pytest.raises(ValueError, match=r"reference/settings\.md"):
        generate.page("reference/settings.md")(lambda: "")


def test_a_cell_cannot_end_a_column() -> None:
    assert generate.table(("a",), [("x|y",)]).splitlines()[-1] == "| x\\|y |"

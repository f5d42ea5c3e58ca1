"""`runyard folder` against a running server."""

from __future__ import annotations

from tests.cli.conftest import Farm, Run, read_csv, read_json


def test_folders_are_listed_and_moved(run: Run, farm: Farm) -> None:
    # Given
    ids = {name: farm.experiment(f"/cli folders/{name}") for name in ("a/x", "a/y", "a/deep/x", "z")}
    assert run("experiment", "delete", ids["a/y"], "--yes").exit_code == 0
    # Then
    found = read_json(run("folder", "list", "/cli folders", "-o", "json"))
    assert [(one["kind"], one["path"]) for one in found] == [
        ("folder", "/cli folders/a"),
        ("experiment", "/cli folders/z"),
    ]
    assert (found[0]["experiments"], found[0]["experiments_below"]) == (1, 2)
    assert found[1]["experiment_id"] == ids["z"]
    rows = read_csv(run("folder", "list", "/cli folders", "-o", "csv").stdout)
    assert [row["experiment_id"] for row in rows] == ["", ids["z"]]
    lines = run("folder", "list", "/cli folders").stdout.splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == ["/cli folders/a", "/cli folders/z"]
    assert "/cli folders" in run("folder", "list").stdout
    cut = run("folder", "list", "/cli folders", "--limit", "1", "-o", "json")
    assert [one["kind"] for one in read_json(cut)] == ["folder"]
    assert "--limit" in cut.stderr
    # When
    words = ("folder", "move", "/cli folders/a", "/cli folders/b")
    assert run(*words, "--dry-run").stdout == (
        "Would move 2 experiments, 1 in the trash from '/cli folders/a' to '/cli folders/b'.\n"
    )
    merged = run("folder", "move", "/cli folders/a", "/cli folders", "--dry-run").stdout
    assert merged == (
        "Would move 2 experiments, 1 in the trash from '/cli folders/a' to '/cli folders'. '/cli folders' "
        "holds 1 experiment already; they will lie together, under the rules of '/cli folders'.\n"
    )
    refused = run(*words)
    assert (refused.exit_code, "--yes" in refused.stderr) == (2, True)
    moved = run(*words, "--yes", "-o", "json")
    # Then
    assert read_json(moved) == {"experiments": 2, "deleted": 1, "rules": 0}
    assert read_json(run("experiment", "show", ids["a/y"], "-o", "json"))["name"] == "/cli folders/b/y"
    assert run("folder", "list", "/cli folders/a").exit_code == 4
    assert run(*words, "--yes").exit_code == 4
    taken = run("folder", "move", "/cli folders/b", "/cli folders/b/below", "--yes")
    assert (taken.exit_code, taken.stdout) == (1, "")

"""`runyard experiment` against a running server."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Farm, Run, read_csv, read_json


def test_a_life_of_an_experiment(run: Run) -> None:
    # Given
    made = read_json(
        run("experiment", "create", "/cli/life", "--tag", "team=a", "--tag", "note==x", "-o", "json")
    )
    number = made["experiment_id"]
    # When it is shown, by its name and by its id
    shown = read_json(run("experiment", "show", "/cli/life", "-o", "json"))
    assert shown == read_json(run("experiment", "show", number, "-o", "json"))
    # Then
    assert (shown["name"], shown["tags"], shown["runs"]) == ("/cli/life", {"team": "a", "note": "=x"}, 0)
    assert {quota["name"]: quota["used"] for quota in shown["quotas"]}["runs_per_experiment"] == 0
    text = run("experiment", "show", number).stdout
    line = next(line for line in text.splitlines() if line.startswith("runs_per_experiment"))
    assert line.split() == ["runs_per_experiment", "experiment", "0", "none", "-"]
    # When it is renamed, deleted, restored
    told = run("experiment", "rename", "/cli/life", "/cli/second life").stdout
    assert told == f"Renamed experiment {number} from '/cli/life' to '/cli/second life'.\n"
    told = run("experiment", "delete", "/cli/second life", "--yes").stdout
    told, _, undo = told.strip().partition(". To undo: runyard ")
    assert told.startswith("In the trash: experiment '/cli/second life', until 20")
    assert undo == f"trash restore experiment:{number}"
    assert read_json(run("experiment", "show", number, "-o", "json"))["lifecycle_stage"] == "deleted"
    again = run("experiment", "delete", number, "--yes")
    told = f"Experiment {number} ('/cli/second life') is in the trash already.\n"
    assert (again.exit_code, again.stdout, again.stderr) == (0, "", told)
    assert run(*undo.split()).stdout == "Restored 1 experiment.\n"
    assert run("experiment", "delete", number, "--yes").exit_code == 0
    assert run("experiment", "restore", number).stdout == "Restored '/cli/second life'.\n"
    again = run("experiment", "restore", number)
    told = f"Experiment {number} ('/cli/second life') is active already.\n"
    assert (again.exit_code, again.stdout, again.stderr) == (0, "", told)
    assert read_json(run("experiment", "restore", number, "-o", "json")) == {"restored": []}
    again = run("experiment", "restore", number, "--name", "/cli/else")
    assert (again.exit_code, again.stderr) == (4, f"Error: Experiment {number} is active already.\n")
    # A name is told as it is kept
    renamed = run("experiment", "rename", number, "/cli/renamed/", "-o", "json")
    assert read_json(renamed)["name"] == "/cli/renamed"
    made = run("experiment", "create", "/cli/slash/")
    assert made.stdout.startswith("Created experiment '/cli/slash', id ")
    assert read_json(run("experiment", "show", number, "-o", "json"))["lifecycle_stage"] == "active"


def test_an_experiment_comes_back_though_its_name_is_taken(run: Run) -> None:
    # Given two deleted experiments of a name, and an active one
    numbers = []
    for _ in range(3):
        made = run("experiment", "create", "/cli/it's/twice", "-o", "json")
        numbers.append(read_json(made)["experiment_id"])
        if len(numbers) < 3:
            assert run("experiment", "delete", "/cli/it's/twice", "--yes").exit_code == 0
    assert (
        read_json(run("experiment", "show", "/cli/it's/twice", "-o", "json"))["experiment_id"] == numbers[2]
    )
    # When
    by_name = run("experiment", "restore", "/cli/it's/twice")
    by_id = run("experiment", "restore", numbers[0])
    # Then
    assert (by_name.exit_code, by_id.exit_code) == (2, 1)
    assert f"{numbers[1]}, {numbers[0]}" in by_name.stderr
    assert f"runyard experiment restore {numbers[0]} --name" in by_id.stderr
    # When
    result = run("experiment", "restore", numbers[0], "--name", "/cli/once")
    # Then
    assert result.stdout == "Restored '/cli/it's/twice' as '/cli/once'.\n"
    assert read_json(run("experiment", "show", "/cli/once", "-o", "json"))["experiment_id"] == numbers[0]
    # When only one is left in the trash, its name is enough
    assert run("experiment", "rename", "/cli/it's/twice", "/cli/third").exit_code == 0
    assert run("experiment", "restore", "/cli/it's/twice/").exit_code == 0
    assert "is active already" in run("experiment", "restore", "/cli/it's/twice").stderr
    assert run("experiment", "restore", "1", "2", "--name", "x").exit_code == 2


def test_lists_in_every_form(run: Run, farm: Farm) -> None:
    ids = [farm.experiment(f"/cli/list/{i}") for i in range(3)]
    words = ("experiment", "list", "--filter", "name LIKE '/cli/list/%'")
    found = read_json(run(*words, "-o", "json"))
    assert [one["experiment_id"] for one in found] == ids[::-1]
    rows = read_csv(run(*words, "-o", "csv").stdout)
    assert [row["experiment_id"] for row in rows] == ids[::-1]
    assert rows[0]["creation_time"].endswith("Z")
    lines = run(*words).stdout.splitlines()
    assert lines[0].split() == ["id", "name", "created", "updated"]
    assert [line.split()[0] for line in lines[1:]] == ids[::-1]


def test_a_limit_is_told(run: Run, farm: Farm) -> None:
    for i in range(3):
        farm.experiment(f"/cli/limit/{i}")
    words = ("experiment", "list", "--filter", "name LIKE '/cli/limit/%'", "-o", "json")
    result = run(*words, "--limit", "2")
    assert len(read_json(result)) == 2
    assert "--limit" in result.stderr
    result = run(*words, "--limit", "0")
    assert (len(read_json(result)), result.stderr) == (3, "")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("show", "/cli/nothing"), 4, "/cli/nothing"),
        (("show", "999999999"), 4, "999999999"),
        (("show", ""), 2, "empty"),
        (("create", "Default"), 1, "Default"),
        (("create", "/cli/x", "--tag", "none"), 2, "KEY=VALUE"),
        (("list", "--filter", "colour = 'red'"), 1, "colour"),
        (("list", "--limit", "-1"), 2, "--limit"),
        (("delete", "Default"), 2, "--yes"),
        (("delete",), 2, "NAME"),
        (("nothing",), 2, "nothing"),
        (("list", "-w", "nowhere"), 4, "nowhere"),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_code(
    run: Run, words: tuple[str, ...], code: int, told: str
) -> None:
    result = run("experiment", *words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_a_failed_command_writes_no_half_json(run: Run) -> None:
    assert run("experiment", "show", "/cli/nothing", "-o", "json").stdout == ""


def test_a_name_of_digits_is_found_when_no_id_is_the_same(run: Run, farm: Farm) -> None:
    number = farm.experiment("20260131")
    assert read_json(run("experiment", "show", "20260131", "-o", "json"))["experiment_id"] == number


def test_the_workspace_in_the_address_and_by_name(run: Run, environment: dict[str, str | None]) -> None:
    url = str(environment["RUNYARD_URL"])
    plain = read_json(run("experiment", "list", "-o", "json"))
    assert read_json(run("experiment", "list", "-w", "default", "-o", "json")) == plain
    assert read_json(run("experiment", "list", "--url", f"{url}/w/default/", "-o", "json")) == plain
    assert read_json(run("experiment", "list", "-o", "json", RUNYARD_WORKSPACE="default")) == plain
    assert run("experiment", "list", "--url", f"{url}/w/nowhere").exit_code == 4

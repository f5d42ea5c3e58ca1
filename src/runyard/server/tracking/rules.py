"""Rules of names, keys and values: pure functions that raise `InvalidArgument`.

What MLflow's clients may send is what the server takes. Where MLflow cuts a long value without a word
(params at 6,000 characters, tags of runs at 8,000), it is stored whole, up to a limit that is named.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import unquote

from runyard.server.kernel.errors import InvalidArgument
from runyard.server.tracking.types import DatasetInput, MetricOrigin, Tag

MAX_KEY = 250
MAX_PARAM_VALUE = 65_535
MAX_TAG_VALUE = 65_535
MAX_EXPERIMENT_NAME = 500
MAX_EXPERIMENT_TAG_VALUE = 20_000
# Indexed whole, and PostgreSQL's indexes hold at most 2,704 bytes a row.
MAX_RUN_NAME = 500
MAX_USER_ID = 256
MAX_BATCH_METRICS = 1000
MAX_BATCH_PARAMS = 100
MAX_BATCH_TAGS = 100
MAX_BATCH_TOTAL = 1000
MAX_RESULTS_RUNS = 50_000
MAX_RESULTS_EXPERIMENTS = 50_000
MAX_RESULTS_MODELS = 50_000
MAX_ENTRIES = 1000
MAX_DATASET_NAME = 500
MAX_DATASET_DIGEST = 36
MAX_DATASET_SOURCE_TYPE = 250
MAX_DATASET_SOURCE = 65_535
MAX_DATASET_SCHEMA = 1_048_575
MAX_DATASET_PROFILE = 16_777_215
MAX_INPUT_TAG_KEY = 255
MAX_INPUT_TAG_VALUE = 500
MAX_MODEL_ID = 256
MAX_MODEL_NAME = 500
MAX_MODEL_TYPE = 500
MAX_MODEL_KEY = 255
MAX_MODEL_VALUE = 65_535
MAX_MODEL_JSON = 1_048_575

# The tag that holds a run's name a second time.
NAME_TAG = "mlflow.runName"
PARENT_TAG = "mlflow.parentRunId"

_KEY = re.compile(r"[\w.\- :/]+")
_NOT_IN_MODEL_NAMES = "/:.%\"'"
_NO_LOCATIONS = ("mlflow-artifacts", "runs")


def check_key(key: str, field: str) -> None:
    """A key of a metric, parameter or tag: 1 to 250 letters, digits, and `_-. :/`, no odd path."""
    fault = _fault_of_key(key)
    if fault is not None:
        raise InvalidArgument(fault.replace(_FIELD, field), field=field)


# Stands for the field's name in the texts of `_fault_of_key`, which don't depend on it; keys can't hold it.
_FIELD = "\0"


@lru_cache(maxsize=16_384)
def _fault_of_key(key: str) -> str | None:
    """What is wrong with a key, or None. Clients send the same few keys again and again."""
    if not key:
        return f"Missing value for required parameter '{_FIELD}': a key needs a name."
    if len(key) > MAX_KEY:
        return f"'{_FIELD}' exceeds the maximum length of {MAX_KEY} characters (it has {len(key)})."
    if _KEY.fullmatch(key) is None:
        return (
            f"Invalid value \"{cut(key)}\" for parameter '{_FIELD}' supplied: Names may only contain "
            "alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/)."
        )
    if "/" in key or key.startswith("."):
        plain = posixpath.normpath(key)
        if plain != key or plain == "." or plain.startswith(("..", "/")):
            return (
                f"Invalid value \"{cut(key)}\" for parameter '{_FIELD}' supplied: a name that reads as a "
                f"path must be a plain one; resolved it would be '{cut(plain)}'."
            )
    return None


def check_param_value(value: str, field: str) -> None:
    """A parameter's value: at most 65,535 characters."""
    check_text(value, MAX_PARAM_VALUE, field)


def check_run_tag(tag: Tag, at: str) -> None:
    """A run's tag: a key, and at most 65,535 characters; `at` is the tag's path with a dot, or empty."""
    check_key(tag.key, f"{at}key")
    check_text(tag.value, MAX_RUN_NAME if tag.key == NAME_TAG else MAX_TAG_VALUE, f"{at}value")


def check_text(value: str, limit: int, field: str) -> None:
    """A text of at most `limit` characters, without the NUL that PostgreSQL can't store."""
    if len(value) > limit:
        raise InvalidArgument(
            f"'{field}' exceeds the maximum length of {limit:,} characters (it has {len(value):,}).",
            field=field,
        )
    if "\0" in value:
        raise InvalidArgument(f"'{field}' contains a NUL character; remove it.", field=field)


def check_batch_sizes(metrics: int, params: int, tags: int) -> None:
    """MLflow's limits of one log-batch request."""
    for name, count, limit in (
        ("metrics", metrics, MAX_BATCH_METRICS),
        ("params", params, MAX_BATCH_PARAMS),
        ("tags", tags, MAX_BATCH_TAGS),
    ):
        if count > limit:
            raise InvalidArgument(
                f"A batch logging request can contain at most {limit} {name}. Got {count} {name}. "
                "Please split up the request and retry.",
                field=name,
            )
    total = metrics + params + tags
    if total > MAX_BATCH_TOTAL:
        raise InvalidArgument(
            f"A batch logging request can contain at most {MAX_BATCH_TOTAL} metrics, params, and tags. "
            f"Got {total}. Please split up the request and retry."
        )


def experiment_name(name: str) -> str:
    """The name as it is stored: a path's trailing slash goes, so that `/a/b/` is `/a/b`."""
    check_text(name, MAX_EXPERIMENT_NAME, "name")
    plain = name.rstrip("/") if name.startswith("/") else name
    if not plain.strip():
        raise InvalidArgument(f"Invalid experiment name: '{name}'. It must not be empty.", field="name")
    return plain


def folder(path: str, field: str = "path") -> str:
    """A folder's path without a slash at its end; `/` is all of the workspace."""
    check_text(path, MAX_EXPERIMENT_NAME, field)
    plain = path.rstrip("/") or ("/" if path else "")
    if not plain.strip():
        raise InvalidArgument(
            f"'{field}' is empty; a folder is named like '/Shared/team', all of the workspace is '/'.",
            field=field,
        )
    return plain


def beginning(path: str) -> str:
    """How the names of the experiments in a folder and below it begin."""
    return "" if path == "/" else f"{path}/"


def folder_in(start: str, name: str) -> str | None:
    """The folder right below another one that holds an experiment; None where that lies in the other itself.

    Args:
        start: how names in the other folder begin; see `beginning`.
        name: the experiment's name, which begins so. Slashes in a row count as one.
    """
    rest = name[len(start) :]
    cut = rest.find("/", len(rest) - len(rest.lstrip("/")))
    return None if cut < 0 else name[: len(start) + cut]


def check_move(path: str, to: str) -> None:
    """A folder moves neither as a whole workspace, nor onto one, nor to where it is, nor below itself."""
    if "/" in (path, to):
        raise InvalidArgument(
            "'/' is all of the workspace, which doesn't move: name a folder in it, and its new path.",
            field="path" if path == "/" else "to",
        )
    if to == path or to.startswith(f"{path}/"):
        where = "is there already" if to == path else "would lie below itself"
        raise InvalidArgument(f"'{cut(path)}' can't move to '{cut(to)}': it {where}.", field="to")
    if any(ord(c) < 32 or ord(c) == 127 for c in to):
        raise InvalidArgument("'to' holds a control character; remove it.", field="to")


def unique_params(params: Sequence[tuple[str, str]]) -> None:
    """One request may log a parameter once."""
    keys = [key for key, _ in params]
    if len(set(keys)) != len(keys):
        twice = next(k for i, k in enumerate(keys) if k in keys[:i])
        raise InvalidArgument(
            f"Duplicate parameter keys have been submitted: '{cut(twice)}'. Please ensure the request "
            "contains only one param value per param key.",
            field="params",
        )


def cut(text: str, limit: int = 100) -> str:
    """The text as an error message may show it."""
    return text if len(text) <= limit else f"{text[:limit]}..."


def check_artifact_location(location: str) -> None:
    """An artifact root that a client chose for an experiment: a URL or path without fragment and `..`."""
    check_text(location, 2048, "artifact_location")
    scheme, separator, _ = location.partition(":")
    if separator and scheme.lower() in _NO_LOCATIONS:
        raise InvalidArgument(
            "'artifact_location' can't be chosen on this server: leave it out, or give the address of a "
            "store that your clients reach themselves, such as s3://bucket/path.",
            field="artifact_location",
        )
    if "#" in location:
        raise InvalidArgument("'artifact_location' must not contain '#'.", field="artifact_location")
    if ".." in re.split(r"[/\\:?&=]", unquote(unquote(location))):
        raise InvalidArgument("'artifact_location' must not contain '..'.", field="artifact_location")


def location_below(root: str, path: str) -> str:
    """The address of a path below an artifact root; a query stays at the end."""
    head, mark, query = root.partition("?")
    return f"{head.rstrip('/')}/{path}{mark}{query}"


def owner_depth(segments: Sequence[str]) -> int:
    """How many segments of an artifact's path name its owner; behind them stands `artifacts`."""
    return 4 if len(segments) > 3 and segments[2] == "models" else 3


def trash_path(path: str, deletion: str) -> str:
    """Where files lie in the trash: beside their owner's artifacts, where no artifact's path leads."""
    segments = path.split("/")
    return "/".join([*segments[: owner_depth(segments)], "trash", deletion])


def check_upload_path(path: str) -> None:
    """The path of a file that goes up: no '#'.

    MLflow's clients since 2.0 refuse a whole listing when one name in it holds that character. They do so
    for `%23` as well, but MLflow 2 itself makes such names: `loss%step%23%timestamp%...` for a picture.
    """
    if "#" in path:
        raise InvalidArgument(
            f"The artifact path '{cut(path)}' is not allowed: MLflow's clients can't list a folder that "
            "holds a name with '#'; rename the file.",
            field="path",
        )


def check_count(count: int, field: str) -> None:
    """A list of at most 1,000 entries in one request."""
    if count > MAX_ENTRIES:
        raise InvalidArgument(
            f"'{field}' has {count:,} entries; one request may have {MAX_ENTRIES:,}. Send them in several.",
            field=field,
        )


def check_dataset(dataset: DatasetInput, field: str) -> None:
    """A dataset and the tags of its use: MLflow's limits, and no tag twice."""
    for name, value, limit in (
        ("name", dataset.name, MAX_DATASET_NAME),
        ("digest", dataset.digest, MAX_DATASET_DIGEST),
        ("source_type", dataset.source_type, MAX_DATASET_SOURCE_TYPE),
        ("source", dataset.source, MAX_DATASET_SOURCE),
        ("schema", dataset.schema, MAX_DATASET_SCHEMA),
        ("profile", dataset.profile, MAX_DATASET_PROFILE),
    ):
        check_text(value or "", limit, f"{field}.dataset.{name}")
    check_count(len(dataset.tags), f"{field}.tags")
    for i, tag in enumerate(dataset.tags):
        check_text(tag.key, MAX_INPUT_TAG_KEY, f"{field}.tags[{i}].key")
        check_text(tag.value, MAX_INPUT_TAG_VALUE, f"{field}.tags[{i}].value")
    keys = [tag.key for tag in dataset.tags]
    if len(set(keys)) != len(keys):
        twice = next(k for i, k in enumerate(keys) if k in keys[:i])
        raise InvalidArgument(
            f"The tag '{cut(twice)}' occurs twice; give each tag one value.", field=f"{field}.tags"
        )


def check_origin(origin: MetricOrigin, field: str) -> None:
    """What a metric's point says that it measures; `field` is the point's path, empty for the request."""
    at = f"{field}." if field else ""
    check_text(origin.model_id, MAX_MODEL_ID, f"{at}model_id")
    check_text(origin.dataset_name, MAX_DATASET_NAME, f"{at}dataset_name")
    check_text(origin.dataset_digest, MAX_DATASET_DIGEST, f"{at}dataset_digest")


def check_model_name(name: str) -> None:
    """A logged model's name: it becomes part of addresses, so some characters can't be in it."""
    check_text(name, MAX_MODEL_NAME, "name")
    if any(c in _NOT_IN_MODEL_NAMES for c in name):
        raise InvalidArgument(
            f"Invalid model name ({cut(name)!r}) provided. It must not contain any of "
            f"{' '.join(_NOT_IN_MODEL_NAMES)}",
            field="name",
        )


def check_model_entries(entries: Sequence[Tag], field: str) -> None:
    """Params or tags of a logged model: any key of 1 to 255 characters, values up to 65,535."""
    check_count(len(entries), field)
    for i, entry in enumerate(entries):
        check_text(entry.key, MAX_MODEL_KEY, f"{field}[{i}].key")
        check_text(entry.value, MAX_MODEL_VALUE, f"{field}[{i}].value")

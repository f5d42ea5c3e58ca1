"""Principals and the permissions that routes declare."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Permission(Enum):
    """What a route needs. `PUBLIC` is a decision, not a default: every route names one."""

    PUBLIC = "public"
    EXPERIMENT_READ = "experiments/read"
    EXPERIMENT_WRITE = "experiments/write"
    EXPERIMENT_DELETE = "experiments/delete"
    RUN_READ = "experiments/runs/read"
    RUN_WRITE = "experiments/runs/write"
    RUN_DELETE = "experiments/runs/delete"
    ARTIFACT_READ = "metadata/artifacts/read"
    ARTIFACT_WRITE = "metadata/artifacts/write"
    ARTIFACT_DELETE = "metadata/artifacts/delete"
    MODEL_READ = "loggedModels/read"
    MODEL_WRITE = "loggedModels/write"
    MODEL_DELETE = "loggedModels/delete"
    SERVER_READ = "server/read"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody or something that calls.

    Attributes:
        name: what logs and run owners show.
        permissions: everything that it may do.
    """

    name: str
    permissions: frozenset[Permission]


# Whoever reaches a server without login, which only a loopback address offers.
LOCAL = Principal("local", frozenset(Permission))

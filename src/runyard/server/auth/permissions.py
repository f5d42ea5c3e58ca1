"""What may be permitted, and what the levels of a rule and the kinds of tokens come to. Pure."""

from __future__ import annotations

from enum import Enum, IntEnum


class Permission(Enum):
    """What a route needs. `PUBLIC` is a decision, not a default: every route names one.

    The names are those that custom roles match with wildcards.
    """

    PUBLIC = "public"
    # Whoever has a valid credential, in whatever workspace.
    SIGNED_IN = "signedIn"
    # About experiments: a folder's or an experiment's rule may decide, else the role in the workspace.
    EXPERIMENT_READ = "experiments/read"
    EXPERIMENT_WRITE = "experiments/write"
    EXPERIMENT_DELETE = "experiments/delete"
    RUN_READ = "experiments/runs/read"
    RUN_WRITE = "experiments/runs/write"
    RUN_DELETE = "experiments/runs/delete"
    ARTIFACT_READ = "metadata/artifacts/read"
    ARTIFACT_WRITE = "metadata/artifacts/write"
    ARTIFACT_DELETE = "metadata/artifacts/delete"
    # Part of `ARTIFACT_WRITE`, and all that an upload's ticket gives.
    ARTIFACT_PART = "metadata/artifacts/part"
    MODEL_READ = "loggedModels/read"
    MODEL_WRITE = "loggedModels/write"
    MODEL_DELETE = "loggedModels/delete"
    RULE_READ = "experiments/permissions/read"
    RULE_WRITE = "experiments/permissions/write"
    TRASH_READ = "trash/read"
    TRASH_PURGE = "trash/purge"
    # About the workspace: the role in it decides.
    WORKSPACE_READ = "workspaces/read"
    WORKSPACE_WRITE = "workspaces/write"
    WORKSPACE_DELETE = "workspaces/delete"
    MEMBER_READ = "members/read"
    MEMBER_WRITE = "members/write"
    ACTIVITY_READ = "activity/read"
    # About the server: administrators have them.
    WORKSPACE_CREATE = "server/workspaces/create"
    USER_READ = "server/users/read"
    USER_WRITE = "server/users/write"
    ROLE_WRITE = "server/roles/write"
    SERVER_ACTIVITY_READ = "server/activity/read"

    @property
    def of_experiments(self) -> bool:
        """Whether rules of folders and experiments decide on it."""
        return self in OF_EXPERIMENTS

    @property
    def of_server(self) -> bool:
        """Whether it is about the server as a whole, and so only for administrators."""
        return self.value.startswith("server/")


OF_EXPERIMENTS = frozenset(
    {
        Permission.EXPERIMENT_READ,
        Permission.EXPERIMENT_WRITE,
        Permission.EXPERIMENT_DELETE,
        Permission.RUN_READ,
        Permission.RUN_WRITE,
        Permission.RUN_DELETE,
        Permission.ARTIFACT_READ,
        Permission.ARTIFACT_WRITE,
        Permission.ARTIFACT_DELETE,
        Permission.ARTIFACT_PART,
        Permission.MODEL_READ,
        Permission.MODEL_WRITE,
        Permission.MODEL_DELETE,
        Permission.RULE_READ,
        Permission.RULE_WRITE,
        Permission.TRASH_READ,
        Permission.TRASH_PURGE,
    }
)


class Level(IntEnum):
    """What a rule of a folder or an experiment gives; each holds the one before."""

    NONE = 0
    READ = 1
    EDIT = 2
    MANAGE = 3


ALL = frozenset(Permission)
OF_WORKSPACE = frozenset(p for p in Permission if not p.of_server)
OF_LEVEL: dict[Level, frozenset[Permission]] = {Level.NONE: frozenset(), Level.MANAGE: OF_EXPERIMENTS}
OF_LEVEL[Level.READ] = frozenset(
    {
        Permission.EXPERIMENT_READ,
        Permission.RUN_READ,
        Permission.ARTIFACT_READ,
        Permission.MODEL_READ,
    }
)
OF_LEVEL[Level.EDIT] = OF_LEVEL[Level.READ] | {
    Permission.EXPERIMENT_WRITE,
    Permission.RUN_WRITE,
    Permission.RUN_DELETE,
    Permission.ARTIFACT_WRITE,
    Permission.ARTIFACT_DELETE,
    Permission.ARTIFACT_PART,
    Permission.MODEL_WRITE,
    Permission.MODEL_DELETE,
    Permission.TRASH_READ,
}

# What a credential that is good for one workspace may do at most: nothing of the server.
OF_ONE_WORKSPACE = OF_WORKSPACE
# What a credential that is made for tracking may do, whatever its owner may.
TRACKING: frozenset[Permission] = (OF_EXPERIMENTS - {Permission.RULE_WRITE, Permission.TRASH_PURGE}) | {
    Permission.SIGNED_IN,
    Permission.WORKSPACE_READ,
}
# The same for a run's token: it deletes nothing but what it wrote itself.
OF_RUN_TOKEN: frozenset[Permission] = frozenset(
    {
        Permission.SIGNED_IN,
        Permission.EXPERIMENT_READ,
        Permission.RUN_READ,
        Permission.RUN_WRITE,
        Permission.ARTIFACT_READ,
        Permission.ARTIFACT_WRITE,
        Permission.ARTIFACT_DELETE,
        Permission.ARTIFACT_PART,
        Permission.MODEL_READ,
        Permission.MODEL_WRITE,
    }
)
# The same for an upload's ticket. The gate lets it pass to the parts only; where they go must be seen too.
OF_UPLOAD: frozenset[Permission] = frozenset({Permission.ARTIFACT_PART, Permission.EXPERIMENT_READ})


def permissions_at(level: Level) -> frozenset[Permission]:
    """What a rule of this level gives where it decides."""
    return OF_LEVEL[level]

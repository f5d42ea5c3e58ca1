"""Workspaces: what separates one team's experiments from another's."""

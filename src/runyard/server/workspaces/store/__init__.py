"""SQL of workspaces and their usage."""

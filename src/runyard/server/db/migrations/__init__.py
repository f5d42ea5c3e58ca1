"""The linear history of the schema."""

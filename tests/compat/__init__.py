"""The released `mlflow` clients against a Runyard server; see README.md in this folder."""

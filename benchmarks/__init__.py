"""Side-by-side benchmarks of Runyard with `mlflow server` and FastTrackML: `python -m benchmarks`."""

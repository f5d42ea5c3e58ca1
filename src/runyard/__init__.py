"""Runyard: a self-hosted machine-learning workspace that speaks MLflow."""

__version__ = "0.1.0"

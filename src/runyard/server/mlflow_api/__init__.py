"""MLflow's REST edge, versions 2.0 and 3.0. Nobody else knows MLflow's wire."""

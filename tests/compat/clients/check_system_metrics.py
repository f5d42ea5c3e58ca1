"""System metrics (2.8 and later): the client's sampler writes them beside the run's own metrics."""

import time

import mlflow
from harness import new_experiment, report

CLIENT = mlflow.MlflowClient()


def main():
    new_experiment("system")
    mlflow.set_system_metrics_sampling_interval(0.2)
    mlflow.set_system_metrics_samples_before_logging(2)
    with mlflow.start_run(log_system_metrics=True) as run:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            mlflow.log_metric("mine", 1)
            history = CLIENT.get_metric_history(run.info.run_id, "system/cpu_utilization_percentage")
            if len(history) >= 2:
                break
            time.sleep(0.1)  # the sampler's own clock
    metrics = CLIENT.get_run(run.info.run_id).data.metrics
    assert metrics["mine"] == 1
    system = sorted(key for key in metrics if key.startswith("system/"))
    assert "system/cpu_utilization_percentage" in system
    assert "system/system_memory_usage_megabytes" in system
    assert metrics["system/system_memory_usage_megabytes"] > 0
    steps = [point.step for point in history]
    assert steps == sorted(set(steps)), steps
    found = CLIENT.search_runs(
        [run.info.experiment_id], 'metrics."system/system_memory_usage_megabytes" > 0 and metrics.mine = 1'
    )
    assert [hit.info.run_id for hit in found] == [run.info.run_id]
    report(keys=len(system))


if __name__ == "__main__":
    main()

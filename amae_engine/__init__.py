"""AMAE's engine: anomaly detection in chest X-rays from normal and unlabeled images."""

from amae_engine.threads import let_threads_rest

let_threads_rest()

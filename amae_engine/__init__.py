"""AMAE's engine: anomaly detection in chest X-rays from normal and unlabeled images."""

from amae_engine.child_environment import limit_openmp_spin, require_safe_path

limit_openmp_spin()
require_safe_path()

"""AMAE's engine: anomaly detection in chest X-rays from normal and unlabeled images."""

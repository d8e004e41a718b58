"""Synthetic anomalies: batches of tensors in, batches of tensors out."""

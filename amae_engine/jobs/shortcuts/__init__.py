"""What tells normal images from unlabeled ones and is no disease."""

"""What separates normal images from unlabeled ones other than disease."""

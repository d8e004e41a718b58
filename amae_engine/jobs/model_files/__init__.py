"""What a run has learnt as a file that rates images anywhere: written, read, applied."""

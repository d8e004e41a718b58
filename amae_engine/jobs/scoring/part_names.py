"""What the files of a detector are called."""

START = "start"  # the starting weights, whose encoder stage 1 stands on
ENCODER = "encoder"  # a second one beside it
CLASSIFIER = "classifier"
ARRAYS = "arrays"
MODULES = ("module_a", "module_b")

"""The window: PySide6 and pyqtgraph over the engine's jobs."""

import os
import sys

# of `python -m amae_app`: a file amae_engine.py that lies in the current folder is not ours to run
_OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
if sys.argv[:1] == ["-m"] and not sys.flags.safe_path and sys.path[0] == os.getcwd() != _OWN:  # noqa: PTH109
    del sys.path[0]

"""`python -m amae_engine.cli …`, which `torchrun -m` needs."""

import sys

from amae_engine.cli import main

sys.exit(main())

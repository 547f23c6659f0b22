"""`python -m dvre_streamflow run ...`: the same arguments as `streamflow`."""

import sys

from dvre_streamflow.launcher import run

sys.exit(run())

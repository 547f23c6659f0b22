"""`python -m dvre_streamflow run ...`: the same arguments as `streamflow`."""

from dvre_streamflow.launcher import run

run()

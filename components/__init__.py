"""What Zhijian does: each folder a step along which the data flows, each pure inside and with files at its edge."""

import os

# Threads that wait must sleep: spinning, they take the cores from each other (30 times slower on a busy machine).
# Read when the numeric libraries are loaded, so set before any of them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

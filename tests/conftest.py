"""What all tests share."""

from __future__ import annotations

import os

# A worker trains nets of all sorts, and the first would choose for those after it how many threads an operation
# has; the bytes of one that another process trains depend on that.
os.environ["TF_NUM_INTRAOP_THREADS"] = "1"

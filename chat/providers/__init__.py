"""Who is called: chat models and embedders. No Django here."""

import os

# Read by numpy and tokenizers when first imported. The products computed here are small: a second
# thread makes them slower, and the threads that search would fight for the cores.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

"""What `./atelier …` runs once the virtual environment stands."""

import os

# Before any verb loads numpy. Sentences are small: more threads for one multiplication only take the other processes'
# cores, and OpenBLAS joins its threads at a fork: one in the middle of a multiplication would never return.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

"""Machine-learning experiments for physics courses and small research."""

import os

__version__ = "0.1.0"

# Keras and TensorFlow read these once, when they are first imported. Results must not depend on
# what else is installed or set: oneDNN carries the speed of the convolutions.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

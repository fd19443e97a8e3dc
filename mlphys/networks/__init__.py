"""From a config's specs to Keras: networks, the phases of their training, what they cost."""

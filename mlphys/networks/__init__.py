"""From specs to Keras: networks, phases of training, costs."""

"""One file is one penalty on an autoencoder's code, its name the key."""

"""The config language, apart from what datasets and models add to it."""

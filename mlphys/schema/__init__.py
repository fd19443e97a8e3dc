"""The config language, except for the entries of datasets, models, plots and analyses."""

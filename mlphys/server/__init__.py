"""Pages of all runs and studies of a folder for a browser, and trainings while they go on; it writes nothing."""

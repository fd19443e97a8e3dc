"""From a YAML file to a complete, checked experiment."""

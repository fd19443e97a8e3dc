"""From a YAML file to a complete, validated experiment."""

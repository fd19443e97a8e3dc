"""What is fuzzed: each file holds the targets of one kind of input, in TARGETS."""

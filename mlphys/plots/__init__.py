"""One file, one picture; each gets a run and reads from its files what it shows.

An entry whose `check(loaded)` raises NotApplicable cannot be drawn of any run of that config: it is refused before
training.
"""

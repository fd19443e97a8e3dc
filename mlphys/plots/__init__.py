"""One file, one picture; each gets the Run and reads from its files what it shows."""

"""`python -m mlphys`."""

from mlphys.cli import main

main(prog_name="mlphys")

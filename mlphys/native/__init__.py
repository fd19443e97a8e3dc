"""Machine code for convolutions of few channels, made for the net and the processor at hand."""

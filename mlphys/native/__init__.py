"""Machine code generated for a network and this processor: convolutions of few channels, steps of dense layers."""

"""Functions in LLVM IR, with the instruction names of LLVM's IRBuilder."""

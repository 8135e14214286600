"""The bytes that each method's step moves on accelerators, counted in the programs of XLA's compilers."""

"""The bytes that each method's step moves on accelerators, by the compilers that XLA has for them."""

"""How close each method's step comes to its limit: the memory bandwidth for the bytes that it must move."""

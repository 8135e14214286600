"""How near each method comes to the only limit of an optimizer step: the bytes it must move."""

"""What each rule makes of a gradient signal, and how it travels over a surface."""

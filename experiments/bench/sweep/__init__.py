"""What a sweep saves: against the same runs made one after the other, and by layout, task by task."""

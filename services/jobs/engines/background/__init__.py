"""Another background behind what stands before a plain one."""

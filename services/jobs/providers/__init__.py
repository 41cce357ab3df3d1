"""Work that is done by paid services elsewhere: asked once, paid once, and named honestly in the result."""

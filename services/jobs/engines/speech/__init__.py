"""Speaking, and knowing when each word is said. Needs the engines' own packages."""

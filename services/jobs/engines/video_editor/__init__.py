"""The video editor: a timeline of clips becomes one film. Needs the engines' own packages."""

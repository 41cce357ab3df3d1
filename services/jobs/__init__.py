"""AI and studio jobs: queue, runners, engines, files."""

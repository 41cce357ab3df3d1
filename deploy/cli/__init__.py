"""What `./atelier …` runs once the virtual environment stands."""

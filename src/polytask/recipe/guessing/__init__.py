"""What is in these files, and what could be learned from it? The parts of `guess_recipe`."""

"""Films: recipes, and what makes their files."""

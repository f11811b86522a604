"""Small pure helpers: texts, numbers and times, and their forms."""

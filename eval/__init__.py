"""Score Citewire on gold questions: ``python -m eval``."""

"""Articles in, a searchable index out: load -> clean -> chunk -> embed -> store."""

from index.errors import CitewireError
from index.store import Index
from index.types import Article, Filters, Hit, Passage

__all__ = ["Article", "CitewireError", "Filters", "Hit", "Index", "Passage"]

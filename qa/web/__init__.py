"""The chat on the web: what stands between the page (``ui.py``) and the question's straight line."""

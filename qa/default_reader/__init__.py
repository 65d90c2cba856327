"""The reader that Citewire ships, and the recipe that trained it.

At run time only its files are read; nothing imports ``train`` or the modules beside it.
"""

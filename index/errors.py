"""Everything that Citewire raises on purpose.

    CitewireError           one line that says what was expected, what came, what to do
    ├── LoadError           a file, row or address cannot become an article (reported, skipped)
    ├── ModelError          an encoder or reader is missing, changed or of the wrong kind
    ├── QuestionError       an empty or overlong question (raised by qa)
    ├── Busy                too many questions at once (raised by qa)
    └── StoreError          the index on disk
        ├── IndexMissing    nothing there, or not an index
        ├── IndexMismatch   made by another encoder, or by another version of Citewire
        ├── IndexBusy       another process is writing
        └── IndexDamaged    SQLite cannot read the file

Holds: errors of third-party libraries are mapped to these where they occur.
"""


class CitewireError(Exception):
    """Base of all; ``str()`` is one line for a person."""


class LoadError(CitewireError):
    """A file, row or address cannot become an article; the text is the reason, without its place."""


class ModelError(CitewireError):
    """An encoder or reader is missing, changed or of the wrong kind."""


class QuestionError(CitewireError):
    """A question is empty or too long."""


class Busy(CitewireError):
    """Too many questions wait for an answer already; asked again in some seconds, it is answered."""


class StoreError(CitewireError):
    """Base of what goes wrong with an index on disk."""


class IndexMissing(StoreError):
    """There is no index at the path."""


class IndexMismatch(StoreError):
    """The index was made by another encoder or another format version."""


class IndexBusy(StoreError):
    """Another process is writing to the index."""


class IndexDamaged(StoreError):
    """SQLite says that the file is not a healthy database."""

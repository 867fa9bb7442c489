"""Apache Druid's architecture in Python, opened up as a plugin framework.

Importing this package stays light: what it offers is imported from its rooms (``nemeton.spi`` for authors of
extensions, ``nemeton.segment`` for readers of segments), each of which brings in its own libraries when they are used.
"""

__version__ = "0.1.0"

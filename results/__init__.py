"""The record of a study and the views of it. Nothing here starts any work.

``__init__.pyi`` lists the names; each is loaded at its first use, since watching a study needs no pictures.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

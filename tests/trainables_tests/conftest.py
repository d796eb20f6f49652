from __future__ import annotations

import torch
from hypothesis import settings

torch.set_num_threads(1)

settings.register_profile("networks", deadline=None)
settings.load_profile("networks")

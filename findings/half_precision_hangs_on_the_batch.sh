#!/usr/bin/env bash
# A sentence model that was saved in half precision: a sentence's vector changes with the sentences beside it.
#
# Expected: `encode` on a CPU computes in float32, and a sentence has one vector: it differs between batches in the last
#   bits of a float32 alone (below 1e-6).
# What happens: transformers 5 loads weights in the precision they were saved in (`from_pretrained(dtype="auto")` is its
#   default; in 4 it was float32), sentence-transformers passes no precision of its own, and the CPU computes in
#   float16 or bfloat16. Padding and the width of the batch change the rounding: vectors differ by 1e-4 to 1e-3 with
#   the company. A cache by sentence then holds whatever batch came first.
#   `model.float()` after loading is the way out: half precision goes over to float32 exactly.
# Versions: sentence-transformers 6.2.0, transformers 5.23.0, torch 2.13.0 (CPU).
# Source: transformers, modeling_utils.py, `PreTrainedModel.from_pretrained`, argument dtype; its migration guide to 5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    sentence-transformers==6.2.0 transformers==5.23.0 torch==2.13.0
cd "$folder"
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - <<'PYTHON' 2>"$folder/log" || { code=$?; tail -5 "$folder/log" >&2; exit $code; }
import numpy as np
import sentence_transformers
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

print(f"sentence-transformers {sentence_transformers.__version__}, transformers {transformers.__version__}, "
      f"torch {torch.__version__}")
words = {word: number for number, word in enumerate("[PAD] [UNK] love war night road of the a in".split())}
tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=64)
torch.manual_seed(0)
sizes = dict(hidden_size=64, intermediate_size=256, num_hidden_layers=4, num_attention_heads=4)
bert = BertModel(BertConfig(vocab_size=len(words), pad_token_id=0, **sizes)).half()
bert.save_pretrained("bert")
fast.save_pretrained("bert")

sentences = [" ".join(["love", *["of the night in a war"] * length]) for length in range(8)]


def batch_matters(precision):
    transformer = Transformer("bert", max_seq_length=64)
    model = SentenceTransformer(modules=[transformer, Pooling(transformer.get_embedding_dimension())], device="cpu")
    if precision == "float()":
        model.float()
    kinds = {str(parameter.dtype) for parameter in model.parameters()}
    together = model.encode(sentences)
    alone = np.vstack([model.encode([sentence]) for sentence in sentences])
    difference = float(np.abs(together.astype(float) - alone.astype(float)).max())
    print(f"{precision}: weights {', '.join(kinds)}, vectors {together.dtype}; "
          f"alone and in company they differ by {difference:.1e}")
    return kinds, difference


kinds, as_saved = batch_matters("as saved")
_, in_float32 = batch_matters("float()")
surprising = kinds == {"torch.float16"} and as_saved > 1e-5 and in_float32 < 1e-5
print("as described" if surprising else "the behaviour has changed")
raise SystemExit(0 if surprising else 1)
PYTHON

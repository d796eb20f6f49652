#!/usr/bin/env bash
# Parquet columns of text that come back as bytes.
#
# Expected: a table of names and years, written to Parquet and read into pandas, has names that are text.
# What happens: Parquet has one physical type for text and bytes, BYTE_ARRAY; it is text only where the writer
#   annotated it (logical type String, or converted type UTF8). Older Spark, Hive and Impala did not annotate
#   (hence Spark's setting spark.sql.parquet.binaryAsString). pyarrow then reads `binary` and pandas has cells of
#   `bytes`: nothing equals "pop", and str() or to_csv make "b'pop'" of a label, without a word.
#   pandas.read_parquet takes no option for it; a cast to string does the right thing, and refuses what is no UTF-8.
# Versions: pyarrow 26.0.1, pandas 3.1.1.
# Source: apache/parquet-format, LogicalTypes.md ("STRING"); Spark SQL guide, "Parquet Files", binaryAsString.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1 pandas==3.1.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

print(f"pyarrow {pa.__version__}, pandas {pd.__version__}")
plain = pa.table({"genre": pa.array([b"pop", b"rap"], pa.binary())})
pq.write_table(plain, "table.parquet")
print("stored as:", pq.ParquetFile("table.parquet").schema.column(0))

read = pd.read_parquet("table.parquet")["genre"]
written = read.to_csv(index=False).split()
print("pandas reads:", read.tolist(), "and writes as CSV:", written, "; equal to 'pop':", (read == "pop").tolist())
cast = pq.read_table("table.parquet")["genre"].cast(pa.string()).to_pylist()
print("after pyarrow's cast to string:", cast)
surprising = read.tolist() == [b"pop", b"rap"] and written[1:] == ["b'pop'", "b'rap'"] and cast == ["pop", "rap"]
surprising = surprising and not (read == "pop").any()
print("as described" if surprising else "the behaviour has changed")
raise SystemExit(0 if surprising else 1)
PYTHON

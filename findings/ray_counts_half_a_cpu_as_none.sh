#!/usr/bin/env bash
# Half a CPU is no CPU to Ray, and one and a half are one; joblib counts one and two.
#
# One would expect: in a container that is granted half a CPU (docker --cpus 0.5, a Kubernetes limit of 500m) Ray has
#   one CPU, as the comment in its source says ("Round up in case the cpu limit is less than 1"), or refuses to start;
#   and with the same file before them Ray and joblib count the same.
# What happens: the quota 0.5 is a float that is not 0, so the line below that comment never acts; it is then cut to 0.
#   Ray starts all the same, with a warning and without the resource CPU, and a task waits for ever.
# Versions: ray 2.60.0, joblib 1.6.0, on Linux.
# Source: ray `_private/utils.py`, `_get_docker_cpus` and `get_num_cpus`; joblib
#   `externals/loky/backend/context.py`, `_cpu_count_cgroup`.
# What to do: ray.init(num_cpus=...) or ray start --num-cpus, with a number rounded up and at least 1.
#
# The control group is a file made here: both libraries are told to read it in place of /sys/fs/cgroup/cpu.max, so
# that neither a container nor root is needed.
set -euo pipefail

folder=$(mktemp -d /tmp/finding.XXXXXX)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "ray==2.60.0" "joblib==1.6.0"

cat > count.py <<'PYTHON'
import builtins, os, sys

import joblib
import ray
import ray._private.utils as utils
from joblib.externals.loky.backend import context

GROUP, QUOTA = "/sys/fs/cgroup/cpu.max", os.path.abspath("cpu.max")
utils._get_docker_cpus.__defaults__ = ("no file", "no file", "no file", QUOTA)


def joblibs(cpus_of_machine):
    """What joblib counts from the same file."""
    exists, opened = os.path.exists, builtins.open
    os.path.exists = lambda path: path == GROUP or exists(path)
    builtins.open = lambda path, *more, **options: opened(QUOTA if path == GROUP else path, *more, **options)
    try:
        return context._cpu_count_cgroup(cpus_of_machine)
    finally:
        os.path.exists, builtins.open = exists, opened


print(f"ray {ray.__version__}, joblib {joblib.__version__}")
counted = {}
for quota in ("200000 100000", "150000 100000", "50000 100000"):
    with open(QUOTA, "w") as file:
        file.write(quota)
    counted[quota] = utils.get_num_cpus(override_docker_cpu_warning=True), joblibs(64)
    print(f"cpu.max {quota!r}: ray {counted[quota][0]}, joblib {counted[quota][1]}")

ray.init(address="local", include_dashboard=False, logging_level="ERROR", _temp_dir=os.path.abspath("ray"))
cpus = ray.cluster_resources().get("CPU")
ready, waiting = ray.wait([ray.remote(lambda: 1).remote()], timeout=8)
print(f"a Ray that is granted half a CPU has CPUs: {cpus}; of one task {len(ready)} ended in 8 s")
ray.shutdown()
expected = {"200000 100000": (2, 2), "150000 100000": (1, 2), "50000 100000": (0, 1)}
sys.exit(0 if counted == expected and cpus is None and not ready else 1)
PYTHON
if RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=disabled venv/bin/python count.py 2> errors; then
  grep -o "Your num_cpus will be truncated.*" errors | sort -u
  echo "as described"
else
  cat errors
  echo "the behaviour has changed"
  exit 1
fi

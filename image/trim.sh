#!/bin/sh
# Remove from an environment what no program of it reads: packages' own tests, C headers and their sources. A third of
# pandas are tests. `numpy.testing`, `pandas.testing` and the like are part of the libraries, and stay. What goes that
# somebody could miss is Arrow's Flight, its protocol between servers: a step that speaks it names pyarrow in `packages=`.
set -eu
site=$(echo "$1"/lib/python3.*/site-packages)
for package in airflow botocore fsspec gevent matplotlib mlflow networkx numpy pandas psutil pyarrow s3fs scipy sklearn sqlalchemy; do
  test ! -d "$site/$package" || find "$site/$package" -type d -name tests -prune -exec rm -rf {} +
done
rm -rf "$site"/pyarrow/include "$site"/pyarrow/src "$site"/numpy/_core/include "$site"/scipy/_lib/array_api_compat/tests
find "$site" -type f \( -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' -o -name '*.a' -o -name '*.pyi' \) -delete
rm -rf "$site"/pyarrow/*flight* "$site"/boto3/examples "$site"/tornado/test
# uv leaves this for everybody to write.
rm -f "$1"/.lock
# Symbols for debuggers are nine tenths of these. Others have none, or were edited after linking, which strip would break.
for package in aiohttp asyncpg frozenlist multidict uvloop yarl; do
  test ! -d "$site/$package" || find "$site/$package" -name '*.so' -exec strip --strip-debug {} +
done

#!/usr/bin/env bash
# Makes the Python code of the Ditto definitions anew, into src/ or the folder named.
set -euo pipefail
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."
into=${1:-src}
exec .venv/bin/python -m grpc_tools.protoc -I src --python_out="$into" --pyi_out="$into" homestow/wire/ditto/ditto.proto

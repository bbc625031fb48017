# shellcheck shell=bash
# What ./start and ./check share: a .venv beside them with exactly the locked packages in it.
# The sourcing script sets `here`, the repository's folder, and `us`, its own name for messages.
# After a first complete run this costs a few milliseconds: nothing is done while the stamp in .venv fits.

: "${here:?}" "${us:?}"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_USER=0
unset PYTHONHOME PYTHONPATH

say() { printf '%s: %s\n' "$us" "$*" >&2; }

die() {
  say "$@"
  exit 1
}

# need_packages PACKAGE... - have these Debian packages: as root install them, else name the one command that does.
need_packages() {
  if ! command -v apt-get >/dev/null; then
    die "this system lacks: $*. Install them with its package tool, then run $us again."
  fi
  if [ "$(id -u)" -ne 0 ]; then
    die "this system lacks: $*. Run this, then $us again:  sudo apt-get install -y $*"
  fi
  say "installing $* ..."
  # The lists of a fresh system are empty or old: fetch them only when needed.
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null 2>&1 && return
  apt-get update -qq >&2 || say "apt-get update had trouble; going on with the lists there are."
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >&2 ||
    die "could not install: $*. Look at the lines above, then run $us again."
}

# Print the first Python that is new enough; the lock is made with 3.11.
find_python() {
  local candidate
  for candidate in python3.11 python3 python3.12 python3.13 python3.14; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

make_venv() {
  local python
  if ! python=$(find_python); then
    need_packages python3 python3-venv
    python=$(find_python) || die "Homestow needs Python 3.11 or newer; this system has none."
  fi
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    need_packages python3-venv
    "$python" -c 'import ensurepip, venv' || die "$python cannot make virtual environments."
  fi
  say "making .venv with $("$python" --version) ..."
  rm -rf -- "$here/.venv"
  "$python" -m venv "$here/.venv" || die "could not make $here/.venv; run $us again to continue."
}

# stamp_of LOCK - what a complete installation of LOCK looks like; another place or another lock gives another stamp.
stamp_of() {
  { printf '%s\n' "$here" && cat -- "$here/requirements/$1.txt" "$here/pyproject.toml"; } | sha256sum | cut -d ' ' -f 1
}

has_stamp() {
  [ -x "$here/.venv/bin/python" ] && [ -x "$here/.venv/bin/homestow" ] &&
    [ "$(cat -- "$here/.venv/installed-$1" 2>/dev/null)" = "$(stamp_of "$1")" ]
}

# install_locked LOCK - make .venv hold the packages of requirements/LOCK.txt and this package itself.
install_locked() {
  local lock=$1 count
  has_stamp "$lock" && return
  # Two starts at once: the second waits, then finds the work done. Not every system has flock; then nobody waits.
  exec 9<"$here"
  if command -v flock >/dev/null; then flock 9; fi
  if ! has_stamp "$lock"; then
    # A folder that was moved has the old place written into its programs; half a .venv has no pip.
    if ! "$here/.venv/bin/python" -m pip --version >/dev/null 2>&1 ||
      ! grep -qsF -- "$here/.venv" "$here/.venv/bin/activate"; then
      make_venv
    fi
    count=$(grep -c '==' "$here/requirements/$lock.txt")
    say "installing $count locked packages ..."
    "$here/.venv/bin/python" -m pip install --require-hashes --only-binary=:all: --no-deps --progress-bar off \
      -r "$here/requirements/$lock.txt" |
      awk -v us="$us" -v count="$count" '
        # A package comes from an index, from a folder of wheels, or is there already from a run that was interrupted.
        /^(Collecting|Processing|Requirement already satisfied:) / {
          name = $0; sub(/^Requirement already satisfied: |^[A-Z][a-z]+ /, "", name)
          sub(/ .*$/, "", name); sub(/^.*\//, "", name); sub(/[=;-][0-9=].*$/, "", name)
          printf "%s: [%d/%d] %s\n", us, ++seen, count, name; fflush()
        }
        /^Installing collected/ { printf "%s: unpacking ...\n", us; fflush() }' >&2 ||
      die "the installation did not finish; run $us again, it continues."
    "$here/.venv/bin/python" -m pip install -q --no-deps --no-build-isolation -e "$here" ||
      die "this package did not install; run $us again, it continues."
    stamp_of "$lock" >"$here/.venv/installed-$lock"
    # What the checks need includes, at the same versions, all that running needs.
    [ "$lock" != dev ] || stamp_of runtime >"$here/.venv/installed-runtime"
    say "installed."
  fi
  exec 9<&-
}

# `cp -r` of all but the first argument into that folder, then every file of it on disk: as lecompose leaves it.
out=$1
shift
cp -r "$@" "$out" && find "$out" -exec sync {} +

# Sourced by `msrv` and `cross`: Debian's `rustc-web`, which is the oldest Rust that the packages support.
# `install_oldest_rust [PACKAGE ...]` unpacks it, with further packages of the same source, and exports RUSTC.

oldest=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
mkdir -p "${CARGO_TARGET_DIR:-target}/msrv"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/msrv
debian=$(cd "$CARGO_TARGET_DIR" && pwd)/debian

# Unpacks packages that are not unpacked yet. A package is a name, or a name and a version: `name=version`.
unpack() {
  mkdir -p "$debian/packages" && cd "$debian/packages" || return 1
  local package file
  for package in "$@"; do
    [ ! -e "$package" ] || continue
    apt-get download -qq "$package" 2> /dev/null || return 1
    for file in *.deb; do dpkg -x "$file" "$debian" && rm "$file" || return 1; done
    touch "$package"
  done
}

install_oldest_rust() {
  command -v apt-get dpkg > /dev/null || return 1
  local version packages=() name
  version=$(apt-cache madison rustc-web | awk -v oldest="$oldest." 'index($3, oldest) == 1 { print $3; exit }')
  [ -n "$version" ] || return 1
  for name in rustc-web libstd-rust-web-dev "libstd-rust-web-$oldest" "$@"; do packages+=("$name=$version"); done
  (unpack libllvm19 "${packages[@]}") || return 1
  export RUSTC=$debian/usr/bin/rustc
  export LD_LIBRARY_PATH=$debian/usr/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  "$RUSTC" --version 2> /dev/null | grep -q "^rustc $oldest\."
}

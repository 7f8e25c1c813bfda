#!/bin/sh
# Builds the image ronghe/kafka:4.3.0 from this machine's Java and the broker's jars, without a registry, so that the
# bus suite also runs through testcontainers: RONGHE_KAFKA_IMAGE=ronghe/kafka:4.3.0 npx vitest run --project bus
# Needs: a JDK 17 with jlink, a static busybox, a running Docker daemon, node; Maven when the jars are not cached.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
image=${1:-ronghe/kafka:4.3.0}
libs=$(node "$here/kafka-libs.ts")
busybox=$(command -v busybox) || { echo "kafka-image: busybox is not installed (Debian: busybox-static)" >&2; exit 1; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT INT TERM

mkdir -p "$root/bin" "$root/tmp" "$root/etc" "$root/proc" "$root/dev" "$root/opt/kafka"
chmod 1777 "$root/tmp"
cp "$busybox" "$root/bin/busybox"
if ldd "$root/bin/busybox" >/dev/null 2>&1; then echo "kafka-image: $busybox is not static" >&2; exit 1; fi
for name in sh env ls cat mkdir rm sleep kill; do ln -s busybox "$root/bin/$name"; done
echo 'root:x:0:0:root:/tmp:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"

# What a broker loads; jdk.unsupported for sun.misc.Unsafe, the others by name through reflection and services.
jlink --output "$root/opt/java" --strip-debug --no-header-files --no-man-pages --compress=2 \
  --add-modules java.base,java.compiler,java.desktop,java.instrument,java.logging,java.management,java.naming,java.net.http,java.rmi,java.scripting,java.security.jgss,java.security.sasl,java.sql,java.xml,jdk.management,jdk.net,jdk.unsupported,jdk.zipfs,jdk.crypto.ec
cp -r "$libs" "$root/opt/kafka/libs"

# The shared libraries of the runtime itself and of the natives in jars (RocksDB needs libstdc++, zstd the threads and
# the parts of the C library that once stood apart).
{
  find "$root/opt/java" -type f \( -name '*.so' -o -perm -u+x \) -exec ldd {} \; 2>/dev/null
  find / -xdev \( -name 'libstdc++.so.6' -o -name 'libgcc_s.so.1' -o -name 'libpthread.so.0' -o -name 'libdl.so.2' -o -name 'librt.so.1' -o -name 'libm.so.6' \) -not -path "$root/*" 2>/dev/null | sed 's/^/ => /'
} | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p; s/^[[:space:]]*\(\/[^ ]*ld-linux[^ ]*\).*/\1/p' | sort -u | while read -r library; do
  case $library in "$root"/*) continue ;; esac
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done

tar -C "$root" -c . | docker import \
  --change 'ENV PATH=/bin:/opt/java/bin' \
  --change 'ENV JAVA_HOME=/opt/java' \
  --change 'ENTRYPOINT ["/bin/sh"]' \
  - "$image" >/dev/null
echo "$image"

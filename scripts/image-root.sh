#!/bin/sh
# Makes the root of the image: the bundle, the programs that it starts, and the libraries that those need.
# usage: image-root.sh BUNDLE LICENSE ROOT, as root on Debian with Node in /usr/local
set -eu
bundle=$1 license=$2 root=$3

# env is what the first line of the program names; nft and ip are for `crossrole node`.
programs="/usr/local/bin/node /usr/bin/env /usr/sbin/nft /usr/bin/ip"

# What programs need, as the loader finds it. A link is followed: the file has the name that is looked for.
libraries=$(for program in $programs; do ldd "$(readlink -f "$program")"; done |
  sed -nE 's/^.*(=> |\t)(\/[^ ]+) \(0x.*$/\2/p' | sort -u)

mkdir -p "$root"
for file in $programs $libraries; do
  mkdir -p "$root$(dirname "$file")"
  cp -L "$file" "$root$file"
done

# What names are resolved by, and who is who. 65532 is whom distroless images call nonroot.
mkdir -p "$root/etc" "$root/opt" "$root/proc" "$root/dev" "$root/sys" "$root/run/crossrole" "$root/etc/crossrole"
printf 'root:x:0:0:root:/:/nonexistent\nnonroot:x:65532:65532:crossrole:/:/nonexistent\n' > "$root/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' > "$root/etc/group"
printf 'passwd: files\ngroup: files\nhosts: files dns\n' > "$root/etc/nsswitch.conf"
cp -L /etc/os-release "$root/etc/os-release"
mkdir -m 1777 "$root/tmp"
chown 65532:65532 "$root/run/crossrole"
chmod 700 "$root/run/crossrole"

# Whose files these are, for whoever scans the image, and their licences.
mkdir -p "$root/var/lib/dpkg/status.d"
for file in $programs $libraries; do
  # The package knows the file by the name that it had before /lib and /bin were links into /usr.
  owner=$(dpkg -S "$(readlink -f "$file")" 2>/dev/null || dpkg -S "$(readlink -f "$file" | sed 's,^/usr,,')" 2>/dev/null || true)
  package=${owner%%:*}
  [ -n "$package" ] || continue
  dpkg-query -s "$package" > "$root/var/lib/dpkg/status.d/$package"
  mkdir -p "$root/usr/share/doc/$package"
  cp -L "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/"
done

cp -r "$bundle" "$root/opt/crossrole"
cp "$license" "$root/opt/crossrole/LICENSE"
chown -R 0:0 "$root/opt/crossrole"
ln -s /opt/crossrole/crossrole.js "$root/usr/local/bin/crossrole"

# V8's compile cache, of what a start runs. It is made by the user that will read it, whose uid is in the
# name of its folder, and then nobody can write to it.
cache=$root/opt/crossrole/compile-cache
mkdir "$cache"
chown 65532:65532 "$cache"
log=$root/tmp/log
AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE AWS_SECRET_ACCESS_KEY=none \
  chroot --userspec=65532:65532 "$root" /usr/local/bin/crossrole serve \
  --role-arn arn:aws:iam::000000000000:role/none --region us-east-1 --listen 127.0.0.1:0 \
  --sts-endpoint http://127.0.0.1:9 > "$log" 2>&1 &
daemon=$!
# By the time STS cannot be reached, all has been loaded that a start needs. Minutes: builders are busy.
seconds=0
until grep -q ERR_STS_UNAVAILABLE "$log"; do
  seconds=$((seconds + 1))
  kill -0 "$daemon" && [ "$seconds" -le 120 ] || { cat "$log"; exit 1; }
  sleep 1
done
kill -TERM "$daemon"
# It writes the cache at its end.
wait "$daemon" || { cat "$log"; exit 1; }
ls "$cache"/*-65532/* > /dev/null
rm "$log"
chown -R 0:0 "$cache"
chmod -R a=rX "$cache"
for folder in "$cache"/*-65532; do
  # As root, in `crossrole node`, too.
  ln -s "$(basename "$folder")" "${folder%-65532}-0"
done

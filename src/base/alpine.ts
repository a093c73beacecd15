import type { Stage } from "./recipe.ts";

const ABOUT = "# In an image of Debian's packages that stands in for one of Alpine's: nought, docs/bases.md.";

/** Names that Debian has for packages of Alpine; others are mostly the same. */
const NAMES = `    build-base | alpine-sdk) one=build-essential ;;
    musl-dev | libc-dev) one=libc6-dev ;;
    linux-headers) one=linux-libc-dev ;;
    openssl-dev) one=libssl-dev ;;
    zlib-dev) one=zlib1g-dev ;;
    sqlite) one=sqlite3 ;;
    sqlite-dev) one=libsqlite3-dev ;;
    postgresql-dev) one=libpq-dev ;;
    ca-certificates-bundle) one=ca-certificates ;;
    go) one=golang-go ;;
    py3-pip) one=python3-pip ;;
    protoc) one=protobuf-compiler ;;
    libcap) one=libcap2-bin ;;
    shadow) one=passwd ;;`;

/** What is there already is not fetched, so that this needs no network where all packages were asked for. */
const APK = `#!/bin/sh
${ABOUT}
set -e
command='' wanted='' skip=''
for word; do
  if [ -n "$skip" ]; then skip=''; continue; fi
  case $word in
    -t | --virtual | -X | --repository | -p | --root | --arch) skip=1 ;;
    -*) ;;
    *) if [ -z "$command" ]; then command=$word; else wanted="$wanted \${word%%[=<>~@]*}"; fi ;;
  esac
done
case $command in
  add) ;;
  update | upgrade | del | cache | fix) exit 0 ;;
  *) echo "apk $command: this image is made of Debian's packages and has no more than apk add" >&2; exit 1 ;;
esac
missing=''
for one in $wanted; do
  case $one in
    .*) continue ;;
${NAMES}
  esac
  case $(dpkg-query -W -f '\${db:Status-Abbrev}' "$one" 2>/dev/null) in ii*) ;; *) missing="$missing $one" ;; esac
done
[ -n "$missing" ] || exit 0
apt-get update -qq
DEBIAN_FRONTEND=noninteractive exec apt-get install -y -qq --no-install-recommends $missing
`;

/** Packages of Debian call the other one, with long flags, when they are set up. */
const ADDUSER = `#!/bin/sh
${ABOUT}
case " $* " in *" --"*) exec /usr/sbin/adduser "$@" ;; esac
set -e
home='' shell=/bin/sh comment='' group='' uid='' system='' create=-m
while getopts h:g:s:G:u:k:SDH flag; do
  case $flag in
    h) home=$OPTARG ;;
    g) comment=$OPTARG ;;
    s) shell=$OPTARG ;;
    G) group=$OPTARG ;;
    u) uid=$OPTARG ;;
    S) system=-r ;;
    H) create=-M ;;
  esac
done
shift $((OPTIND - 1))
[ $# -lt 2 ] || exec usermod -a -G "$2" "$1"
exec useradd $system $create -s "$shell" -c "$comment" \${home:+-d "$home"} \${uid:+-u "$uid"} \${group:+-g "$group"} "$1"
`;

const ADDGROUP = `#!/bin/sh
${ABOUT}
case " $* " in *" --"*) exec /usr/sbin/addgroup "$@" ;; esac
set -e
gid='' system=''
while getopts g:S flag; do
  case $flag in
    g) gid=$OPTARG ;;
    S) system=-r ;;
  esac
done
shift $((OPTIND - 1))
[ $# -lt 2 ] || exec usermod -a -G "$2" "$1"
exec groupadd $system \${gid:+-g "$gid"} "$1"
`;

/**
 * Commands that Dockerfiles for Alpine are written with, in the place of an image of Alpine's: `apk add` takes Debian's packages, and
 * adduser and addgroup know busybox's flags.
 */
export const LIKE_ALPINE: Stage = {
  title: "apk, adduser and addgroup as Dockerfiles for Alpine call them",
  packages: [],
  files: Object.entries({ apk: APK, adduser: ADDUSER, addgroup: ADDGROUP }).map(([name, text]) => ({
    path: `/usr/local/bin/${name}`,
    bytes: Buffer.from(text),
    mode: 0o755,
  })),
};

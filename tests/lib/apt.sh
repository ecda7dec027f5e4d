# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Packages of another Debian suite than the machine's: fetched and unpacked,
# never installed.  All state is private; the user's apt configuration is read
# for the mirror and never changed.

# apt_mirror SUITE: where this machine gets its own release from, or its security
# updates for a suite of those, whatever is wanted for another architecture
# (APT_CONFIG).
apt_mirror()
{
	local release security=0

	# shellcheck source=/dev/null
	release=$(. /etc/os-release; echo "$VERSION_CODENAME")
	case $1 in
	*-security) security=1 release+=-security ;;
	esac
	# shellcheck disable=SC2016
	env -u APT_CONFIG apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		awk -v release="$release" -v security="$security" '
		($1 == release || $1 ~ /^stable/) && ($2 ~ /security/) == security { print $2; exit }'
}

# apt_private_options DIR: apt_options that keep apt's state there.
apt_private_options()
{
	apt_options=(-o Dir::Etc::sourcelist="$1/sources.list" -o Dir::Etc::sourceparts=/dev/null
		-o Dir::State::Lists="$1/lists" -o Dir::State::status="$1/status"
		-o Dir::Cache="$1/cache")
}

# apt_private DIR ARGUMENT...: apt-get with its state in DIR.
apt_private()
{
	local apt_options

	apt_private_options "$1"
	shift
	apt_get -q -y "${apt_options[@]}" -o APT::Sandbox::User= -o Debug::NoLocking=true "$@"
}

# apt_private_names DIR PREFIX: packages in the index of DIR whose names start so.
apt_private_names()
{
	local apt_options

	apt_private_options "$1"
	apt-cache "${apt_options[@]}" pkgnames "$2"
}

# apt_private_versions DIR PACKAGE: those in the index of DIR, the oldest first.
apt_private_versions()
{
	local apt_options

	apt_private_options "$1"
	apt-cache "${apt_options[@]}" madison "$2" | cut -d'|' -f2 | tr -d ' ' | sort -uV
}

# apt_private_init DIR SUITE [TYPE]: read the index of SUITE; TYPE is deb or deb-src.
apt_private_init()
{
	local dir=$1 suite=$2 type=${3:-deb} mirror keyring options=
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg

	mirror=$(apt_mirror "$suite")
	if [ -z "$mirror" ]; then
		echo "no Debian mirror in the apt configuration"
		return 1
	fi
	[ ! -e "$keyring" ] || options="[signed-by=$keyring]"
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	: >"$dir/status"
	echo "$type $options $mirror $suite main" >"$dir/sources.list"
	apt_private "$dir" -o APT::Get::List-Cleanup=false update \
		-o APT::Update::Error-Mode=any
}

# apt_unpack DIR ROOT PACKAGE...: these and all that they depend on, into ROOT.
apt_unpack()
{
	local dir=$1 root=$2 archive
	shift 2

	apt_private "$dir" --no-install-recommends --download-only install "$@" || return 1
	for archive in "$dir"/cache/archives/*.deb; do
		dpkg-deb -x "$archive" "$root" || return 1
	done
}

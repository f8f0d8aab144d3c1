import type { RootFacts } from "../roots/root-disk.ts";

const RESULT_MARK = "tskvm-configured";

/**
 * What a new Debian root runs once: the scripts of its packages, which dpkg would have run when it unpacked them, and then their
 * configuration. Nothing is asked and no service is started. [debian-policy 6.5, deb-preinst(5), invoke-rc.d policy-rc.d]
 */
export const CONFIGURE_SCRIPT = `set -e
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true DEBCONF_NOWARNINGS=yes LC_ALL=C.UTF-8
export DPKG_ROOT= DPKG_ADMINDIR=/var/lib/dpkg DPKG_FORCE=security-mac,downgrade DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
for script in /var/lib/dpkg/info/base-passwd.preinst /var/lib/dpkg/info/*.preinst; do
  package=\${script##*/}
  package=\${package%.preinst}
  DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE=\${package%:*} DPKG_MAINTSCRIPT_ARCH=$(cat /var/lib/dpkg/arch) "$script" install
done
dpkg --force-confold --configure -a
rm /usr/sbin/policy-rc.d /var/lib/dpkg/arch
for file in passwd group; do
  echo "${RESULT_MARK}"
  cat /etc/$file
done
`;

/** /etc/passwd and /etc/group, from what the script has printed; undefined if it has not come so far. */
export function configuredFacts(output: string): RootFacts | undefined {
  const [, passwd, group] = output.split(`${RESULT_MARK}\n`);
  return passwd === undefined || group === undefined ? undefined : { passwd, group };
}

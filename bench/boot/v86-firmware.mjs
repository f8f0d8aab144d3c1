// v86's npm package holds no firmware; SeaBIOS as Debian builds it does.

/** Of Debian's package seabios. */
export const firmware = {
  bios: "/usr/share/seabios/bios.bin",
  vgaBios: "/usr/share/seabios/vgabios-stdvga.bin",
};

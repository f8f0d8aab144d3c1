/** ACPI fixed hardware: power management. [ACPI 6.5 4.8] */

/** PM1 status register. [ACPI 6.5 table 4.12] */
export const PM1_TMR_STS = 1 << 0;
export const PM1_BM_STS = 1 << 4;
export const PM1_GBL_STS = 1 << 5;
export const PM1_PWRBTN_STS = 1 << 8;
export const PM1_SLPBTN_STS = 1 << 9;
export const PM1_RTC_STS = 1 << 10;
export const PM1_WAK_STS = 1 << 15;
export const PM1_STATUS_MASK =
  PM1_TMR_STS | PM1_BM_STS | PM1_GBL_STS | PM1_PWRBTN_STS | PM1_SLPBTN_STS | PM1_RTC_STS | PM1_WAK_STS;

/** PM1 enable register. [ACPI 6.5 table 4.13] */
export const PM1_TMR_EN = 1 << 0;
export const PM1_GBL_EN = 1 << 5;
export const PM1_PWRBTN_EN = 1 << 8;
export const PM1_SLPBTN_EN = 1 << 9;
export const PM1_RTC_EN = 1 << 10;
export const PM1_ENABLE_MASK = PM1_TMR_EN | PM1_GBL_EN | PM1_PWRBTN_EN | PM1_SLPBTN_EN | PM1_RTC_EN;

/** PM1 control register. [ACPI 6.5 table 4.14] */
export const PM1_SCI_EN = 1 << 0;
export const PM1_BM_RLD = 1 << 1;
export const PM1_SLP_TYP_SHIFT = 10;
export const PM1_SLP_TYP = 7 << PM1_SLP_TYP_SHIFT;
export const PM1_SLP_EN = 1 << 13;

/** Offsets in the PM1 event block. */
export const PM1_STS = 0;
export const PM1_EN = 2;

/** The power management timer. [ACPI 6.5 4.8.2.1] */
export const PM_TIMER_HZ = 3579545;

import { B_24H, B_DM_BINARY, RTC_ALARM_ANY, RTC_PM } from "../spec/mc146818.ts";

/*
 * The arithmetic of the clock: seconds since 1970-01-01 UTC against the chip's bytes. A time is a plain record that is
 * filled in place, so that reading the clock makes no garbage.
 */

export interface CivilTime {
  year: number;
  month: number;
  day: number;
  /** 1 is Sunday. */
  weekday: number;
  hour: number;
  minute: number;
  second: number;
}

const DAY = 86400;
/** Days from 0000-03-01 to 1970-01-01 in the proleptic Gregorian calendar. */
const EPOCH_DAYS = 719468;
const DAYS_IN_400_YEARS = 146097;

/** Fills `into` with the UTC date and time `seconds` after the epoch; counts years from 1 March, which ends leap days. */
export function civilFromSeconds(seconds: number, into: CivilTime): void {
  const days = Math.floor(seconds / DAY);
  const rest = seconds - days * DAY;
  into.hour = Math.floor(rest / 3600);
  into.minute = Math.floor(rest / 60) % 60;
  into.second = rest % 60;
  into.weekday = ((((days + 4) % 7) + 7) % 7) + 1;
  const shifted = days + EPOCH_DAYS;
  const era = Math.floor(shifted / DAYS_IN_400_YEARS);
  const dayOfEra = shifted - era * DAYS_IN_400_YEARS;
  const leaps = Math.floor(dayOfEra / 1460) - Math.floor(dayOfEra / 36524) + Math.floor(dayOfEra / 146096);
  const yearOfEra = Math.floor((dayOfEra - leaps) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  into.day = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1;
  into.month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  into.year = yearOfEra + era * 400 + (into.month <= 2 ? 1 : 0);
}

/** Seconds since the epoch; fields out of their range carry over. */
export function secondsFromCivil(time: CivilTime): number {
  const year = time.month <= 2 ? time.year - 1 : time.year;
  const marchMonth = (time.month + 9) % 12;
  const dayOfYear = Math.floor((153 * marchMonth + 2) / 5) + time.day - 1;
  const days = year * 365 + Math.floor(year / 4) - Math.floor(year / 100) + Math.floor(year / 400) + dayOfYear;
  return (days - EPOCH_DAYS) * DAY + time.hour * 3600 + time.minute * 60 + time.second;
}

/** A number from 0 to 99 in the data mode of register B. */
export function encodeByte(value: number, registerB: number): number {
  return (registerB & B_DM_BINARY) !== 0 ? value : (Math.floor(value / 10) << 4) | (value % 10);
}

export function decodeByte(byte: number, registerB: number): number {
  return (registerB & B_DM_BINARY) !== 0 ? byte : (byte >> 4) * 10 + (byte & 0xf);
}

/** The hours byte: in 12-hour mode 1 to 12 with a PM flag. [MC146818 "Register B", 24/12] */
export function encodeHour(hour: number, registerB: number): number {
  if ((registerB & B_24H) !== 0) return encodeByte(hour, registerB);
  return encodeByte(((hour + 11) % 12) + 1, registerB) | (hour >= 12 ? RTC_PM : 0);
}

export function decodeHour(byte: number, registerB: number): number {
  if ((registerB & B_24H) !== 0) return decodeByte(byte, registerB);
  return (decodeByte(byte & ~RTC_PM, registerB) % 12) + ((byte & RTC_PM) !== 0 ? 12 : 0);
}

/** The bytes of an alarm as the chip holds them. */
export interface AlarmBytes {
  readonly second: number;
  readonly minute: number;
  readonly hour: number;
}

function matches(alarm: number, value: number): boolean {
  return alarm >= RTC_ALARM_ANY || alarm === value;
}

/** The first second after `after` at which the alarm strikes; Infinity if it never does within a day. */
export function nextAlarm(after: number, alarm: AlarmBytes, registerB: number): number {
  const end = after + DAY;
  let second = after + 1;
  while (second <= end) {
    const ofDay = ((second % DAY) + DAY) % DAY;
    if (!matches(alarm.hour, encodeHour(Math.floor(ofDay / 3600), registerB))) second += 3600 - (ofDay % 3600);
    else if (!matches(alarm.minute, encodeByte(Math.floor(ofDay / 60) % 60, registerB))) second += 60 - (ofDay % 60);
    else if (!matches(alarm.second, encodeByte(ofDay % 60, registerB))) second++;
    else return second;
  }
  return Number.POSITIVE_INFINITY;
}

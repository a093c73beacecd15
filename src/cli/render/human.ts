const UNITS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"] as const;

/** Bytes as docker prints them: decimal units and `digits` significant figures, `1.81MB`, `12.3kB`, `0B`. */
export function humanSize(bytes: number, digits = 3): string {
  let unit = 0;
  let value = bytes;
  while (unit < UNITS.length - 1 && Number(value.toPrecision(digits)) >= 1000) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(digits))}${UNITS[unit]}`;
}

/** A span of milliseconds in docker's words: `About a minute`, `2 weeks`. */
export function humanDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(ms / 3_600_000 + 0.5);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(hours / 24 / 365)} years`;
}

/** `2 weeks ago`; `N/A` for a time that is missing or unreadable. `at` is milliseconds since the epoch. */
export function ago(at: number | undefined, now: number = Date.now()): string {
  return at === undefined || Number.isNaN(at) ? "N/A" : `${humanDuration(now - at)} ago`;
}

/** A time of a config document as milliseconds since the epoch; undefined when it is missing, unreadable or Go's zero time. */
export function timeOf(text: string | undefined): number | undefined {
  if (text === undefined || text.startsWith("0001-01-01T00:00:00")) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}

/** RFC 3339 in local time, whole seconds: `2026-11-21T10:25:03Z`. */
export function rfc3339(at: number): string {
  const { date, time, offset } = local(at);
  return `${date}T${time}${offset === "+0000" ? "Z" : `${offset.slice(0, 3)}:${offset.slice(3)}`}`;
}

/** As Go prints a time: `2026-11-21 10:25:05 +0000 UTC`. */
export function goTime(at: number): string {
  const { date, time, offset } = local(at);
  const zone =
    offset === "+0000"
      ? "UTC"
      : (new Intl.DateTimeFormat("en-US", { timeZoneName: "short" }).formatToParts(at).find((part) => part.type === "timeZoneName")
          ?.value ?? offset);
  return `${date} ${time} ${offset} ${zone}`;
}

function local(at: number): { date: string; time: string; offset: string } {
  const when = new Date(at);
  const minutes = -when.getTimezoneOffset();
  const shifted = new Date(Math.floor(at / 1000) * 1000 + minutes * 60_000).toISOString();
  const two = (n: number) => String(n).padStart(2, "0");
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return { date: shifted.slice(0, 10), time: shifted.slice(11, 19), offset: `${minutes < 0 ? "-" : "+"}${two(hours)}${two(rest)}` };
}

// Numbers and times as people read them. A raw value is always one hover away.

const SIG = new Intl.NumberFormat("en", { maximumSignificantDigits: 5 });
const INT = new Intl.NumberFormat("en");

export function number(value: number | string | null | undefined): string {
  if (value === null || value === undefined) return "–";
  const n = Number(value);
  if (!Number.isFinite(n)) return String(value);
  if (Number.isInteger(n) && Math.abs(n) < 1e15) return INT.format(n);
  const size = Math.abs(n);
  return size !== 0 && (size < 1e-4 || size >= 1e9) ? n.toExponential(3) : SIG.format(n);
}

export function bytes(n: number | string | null | undefined): string {
  let value = Number(n ?? NaN);
  if (!Number.isFinite(value)) return "–";
  if (value < 1024) return `${value} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let unit = -1;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function ms(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value < 1) return `${Math.round(value * 1000)} µs`;
  if (value < 10) return `${value.toFixed(1)} ms`;
  return duration(value);
}

export function duration(millis: number | null | undefined): string {
  if (millis === null || millis === undefined || !Number.isFinite(millis) || millis < 0) return "–";
  if (millis < 1000) return `${Math.round(millis)} ms`;
  if (millis < 9_950) return `${(millis / 1000).toFixed(1)} s`;
  const s = Math.round(millis / 1000);
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return `${m} min ${s % 60} s`;
  const h = Math.floor(m / 60);
  return h < 48 ? `${h} h ${m % 60} min` : `${Math.floor(h / 24)} d ${h % 24} h`;
}

/** Milliseconds since the epoch, from MLflow's numbers or our RFC 3339. */
export function millis(time: string | number | null | undefined): number | null {
  if (time === null || time === undefined || time === "" || time === 0 || time === "0") return null;
  const n = typeof time === "number" || /^\d+$/.test(time) ? Number(time) : Date.parse(time);
  return Number.isFinite(n) ? n : null;
}

/** A span of time in the one unit in which a person would say it. */
function span(s: number): string {
  const days = s / 86_400;
  if (s < 60) return `${s} s`;
  if (s < 3570) return `${Math.round(s / 60)} min`;
  if (s < 84_600) return `${Math.round(s / 3600)} h`;
  if (days < 13.5) return `${Math.round(days)} d`;
  if (days < 59.5) return `${Math.round(days / 7)} wk`;
  if (days < 350) return `${Math.round(days / 30.44)} mo`;
  return `${Math.round(days / 365.25)} y`;
}

export function ago(time: number, now = Date.now()): string {
  const s = Math.round(Math.abs(now - time) / 1000);
  if (s < 10) return "now";
  const words = span(s);
  return time > now ? `in ${words}` : `${words} ago`;
}

export const exact = (time: number) =>
  new Date(time).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** The zone, or UTC where the browser knows fewer zones than the server. */
export function knownZone(zone: string | null | undefined): string {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone || "UTC" });
    return zone || "UTC";
  } catch {
    return "UTC";
  }
}

/** A time by a zone's clock: of runs one goes by the clock of their schedule, wherever one sits. */
export function clock(time: string | number | null | undefined, zone: string | null | undefined): string {
  const at = millis(time);
  return at === null ? "–" : new Date(at).toLocaleString("sv-SE", { timeZone: knownZone(zone) }).replace(/:00$/, "");
}

/** The same with the zone said. */
export const stamp = (time: string | number | null | undefined, zone?: string | null) =>
  millis(time) === null ? "–" : `${clock(time, zone)} ${knownZone(zone)}`;

export const plural = (n: number, word: string, many = `${word}s`) => `${INT.format(n)} ${n === 1 ? word : many}`;

export const shortId = (id: string) => (id.length > 12 ? id.slice(0, 8) : id);
export const baseName = (path: string) => path.replace(/\/+$/, "").split("/").pop() ?? path;

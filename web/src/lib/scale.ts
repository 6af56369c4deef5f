// Where a value stands on an axis, from 0 to 1: numbers evenly or by their logarithm, words each at a place of its own.
import { number } from "./format";

export interface Scale {
  place: (value: string | number | undefined) => number | null;
  ticks: { at: number; label: string }[];
}

/** More different words than this cannot be told apart on an axis. */
const MOST_WORDS = 24;

export function scaleOf(values: (string | number | undefined)[], log: boolean, ticks = 5): Scale {
  const present = values.filter((value) => value !== undefined && value !== "");
  const numbers = present.map(Number);
  const words = new Set(["NaN", "Infinity", "-Infinity"]);
  const numeric = present.every((value, i) => typeof value === "number" || words.has(value ?? "") || Number.isFinite(numbers[i]));
  return numeric ? numerical(numbers.filter(Number.isFinite), log, ticks) : wordy(present.map(String));
}

function wordy(values: string[]): Scale {
  const words = [...new Set(values)].sort();
  const at = new Map(words.map((word, i) => [word, words.length === 1 ? 0.5 : i / (words.length - 1)]));
  const step = Math.ceil(words.length / MOST_WORDS);
  return {
    place: (value) => (value === undefined ? null : at.get(String(value)) ?? null),
    ticks: words.filter((_, i) => i % step === 0).map((word) => ({ at: at.get(word) ?? 0, label: word })),
  };
}

function numerical(values: number[], log: boolean, count: number): Scale {
  let [least, most] = [Infinity, -Infinity];
  for (const value of values) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  if (values.length === 0) return { place: () => null, ticks: [] };
  const bent = log && least > 0;
  const bend = (value: number) => (bent ? Math.log10(value) : value);
  const [low, high] = [bend(least), bend(most)];
  const share = (value: number) => (high > low ? (bend(value) - low) / (high - low) : 0.5);
  const steps = bent ? powers(low, high, count) : even(low, high, count);
  const labels = high > low && steps.length > 1 ? steps : [...new Set([least, most])];
  return {
    place: (value) => { const n = value === undefined || value === "" ? NaN : Number(value); return Number.isFinite(n) && (!bent || n > 0) ? share(n) : null; },
    ticks: labels.map((value) => ({ at: share(value), label: number(Number(value.toPrecision(6))) })),
  };
}

/** Round numbers between two ends, about `count` of them. */
function even(low: number, high: number, count: number): number[] {
  const raw = (high - low) / (count + 1);
  if (!(raw > 0)) return [];
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5, 10].find((one) => one * power >= raw) ?? 10);
  const found = [];
  for (let n = Math.ceil(low / step); n * step <= high; n++) found.push(n * step);
  return found;
}

function powers(low: number, high: number, count: number): number[] {
  const found = [];
  for (let n = Math.ceil(low); n <= high; n++) found.push(10 ** n);
  const step = Math.ceil(found.length / count);
  return found.length > 1 ? found.filter((_, i) => i % step === 0) : even(10 ** low, 10 ** high, count).filter((value) => value > 0);
}

// What is known of a model version in numbers: what was measured of the model itself, and what its run logged.
import type { KeyValue, Metric } from "./mlflow";

/** A key with its value; `run` is what the run says where that is something else. */
export interface Known { key: string; value: string; run?: string }

const later = (a: Metric, b: Metric) => Number(a.step) - Number(b.step) || Number(a.timestamp) - Number(b.timestamp);

/** The last point of each metric. A model has all the points that were taken of it. */
function latest(points: Metric[]): Map<string, Metric> {
  const found = new Map<string, Metric>();
  for (const point of points) {
    const before = found.get(point.key);
    if (!before || later(point, before) >= 0) found.set(point.key, point);
  }
  return found;
}

/**
 * A model may be one of several checkpoints of its run, so what was measured of it counts; the run's later
 * value stands beside it, and where nothing was measured of the model, the run speaks for it.
 */
function joined(own: Map<string, string>, run: Map<string, string>): Known[] {
  const keys = [...new Set([...own.keys(), ...run.keys()])].sort((a, b) => a.localeCompare(b));
  return keys.map((key) => {
    const [mine, theirs] = [own.get(key), run.get(key)];
    return { key, value: mine ?? theirs ?? "", run: mine !== undefined && theirs !== undefined && theirs !== mine ? theirs : undefined };
  });
}

export function metrics(own: Metric[] = [], run: Metric[] = [], show: (value: number | string) => string): Known[] {
  const shown = (points: Metric[]) => new Map([...latest(points)].map(([key, point]) => [key, show(point.value)]));
  return joined(shown(own), shown(run));
}

export function params(own: KeyValue[] = [], run: KeyValue[] = []): Known[] {
  const map = (pairs: KeyValue[]) => new Map(pairs.map((pair) => [pair.key, pair.value]));
  return joined(map(own), map(run));
}

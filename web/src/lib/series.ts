// Metric points to curves: order, duplicates, smoothing, thinning. Pure, so easy to reason about.

export interface Point { step: number; time: number; value: number }
export type XAxis = "step" | "time" | "relative";

/** One value per x, the latest logged; x ascending; what cannot be drawn (NaN, infinity) becomes null. */
export function curve(points: Point[], x: XAxis, smoothing: number): [number[], (number | null)[]] {
  const start = points.reduce((least, point) => Math.min(least, point.time), Infinity);
  const at = (point: Point) => (x === "step" ? point.step : x === "time" ? point.time / 1000 : (point.time - start) / 1000);
  const byX = new Map<number, number>();
  for (const point of [...points].sort((a, b) => a.time - b.time)) byX.set(at(point), point.value);
  const xs = [...byX.keys()].sort((a, b) => a - b);
  const ys = xs.map((key) => byX.get(key) ?? NaN).map((value) => (Number.isFinite(value) ? value : null));
  return [xs, smooth(ys, smoothing)];
}

/** Exponential moving average with the start's bias taken out; 0 changes nothing. */
export function smooth(values: (number | null)[], weight: number): (number | null)[] {
  if (weight <= 0) return values;
  let last = 0;
  let count = 0;
  return values.map((value) => {
    if (value === null) return null;
    last = last * weight + (1 - weight) * value;
    count += 1;
    return last / (1 - weight ** count);
  });
}

/** Several curves over one shared x, as uPlot wants them. */
export function join(curves: [number[], (number | null)[]][]): [number[], ...(number | null | undefined)[][]] {
  const xs = [...new Set(curves.flatMap(([x]) => x))].sort((a, b) => a - b);
  const place = new Map(xs.map((x, i) => [x, i]));
  const ys = curves.map(([x, y]) => {
    const row: (number | null | undefined)[] = new Array(xs.length).fill(undefined);
    x.forEach((value, i) => (row[place.get(value) ?? 0] = y[i]));
    return row;
  });
  return [xs, ...ys];
}

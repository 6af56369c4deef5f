// Text that fits a width, whatever font the system has: SVG neither wraps nor cuts by itself.

let canvas: CanvasRenderingContext2D | null | undefined;
const known = new Map<string, string>();

/** The text, or as much of its two ends as fits: names often differ only in how they end. */
export function fitted(text: string, width: number, size: number, weight = 400): string {
  const key = `${width} ${size} ${weight} ${text}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  canvas ??= document.createElement("canvas").getContext("2d");
  if (!canvas) return text;
  const pen = canvas;
  pen.font = `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;
  const fits = (one: string) => pen.measureText(one).width <= width;
  const found = fits(text) ? text : cut(text, fits);
  if (known.size > 2_000) known.clear();
  known.set(key, found);
  return found;
}

function cut(text: string, fits: (one: string) => boolean): string {
  const signs = [...text];
  const kept = (count: number) => {
    const end = Math.floor(count / 3);
    return `${signs.slice(0, count - end).join("")}…${end ? signs.slice(-end).join("") : ""}`;
  };
  let [low, high] = [1, signs.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(kept(middle))) low = middle;
    else high = middle - 1;
  }
  return kept(low);
}

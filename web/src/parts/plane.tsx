// What the charts drawn as SVG share: their width, a colour from low to high, and the note at the pointer.
import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";

/** One run as a chart sees it: what it is called, where it leads, its values by axis. */
export interface Dot { name: string; href: string; values: (string | number | undefined)[] }

export function useWidth(box: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (!box.current) return;
    const watch = new ResizeObserver(([entry]) => entry && setWidth(Math.floor(entry.contentRect.width)));
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  return width;
}

/** A colour between the theme's first two, or the muted one where the value is missing. */
export const shade = (at: number | null | undefined) => (at === null ? "var(--control)" : at === undefined ? "var(--c1)" : `color-mix(in oklab, var(--c2) ${Math.round(at * 100)}%, var(--c3))`);

export function Shades({ label, low, high }: { label: string; low: string; high: string }) {
  return <p class="shades"><span class="muted">Colour: {label}</span><span>{low}</span><i style={{ background: `linear-gradient(in oklab to right, ${shade(0)}, ${shade(1)})` }} aria-hidden="true" /><span>{high}</span></p>;
}

export function Note({ x, y, width, children }: { x: number; y: number; width: number; children: ComponentChildren }) {
  const side = x > width / 2 ? { right: `${width - x + 14}px` } : { left: `${x + 14}px` };
  return <div class="chart-note many" style={{ ...side, top: `${Math.max(0, y - 12)}px` }}>{children}</div>;
}

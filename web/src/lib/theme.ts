// Light, dark, or as the system says. Charts listen, because a canvas does not restyle itself.
import { useEffect, useState } from "preact/hooks";

export type Theme = "auto" | "light" | "dark";

export function theme(): Theme {
  const value = document.documentElement.dataset.theme;
  return value === "light" || value === "dark" ? value : "auto";
}

export function setTheme(next: Theme) {
  if (next === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try {
    if (next === "auto") localStorage.removeItem("crannog.theme");
    else localStorage.setItem("crannog.theme", next);
  } catch {
    // Storage may be forbidden; the choice then lasts until the page is loaded again.
  }
  dispatchEvent(new Event("crannog:theme"));
}

/** Changes whenever the effective colours may have changed. */
export function useThemeTick(): number {
  const [tick, setTick] = useState(0);
  useEffect(() => {
    const bump = () => setTick((n) => n + 1);
    const media = matchMedia("(prefers-color-scheme: dark)");
    addEventListener("crannog:theme", bump);
    media.addEventListener("change", bump);
    return () => {
      removeEventListener("crannog:theme", bump);
      media.removeEventListener("change", bump);
    };
  }, []);
  return tick;
}

export const cssVar = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

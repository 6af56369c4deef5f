// Where we are: the real path and query of the address bar. All state worth sharing lives there.
import { useEffect, useState } from "preact/hooks";

export interface Place {
  path: string;
  query: URLSearchParams;
}

const listeners = new Set<() => void>();

export const here = (): Place => ({ path: location.pathname, query: new URLSearchParams(location.search) });

const tell = () => listeners.forEach((listener) => listener());

export function go(href: string, replace = false) {
  if (replace) history.replaceState(null, "", href);
  else {
    history.pushState(null, "", href);
    scrollTo(0, 0);
  }
  tell();
}

/** Changes some of the query; null or "" removes a key. */
export function setQuery(changes: Record<string, string | null | undefined>, replace = true) {
  const query = new URLSearchParams(location.search);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") query.delete(key);
    else query.set(key, value);
  }
  const text = query.toString();
  const href = location.pathname + (text ? `?${text}` : "");
  if (replace) history.replaceState(null, "", href);
  else history.pushState(null, "", href);
  tell();
}

export function usePlace(): Place {
  const [place, setPlace] = useState(here);
  useEffect(() => {
    const listener = () => setPlace(here());
    listeners.add(listener);
    // The address may have changed between the first rendering and this effect.
    if (location.pathname !== place.path) listener();
    return () => void listeners.delete(listener);
  }, []);
  return place;
}

/** Links stay real links; a plain click on one of ours changes the page without loading it. */
export function interceptLinks() {
  addEventListener("popstate", tell);
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest?.("a");
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (/^\/(api|ajax-api|assets|login|metrics)(\/|$)/.test(link.pathname)) return;
    if (link.pathname === location.pathname && link.hash) return;
    event.preventDefault();
    go(link.pathname + link.search + link.hash);
  });
}

/** The links that MLflow's clients print carry the page after a `#`: on to our page of the same thing. */
export function followMlflowLinks() {
  const follow = () => {
    const [root = "", first = "", second = "", third = ""] = location.hash.replace(/^#\//, "").split(/[/?]/);
    if (!location.hash.startsWith("#/") || !first || !["experiments", "models"].includes(root)) return;
    go(root === "experiments" && second === "runs" && third ? `/runs/${third}` : `/${root}/${first}`, true);
  };
  addEventListener("hashchange", follow);
  follow();
}

/** A path of the given segments, each escaped. */
export const path = (...segments: (string | number)[]) => "/" + segments.map((s) => encodeURIComponent(String(s))).join("/");

/** A path whose last part is an object key: its slashes stay slashes. */
export const keyPath = (key: string) => key.split("/").map(encodeURIComponent).join("/");

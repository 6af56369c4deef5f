// The frame around every screen: navigation, who is signed in, theme, and the keys that work everywhere.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import * as api from "../lib/crannog";
import { go, usePlace } from "../lib/router";
import { Session } from "../lib/session";
import { setTheme, theme, useThemeTick, type Theme } from "../lib/theme";
import { useLoad } from "../lib/use";
import { Problem } from "./basics";
import { Brand, Icon, type IconName } from "./icon";
import { Help, Palette } from "./palette";

const NAV: { href: string; label: string; icon: IconName; also?: string[] }[] = [
  { href: "/", label: "Home", icon: "home" },
  { href: "/experiments", label: "Experiments", icon: "flask", also: ["/runs", "/compare", "/traces"] },
  { href: "/models", label: "Models", icon: "cube" },
  { href: "/pipelines", label: "Pipelines", icon: "flow", also: ["/pipeline-runs"] },
  { href: "/endpoints", label: "Endpoints", icon: "bolt" },
  { href: "/data", label: "Data", icon: "data" },
];
const LOW: typeof NAV = [
  { href: "/docs", label: "Docs", icon: "book" },
  { href: "/settings", label: "Settings", icon: "gear" },
];
const CHORDS: Record<string, string> = { h: "/", e: "/experiments", m: "/models", p: "/pipelines", n: "/endpoints", d: "/data", s: "/settings" };

const under = (path: string, root: string) => (root === "/" ? path === "/" : path === root || path.startsWith(`${root}/`));

export function Shell({ children }: { children: ComponentChildren }) {
  const { path } = usePlace();
  const me = useLoad(api.me, []);
  const [open, setOpen] = useState<"palette" | "help" | "menu">();
  useKeys(setOpen);
  useEffect(() => setOpen(undefined), [path]);
  const item = ({ href, label, icon, also }: (typeof NAV)[number]) => (
    <a key={href} href={href} aria-current={under(path, href) || also?.some((one) => under(path, one)) ? "page" : undefined}><Icon name={icon} />{label}</a>
  );
  return (
    <Session.Provider value={me.data}>
      <a class="skip" href="#main">Skip to content</a>
      <div class={`shell ${open === "menu" ? "menu-open" : ""}`}>
        <header class="topbar">
          <button type="button" class="icon-btn" aria-label="Menu" aria-expanded={open === "menu"} onClick={() => setOpen(open === "menu" ? undefined : "menu")}><Icon name="menu" size={18} /></button>
          <a href="/" class="brand"><Brand />Crannog</a>
          <button type="button" class="icon-btn" aria-label="Go to anything" onClick={() => setOpen("palette")}><Icon name="search" size={18} /></button>
        </header>
        <aside class="side">
          <a href="/" class="brand"><Brand />Crannog</a>
          <button type="button" class="jump" onClick={() => setOpen("palette")}><Icon name="search" /><span>Go to…</span><kbd>Ctrl K</kbd></button>
          <nav aria-label="Main">{NAV.map(item)}</nav>
          <div class="side-low">
            <nav aria-label="More">{LOW.map(item)}</nav>
            <ThemeSwitch />
            <div class="whoami">
              <Icon name="user" />
              <span>{me.data ? <><b>{me.data.user}</b><small>{me.data.role}</small></> : <small>…</small>}</span>
              <button type="button" class="icon-btn" title="Sign out" aria-label="Sign out" onClick={() => void api.signOut().finally(() => location.assign("/login"))}><Icon name="out" /></button>
            </div>
          </div>
        </aside>
        <div class="scrim" onClick={() => setOpen(undefined)} />
        <main id="main" tabIndex={-1}>
          {me.error && <Problem error={me.error} retry={me.reload} />}
          {children}
        </main>
      </div>
      {open === "palette" && <Palette close={() => setOpen(undefined)} />}
      {open === "help" && <Help close={() => setOpen(undefined)} />}
    </Session.Provider>
  );
}

function ThemeSwitch() {
  useThemeTick();
  const all: [Theme, string, IconName][] = [["light", "Light", "sun"], ["dark", "Dark", "moon"], ["auto", "As the system", "half"]];
  return (
    <div class="segments theme" role="group" aria-label="Theme">
      {all.map(([id, label, icon]) => <button key={id} type="button" aria-pressed={theme() === id} aria-label={label} title={label} onClick={() => setTheme(id)}><Icon name={icon} /></button>)}
    </div>
  );
}

function useKeys(open: (what: "palette" | "help") => void) {
  useEffect(() => {
    let chord = 0;
    const onKey = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        if (!document.querySelector("dialog[open]")) open("palette");
        return;
      }
      const busy = event.target instanceof Element && event.target.closest("input, textarea, select, dialog");
      if (busy || event.ctrlKey || event.metaKey || event.altKey) return;
      const target = Date.now() - chord < 1000 ? CHORDS[event.key] : undefined;
      chord = event.key === "g" ? Date.now() : 0;
      if (target) go(target);
      else if (event.key === "?") open("help");
      else if (event.key === "/") {
        const search = document.querySelector<HTMLInputElement>("main [data-search]");
        if (search) {
          event.preventDefault();
          search.focus();
          search.select();
        }
      }
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}

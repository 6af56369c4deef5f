// Ctrl+K: go anywhere by name. The things it knows are fetched when it opens.
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../lib/crannog";
import * as ml from "../lib/mlflow";
import * as store from "../lib/objects";
import { go, path } from "../lib/router";
import { setTheme } from "../lib/theme";
import { Modal } from "./dialog";
import { Icon, type IconName } from "./icon";

interface Entry { label: string; kind: string; icon: IconName; href?: string; act?: () => void }

const PLACES: Entry[] = [
  { label: "Home", kind: "Go to", icon: "home", href: "/" },
  { label: "Experiments", kind: "Go to", icon: "flask", href: "/experiments" },
  { label: "Models", kind: "Go to", icon: "cube", href: "/models" },
  { label: "Pipelines", kind: "Go to", icon: "flow", href: "/pipelines" },
  { label: "Endpoints", kind: "Go to", icon: "bolt", href: "/endpoints" },
  { label: "Data", kind: "Go to", icon: "data", href: "/data" },
  { label: "Settings", kind: "Go to", icon: "gear", href: "/settings" },
  { label: "Documentation", kind: "Go to", icon: "book", href: "/docs" },
  { label: "Light theme", kind: "Theme", icon: "sun", act: () => setTheme("light") },
  { label: "Dark theme", kind: "Theme", icon: "moon", act: () => setTheme("dark") },
  { label: "Theme of the system", kind: "Theme", icon: "half", act: () => setTheme("auto") },
];

/** Each source may fail on its own; the palette then simply knows less. */
async function things(): Promise<Entry[]> {
  const sources: Promise<Entry[]>[] = [
    ml.experiments().then((r) => r.experiments.map((e) => ({ label: e.name, kind: "Experiment", icon: "flask", href: path("experiments", e.experiment_id) }))),
    ml.models().then((r) => r.map((m) => ({ label: m.name, kind: "Model", icon: "cube", href: path("models", m.name) }))),
    api.pipelines().then((r) => r.map((p) => ({ label: p.name, kind: "Pipeline", icon: "flow", href: path("pipelines", p.name) }))),
    api.endpoints().then((r) => r.map((e) => ({ label: e.name, kind: "Endpoint", icon: "bolt", href: path("endpoints", e.name) }))),
    store.buckets().then((r) => r.map((b) => ({ label: b.name, kind: "Bucket", icon: "data", href: path("data", b.name) }))),
  ];
  const found = await Promise.allSettled(sources);
  return found.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
}

function matches(entry: Entry, text: string): boolean {
  const hay = `${entry.label} ${entry.kind}`.toLowerCase();
  return text.toLowerCase().split(/\s+/).every((part) => hay.includes(part));
}

export function Palette({ close }: { close: () => void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const [known, setKnown] = useState<Entry[]>([]);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    input.current?.focus();
    let open = true;
    void things().then((found) => open && setKnown(found));
    return () => void (open = false);
  }, []);

  const direct: Entry[] = /^[0-9a-f]{32}$/.test(text.trim()) ? [{ label: text.trim(), kind: "Run", icon: "flask", href: path("runs", text.trim()) }] : [];
  const entries = [...direct, ...[...PLACES, ...known].filter((entry) => matches(entry, text))].slice(0, 40);
  const choose = (entry: Entry | undefined) => {
    if (!entry) return;
    close();
    if (entry.href) go(entry.href);
    entry.act?.();
  };
  const onKey = (event: KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step) {
      event.preventDefault();
      setAt((old) => Math.min(entries.length - 1, Math.max(0, old + step)));
    } else if (event.key === "Enter") {
      event.preventDefault();
      choose(entries[at]);
    }
  };
  return (
    <Modal title="Go to anything" close={close} class="palette">
      <input
        ref={input} class="palette-input" placeholder="Experiment, model, pipeline, endpoint, bucket, run id…" value={text} role="combobox"
        aria-expanded="true" aria-controls="palette-list" aria-activedescendant={entries[at] ? `palette-${at}` : undefined} aria-label="Go to anything"
        onInput={(e) => { setText(e.currentTarget.value); setAt(0); }} onKeyDown={onKey}
      />
      <ul id="palette-list" role="listbox" aria-label="Results">
        {entries.map((entry, i) => (
          <li key={entry.kind + entry.label} id={`palette-${i}`} role="option" aria-selected={i === at} ref={(li) => { if (i === at) li?.scrollIntoView({ block: "nearest" }); }} onMouseMove={() => setAt(i)} onClick={() => choose(entry)}>
            <Icon name={entry.icon} /><span>{entry.label}</span><small>{entry.kind}</small>
          </li>
        ))}
        {entries.length === 0 && <li class="palette-none">Nothing matches “{text}”.</li>}
      </ul>
    </Modal>
  );
}

const KEYS: [string, string][] = [
  ["Ctrl K", "Go to anything"], ["/", "Search on this page"], ["j  k", "Next row, previous row"], ["Enter", "Open the marked row"],
  ["g h", "Home"], ["g e", "Experiments"], ["g m", "Models"], ["g p", "Pipelines"], ["g n", "Endpoints"], ["g d", "Data"], ["?", "This help"], ["Esc", "Close"],
];

export function Help({ close }: { close: () => void }) {
  return (
    <Modal title="Keyboard" close={close}>
      <dl class="keys modal-body">{KEYS.map(([keys, what]) => <div key={keys}><dt>{keys.split(/\s+/).map((key) => <kbd key={key}>{key}</kbd>)}</dt><dd>{what}</dd></div>)}</dl>
    </Modal>
  );
}
